package xoauth2_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/xoauth2/go-xoauth2"
)

// fixedRecord returns "value" for account "a" as version 1 sealed it with key
// 1. Later versions have to open it.
func fixedRecord(t testing.TB) []byte {
	t.Helper()
	record, err := hex.DecodeString("584f41555448322d5345414c4544016639701432b39428098f2ae5fd138ac311b83545735cb6504c38ceae46734d52f2e9215c7638624ba7")
	if err != nil {
		t.Fatal(err)
	}
	return record
}

// sealRecord returns the record that an EncryptedStore makes.
func sealRecord(t testing.TB, key [32]byte, account, value string) []byte {
	t.Helper()
	inner := xoauth2.MemoryStore()
	err := xoauth2.EncryptedStore(inner, key).Update(t.Context(), account, func([]byte) ([]byte, error) { return []byte(value), nil })
	if err != nil {
		t.Fatal(err)
	}
	record, err := inner.Load(t.Context(), account)
	if err != nil {
		t.Fatal(err)
	}
	return record
}

// openRecord puts a record into a store and reads it back through the key.
func openRecord(t testing.TB, key [32]byte, account string, record []byte) (value []byte, err error) {
	t.Helper()
	inner := xoauth2.MemoryStore()
	if err := inner.Update(t.Context(), account, func([]byte) ([]byte, error) { return record, nil }); err != nil {
		t.Fatal(err)
	}
	s := xoauth2.EncryptedStore(inner, key)
	value, err = s.Load(t.Context(), account)
	updateErr := s.Update(t.Context(), account, func(old []byte) ([]byte, error) {
		if err != nil {
			t.Errorf("change was called for a record that Load refuses: %v", err)
		}
		return old, nil
	})
	if fmt.Sprint(err) != fmt.Sprint(updateErr) {
		t.Errorf("Load and Update differ: %v, %v", err, updateErr)
	}
	if kept, _ := inner.Load(t.Context(), account); !bytes.Equal(kept, record) {
		t.Error("the record was written again")
	}
	return value, err
}

func TestEncryptedStoreRefusals(t *testing.T) {
	t.Parallel()
	key := [32]byte{1}
	record := sealRecord(t, key, "a", storeSecret)
	damaged, newer := bytes.Clone(record), bytes.Clone(record)
	damaged[len(damaged)-1] ^= 1
	newer[len("XOAUTH2-SEALED")] = 2
	for _, tt := range []struct {
		name, account string
		key           [32]byte
		record        []byte
		want          string
	}{
		{"sound", "a", key, record, ""},
		{"of long ago", "a", key, fixedRecord(t), ""},
		{"another key", "a", [32]byte{2}, record, "sealed with another key"},
		{"damaged", "a", key, damaged, "is corrupt"},
		{"another account's", "b", key, record, "is corrupt, or was moved from another account"},
		{"never sealed", "a", key, []byte(storeSecret), "is corrupt, or was never sealed"},
		{"empty", "a", key, []byte{}, "is corrupt, or was never sealed"},
		{"newer", "a", key, newer, "format version 2"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			value, err := openRecord(t, tt.key, tt.account, tt.record)
			if tt.want == "" {
				if got := string(value); err != nil || got != storeSecret && got != "value" {
					t.Errorf("got %d bytes and error %v", len(value), err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) || errors.Is(err, xoauth2.ErrNotFound) || strings.Contains(err.Error(), "CANARY") {
				t.Errorf("got error %v, want %q", err, tt.want)
			}
			if !strings.HasPrefix(fmt.Sprint(err), "xoauth2: ") || !strings.Contains(fmt.Sprint(err), fmt.Sprintf("%q", tt.account)) {
				t.Errorf("got error %v, want the package and the account in it", err)
			}
		})
	}
}

func TestEncryptedStoreEveryByte(t *testing.T) {
	t.Parallel()
	key := [32]byte{1}
	record := sealRecord(t, key, "a", "value")
	for n := range record {
		if _, err := openRecord(t, key, "a", record[:n]); err == nil || errors.Is(err, xoauth2.ErrNotFound) {
			t.Errorf("cut to %d of %d bytes: got error %v", n, len(record), err)
		}
	}
	for bit := range 8 * len(record) {
		flipped := bytes.Clone(record)
		flipped[bit/8] ^= 1 << (bit % 8)
		if _, err := openRecord(t, key, "a", flipped); err == nil || errors.Is(err, xoauth2.ErrNotFound) {
			t.Errorf("bit %d flipped: got error %v", bit, err)
		}
	}
}

func TestEncryptedStoreNonce(t *testing.T) {
	t.Parallel()
	if bytes.Equal(sealRecord(t, [32]byte{1}, "a", "value"), sealRecord(t, [32]byte{1}, "a", "value")) {
		t.Error("the same value was sealed twice to the same record")
	}
}

// TestEncryptedStoreUnchanged: a process that finds the work done does not write.
func TestEncryptedStoreUnchanged(t *testing.T) {
	t.Parallel()
	inner := xoauth2.MemoryStore()
	s := xoauth2.EncryptedStore(inner, [32]byte{1})
	read := func() []byte {
		record, err := inner.Load(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		return record
	}
	putRecord(t, s, "a", []byte("x"))
	before := read()
	putRecord(t, s, "a", []byte("x"))
	if !bytes.Equal(before, read()) {
		t.Error("the same value was sealed anew")
	}
	err := s.Update(t.Context(), "a", func(old []byte) ([]byte, error) { old[0] = 'y'; return old, nil })
	if got, loadErr := s.Load(t.Context(), "a"); err != nil || loadErr != nil || string(got) != "y" {
		t.Errorf("changed in place: got %q and errors %v, %v; want y", got, err, loadErr)
	}
}

// FuzzSealedRecord: a stranger, who has not the key, cannot write a record that opens.
func FuzzSealedRecord(f *testing.F) {
	key, record := [32]byte{1}, fixedRecord(f) // the same in every process of the fuzzer
	seeds := [][]byte{record, record[:30], sealRecord(f, [32]byte{2}, "a", "value"), sealRecord(f, key, "b", "value"), []byte("XOAUTH2-SEALED\x02"), {}}
	for _, seed := range seeds {
		f.Add(seed)
	}
	if len(seeds) == 0 {
		f.Fatal("no seeds")
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		if file == nil {
			return // that is no record
		}
		value, err := openRecord(t, key, "a", file)
		if genuine := bytes.Equal(file, record); (err == nil) != genuine || genuine && string(value) != "value" {
			t.Errorf("got %q and error %v (genuine: %t)", value, err, genuine)
		}
	})
}
