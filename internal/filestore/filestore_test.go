package filestore_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/xoauth2/go-xoauth2/internal/filestore"
)

// newStore returns the store of a directory that does not exist yet.
func newStore(t *testing.T) (*filestore.Store, string) {
	dir := filepath.Join(t.TempDir(), "store")
	return filestore.New(dir), dir
}

// recordFile returns the one record file of a directory.
func recordFile(t *testing.T, dir string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "*.token"))
	if err != nil || len(found) != 1 {
		t.Fatalf("got records %q and error %v, want one", found, err)
	}
	return found[0]
}

func fileNames(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func wantValue(t *testing.T, s *filestore.Store, key string, want []byte) {
	t.Helper()
	got, err := s.Load(context.Background(), key)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("Load(%q): got %d bytes and error %v, want %d bytes", key, len(got), err, len(want))
	}
}

func wantNoTemp(t *testing.T, dir string) {
	t.Helper()
	for _, name := range fileNames(t, dir) {
		if strings.HasSuffix(name, ".tmp") {
			t.Errorf("temporary file %s was left", name)
		}
	}
}

func TestMissingDirectory(t *testing.T) {
	t.Parallel()
	s, dir := newStore(t)
	if _, err := s.Load(context.Background(), "a"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Load: got error %v, want %v", err, fs.ErrNotExist)
	}
	if keys, err := s.Keys(context.Background()); err != nil || len(keys) != 0 {
		t.Errorf("Keys: got %q and error %v, want none", keys, err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("reading created the directory (%v)", err)
	}
}

func TestNoDirectory(t *testing.T) {
	t.Parallel()
	s := filestore.New("")
	if _, err := s.Load(context.Background(), "a"); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Load: got error %v, want one about the missing name", err)
	}
	if err := s.Update(context.Background(), "a", func([]byte) ([]byte, error) { return nil, nil }); err == nil {
		t.Error("Update: got no error")
	}
}

// TestNames covers keys that a file system could take for a path, merge or not hold.
func TestNames(t *testing.T) {
	t.Parallel()
	s, dir := newStore(t)
	keys := []string{
		"", ".", "..", "../x", "/etc/passwd", `..\x`, "a", "A", "a.token", "key-a", "_61", "a_", "con", "nul.txt", "\x00", "a\x00b", "ä", "a\u0308",
		"\xff\xfe", "*", "a|b|c", "a/b", strings.Repeat("k", 200), strings.Repeat("k", 201), strings.Repeat("K", 300), strings.Repeat("../", 40000),
	}
	for _, key := range keys {
		set(t, s, key, []byte("value of "+key))
	}
	for _, key := range keys {
		wantValue(t, s, key, []byte("value of "+key))
	}
	got, err := s.Keys(context.Background())
	slices.Sort(got)
	slices.Sort(keys)
	if err != nil || !slices.Equal(got, keys) {
		t.Errorf("got keys %.300q and error %v, want %.300q", got, err, keys)
	}
	folded := map[string]bool{}
	for _, name := range fileNames(t, dir) {
		if len(name) > 255 || folded[strings.ToLower(name)] {
			t.Errorf("file %q is too long, or the same as another but for the case", name)
		}
		folded[strings.ToLower(name)] = true
	}
}

func TestForeignFilesAreNotRecords(t *testing.T) {
	t.Parallel()
	s, dir := newStore(t)
	set(t, s, "a", []byte("x"))
	for _, name := range []string{"notes", "key-A.token", "key-_4.token", "key-_61.token", "key-_.token", "key-_zz.token", "hash-12.token", "key-b.token.lock", "b.token"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if keys, err := s.Keys(context.Background()); err != nil || !slices.Equal(keys, []string{"a"}) {
		t.Errorf("got keys %q and error %v, want a alone", keys, err)
	}
}

// TestUnchangedIsNotWritten: the process that lost the race for a renewal has nothing to flush.
func TestUnchangedIsNotWritten(t *testing.T) {
	t.Parallel()
	s, dir := newStore(t)
	set(t, s, "a", []byte("x"))
	before, err := os.Stat(recordFile(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	set(t, s, "a", []byte("x"))
	after, err := os.Stat(recordFile(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	if !os.SameFile(before, after) {
		t.Error("the same value was written again")
	}
	err = s.Update(context.Background(), "a", func(old []byte) ([]byte, error) { old[0] = 'y'; return old, nil })
	if err != nil {
		t.Fatal(err)
	}
	wantValue(t, s, "a", []byte("y")) // changed in place is changed all the same
}

// TestDamagedRecord: reading says what is wrong with which file, and writing never replaces it.
func TestDamagedRecord(t *testing.T) {
	t.Parallel()
	whole := filestore.Encode("a", []byte("value"))
	newer := bytes.Clone(whole)
	newer[len("XOAUTH2")] = 9
	for _, tt := range []struct {
		name string
		file []byte
		want error
	}{
		{"empty", nil, filestore.ErrCorrupt},
		{"half", whole[:len(whole)/2], filestore.ErrCorrupt},
		{"garbage", []byte("hello"), filestore.ErrCorrupt},
		{"another account's", filestore.Encode("b", []byte("value")), filestore.ErrCorrupt},
		{"huge", make([]byte, 17<<20), filestore.ErrCorrupt},
		{"newer", newer, filestore.ErrVersion},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, dir := newStore(t)
			set(t, s, "a", []byte("value"))
			path := recordFile(t, dir)
			if err := os.WriteFile(path, tt.file, 0o600); err != nil {
				t.Fatal(err)
			}
			_, loadErr := s.Load(context.Background(), "a")
			updateErr := s.Update(context.Background(), "a", func([]byte) ([]byte, error) {
				t.Error("change was called")
				return []byte("new"), nil
			})
			for _, err := range []error{loadErr, updateErr} {
				if !errors.Is(err, tt.want) || errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), path) {
					t.Errorf("got error %v, want %v naming %s", err, tt.want, path)
				}
			}
			if file, err := os.ReadFile(path); err != nil || !bytes.Equal(file, tt.file) {
				t.Errorf("the file was touched (%v)", err)
			}
		})
	}
}

func TestDamagedLongKey(t *testing.T) {
	t.Parallel()
	s, dir := newStore(t)
	set(t, s, strings.Repeat("k", 300), []byte("x"))
	if err := os.Truncate(recordFile(t, dir), 100); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Keys(context.Background()); !errors.Is(err, filestore.ErrCorrupt) {
		t.Errorf("Keys: got error %v, want %v", err, filestore.ErrCorrupt)
	}
}

func TestTooLarge(t *testing.T) {
	t.Parallel()
	s, dir := newStore(t)
	set(t, s, "a", []byte("x"))
	err := s.Update(context.Background(), "a", func([]byte) ([]byte, error) { return make([]byte, 16<<20), nil })
	if err == nil || !strings.Contains(err.Error(), recordFile(t, dir)) {
		t.Errorf("got error %v, want one that names the file", err)
	}
	wantValue(t, s, "a", []byte("x"))
}

func TestRelativeDirectory(t *testing.T) {
	t.Chdir(t.TempDir())
	s := filestore.New("store")
	set(t, s, "a", []byte("x"))
	t.Chdir(t.TempDir())
	wantValue(t, s, "a", []byte("x"))
}
