package xoauth2_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/xoauth2/go-xoauth2"
	"github.com/xoauth2/go-xoauth2/storetest"
)

const (
	storeKey    = "11111111-2222-3333-4444-555555555555|66666666-7777-8888-9999-aaaaaaaaaaaa|bbbbbbbb-cccc-dddd-eeee-ffffffffffff"
	storeSecret = "CANARY-refresh-token"
)

// putRecord stores a value, or ends the test.
func putRecord(t *testing.T, s xoauth2.TokenStore, key string, value []byte) {
	t.Helper()
	if err := s.Update(t.Context(), key, func([]byte) ([]byte, error) { return value, nil }); err != nil {
		t.Fatalf("Update(%q): %v", key, err)
	}
}

func TestStores(t *testing.T) {
	t.Parallel()
	dirs := func(t *testing.T) func() string {
		root, n := t.TempDir(), 0
		return func() string { n++; return filepath.Join(root, fmt.Sprint(n)) }
	}
	for name, newStores := range map[string]func(t *testing.T) func() xoauth2.TokenStore{
		"memory": func(*testing.T) func() xoauth2.TokenStore { return xoauth2.MemoryStore },
		"file": func(t *testing.T) func() xoauth2.TokenStore {
			dir := dirs(t)
			return func() xoauth2.TokenStore { return xoauth2.FileStore(dir()) }
		},
		"encrypted memory": func(*testing.T) func() xoauth2.TokenStore {
			return func() xoauth2.TokenStore { return xoauth2.EncryptedStore(xoauth2.MemoryStore(), [32]byte{1}) }
		},
		"encrypted file": func(t *testing.T) func() xoauth2.TokenStore {
			dir := dirs(t)
			return func() xoauth2.TokenStore { return xoauth2.EncryptedStore(xoauth2.FileStore(dir()), [32]byte{1}) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := storetest.TestStore(newStores(t)); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestStoresHideSecrets renders stores that hold a secret, in every way that a
// careless program might.
func TestStoresHideSecrets(t *testing.T) {
	t.Parallel()
	key := [32]byte([]byte("CANARY-key-of-thirty-two-bytes!!"))
	memory := xoauth2.MemoryStore()
	for name, s := range map[string]xoauth2.TokenStore{
		"memory":           memory,
		"file":             xoauth2.FileStore(filepath.Join(t.TempDir(), "store")),
		"encrypted memory": xoauth2.EncryptedStore(xoauth2.MemoryStore(), key),
	} {
		putRecord(t, s, storeKey, []byte(storeSecret))
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			for _, got := range []string{fmt.Sprintf(verb, s), fmt.Sprintf(verb, struct{ S xoauth2.TokenStore }{s})} {
				for _, secret := range []string{storeSecret, string(key[:])} {
					for _, form := range []string{secret, fmt.Sprintf("%x", secret), fmt.Sprint([]byte(secret)), fmt.Sprintf("%#v", []byte(secret))} {
						if strings.Contains(got, strings.Trim(form, "[]")) {
							t.Errorf("%s: %s shows a secret", name, verb)
						}
					}
				}
			}
		}
	}
}

// TestMemoryStoreForgets: a store through which many accounts pass does not grow.
func TestMemoryStoreForgets(t *testing.T) {
	s := xoauth2.MemoryStore()
	pass := func(n int) uint64 {
		for i := range n {
			key := fmt.Sprint(i, strings.Repeat("k", 1000))
			putRecord(t, s, key, make([]byte, 1000))
			putRecord(t, s, key, nil)
		}
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		runtime.KeepAlive(s)
		return m.HeapAlloc
	}
	before := pass(100)
	if after := pass(10_000); after > before+4<<20 {
		t.Errorf("the heap grew from %d to %d bytes", before, after)
	}
}

// TestMemoryStoreQueue: a waiter whose context ends leaves its place to the others.
func TestMemoryStoreQueue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := xoauth2.MemoryStore()
		reason := errors.New("enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		left, done := make(chan error, 1), make(chan error, 1)
		err := s.Update(t.Context(), "a", func([]byte) ([]byte, error) {
			go func() {
				left <- s.Update(ctx, "a", func([]byte) ([]byte, error) { return []byte("left"), nil })
			}()
			go func() {
				done <- s.Update(t.Context(), "a", func(old []byte) ([]byte, error) { return append(old, "-second"...), nil })
			}()
			synctest.Wait()
			cancel(reason)
			if err := <-left; !errors.Is(err, reason) {
				t.Errorf("got error %v, want %v", err, reason)
			}
			return []byte("first"), nil
		})
		if err := errors.Join(err, <-done); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Load(t.Context(), "a"); err != nil || string(got) != "first-second" {
			t.Errorf("got %q and error %v, want first-second", got, err)
		}
	})
}

func TestFileStoreErrors(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "store")
	s := xoauth2.FileStore(dir)
	_, err := s.Load(t.Context(), storeKey)
	if !errors.Is(err, xoauth2.ErrNotFound) || !strings.HasPrefix(err.Error(), "xoauth2: ") {
		t.Errorf("missing directory: got error %v, want %v", err, xoauth2.ErrNotFound)
	}
	putRecord(t, s, storeKey, []byte(storeSecret))
	own := fmt.Errorf("change: %w", os.ErrNotExist)
	if err := s.Update(t.Context(), storeKey, func([]byte) ([]byte, error) { return nil, own }); err != own {
		t.Errorf("got error %v, want that of change itself", err)
	}

	records, err := filepath.Glob(filepath.Join(dir, "*.token"))
	if err != nil || len(records) != 1 {
		t.Fatalf("got records %q and error %v, want one", records, err)
	}
	if err := os.Truncate(records[0], 40); err != nil {
		t.Fatal(err)
	}
	_, loadErr := s.Load(t.Context(), storeKey)
	updateErr := s.Update(t.Context(), storeKey, func([]byte) ([]byte, error) { return nil, nil })
	for _, err := range []error{loadErr, updateErr} {
		if err == nil || errors.Is(err, xoauth2.ErrNotFound) || !strings.HasPrefix(err.Error(), "xoauth2: ") ||
			!strings.Contains(err.Error(), "corrupt") || !strings.Contains(err.Error(), records[0]) {
			t.Errorf("truncated: got error %v, want a corrupt %s", err, records[0])
		}
	}
	if info, err := os.Stat(records[0]); err != nil || info.Size() != 40 {
		t.Errorf("the corrupt record was touched (%v)", err)
	}
}

// TestFileStoreSignOut: no file shows what is sealed, and none is left when the record is deleted.
func TestFileStoreSignOut(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "store")
	s := xoauth2.EncryptedStore(xoauth2.FileStore(dir), [32]byte{1})
	putRecord(t, s, storeKey, []byte(storeSecret))
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("got files %q and error %v", files, err)
	}
	for _, name := range files {
		if file, err := os.ReadFile(name); err != nil || bytes.Contains(file, []byte(storeSecret)) {
			t.Errorf("%s shows the secret (error %v)", name, err)
		}
	}
	putRecord(t, s, storeKey, nil)
	if runtime.GOOS == "windows" {
		return // where lock files have to stay
	}
	if files, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(files) != 0 {
		t.Errorf("got files %q and error %v, want none", files, err)
	}
}

func TestEncryptedStoreKeys(t *testing.T) {
	t.Parallel()
	inner := xoauth2.MemoryStore()
	s := xoauth2.EncryptedStore(inner, [32]byte{1})
	putRecord(t, s, "a", []byte("1"))
	putRecord(t, inner, "b", []byte("not sealed"))
	keys, err := s.Keys(t.Context())
	slices.Sort(keys)
	if err != nil || !slices.Equal(keys, []string{"a", "b"}) {
		t.Errorf("got keys %q and error %v, want a and b", keys, err)
	}
}
