//go:build unix

package filestore_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/xoauth2/go-xoauth2/internal/filestore"
)

// refused runs every operation that touches key a and checks that each error holds the words.
func refused(t *testing.T, s *filestore.Store, words ...string) {
	t.Helper()
	_, loadErr := s.Load(context.Background(), "a")
	updateErr := s.Update(context.Background(), "a", func([]byte) ([]byte, error) {
		t.Error("change was called")
		return []byte("new"), nil
	})
	for op, err := range map[string]error{"Load": loadErr, "Update": updateErr} {
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: got error %v, want a refusal", op, err)
			continue
		}
		for _, w := range words {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s: got error %q, want %q in it", op, err, w)
			}
		}
	}
}

func TestModes(t *testing.T) {
	t.Parallel()
	s, dir := newStore(t)
	set(t, s, "a", []byte("x"))
	for path, want := range map[string]fs.FileMode{
		dir: 0o700 | fs.ModeDir, recordFile(t, dir): 0o600, recordFile(t, dir) + ".lock": 0o600,
	} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != want {
			t.Errorf("%s: got mode %v, want %v", path, info.Mode(), want)
		}
	}
}

func TestDeleteLeavesNothing(t *testing.T) {
	t.Parallel()
	s, dir := newStore(t)
	set(t, s, "a", []byte("x"))
	if err := os.WriteFile(recordFile(t, dir)+".tmp", []byte("from a killed process"), 0o600); err != nil {
		t.Fatal(err)
	}
	set(t, s, "a", nil)
	set(t, s, "never there", nil)
	if names := fileNames(t, dir); len(names) != 0 {
		t.Errorf("files left: %q", names)
	}
}

func TestOthersMayNotRead(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		mode fs.FileMode
		file bool
		want string
	}{
		{"directory for the group", 0o750, false, "run chmod 700"},
		{"directory for the world", 0o701, false, "run chmod 700"},
		{"file for the group", 0o640, true, "run chmod 600"},
		{"file for the world", 0o602, true, "run chmod 600"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, dir := newStore(t)
			set(t, s, "a", []byte("x"))
			path := dir
			if tt.file {
				path = recordFile(t, dir)
			}
			if err := os.Chmod(path, tt.mode); err != nil {
				t.Fatal(err)
			}
			refused(t, s, tt.want, path)
			if _, err := s.Keys(context.Background()); !tt.file && err == nil {
				t.Error("Keys: got no error")
			}
		})
	}
}

func TestForeignOwner(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("giving a file to another user needs root")
	}
	s, dir := newStore(t)
	set(t, s, "a", []byte("x"))
	path := recordFile(t, dir)
	for _, owned := range []string{path, dir} {
		if err := os.Chown(owned, 12345, -1); err != nil {
			t.Fatal(err)
		}
		refused(t, s, owned, "belongs to user id 12345", "chown")
		if err := os.Chown(owned, 0, -1); err != nil {
			t.Fatal(err)
		}
	}
	wantValue(t, s, "a", []byte("x"))
}

// TestPlanted puts something else in the place of the record, of its lock and of the directory.
func TestPlanted(t *testing.T) {
	t.Parallel()
	plant := map[string]func(path, target string) error{
		"link":          func(path, target string) error { return os.Symlink(target, path) },
		"dangling link": func(path, target string) error { return os.Symlink(target+".gone", path) },
		"pipe":          func(path, _ string) error { return syscall.Mkfifo(path, 0o600) },
		"directory":     func(path, _ string) error { return os.Mkdir(path, 0o700) },
	}
	for name, put := range plant {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, dir := newStore(t)
			set(t, s, "a", []byte("x"))
			record := recordFile(t, dir)
			target := filepath.Join(t.TempDir(), "target")
			if err := os.Rename(record, target); err != nil {
				t.Fatal(err)
			}
			if err := put(record, target); err != nil {
				t.Fatal(err)
			}
			refused(t, s, record)
			if err := os.Remove(record); err != nil {
				t.Fatal(err)
			}

			lock := record + ".lock"
			if err := os.Remove(lock); err != nil {
				t.Fatal(err)
			}
			if err := put(lock, target); err != nil {
				t.Fatal(err)
			}
			err := s.Update(context.Background(), "a", func([]byte) ([]byte, error) { return []byte("new"), nil })
			if err == nil || !strings.Contains(err.Error(), lock) {
				t.Errorf("got error %v, want one that names %s", err, lock)
			}
			if _, err := os.Stat(target + ".gone"); err == nil {
				t.Error("the target of a link was created")
			}
		})
	}
}

func TestPlantedTemporaryLink(t *testing.T) {
	t.Parallel()
	s, dir := newStore(t)
	set(t, s, "a", []byte("x"))
	target := filepath.Join(t.TempDir(), "target")
	if err := os.Symlink(target, recordFile(t, dir)+".tmp"); err != nil {
		t.Fatal(err)
	}
	set(t, s, "a", []byte("y"))
	wantValue(t, s, "a", []byte("y"))
	if _, err := os.Lstat(target); !errors.Is(err, fs.ErrNotExist) {
		t.Error("the record was written through the link")
	}
}

func TestFileForDirectory(t *testing.T) {
	t.Parallel()
	s, dir := newStore(t)
	if err := os.WriteFile(dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	refused(t, s, dir, "not a directory")
}

func TestLinkedDirectory(t *testing.T) {
	t.Parallel()
	s, dir := newStore(t)
	elsewhere := filepath.Join(t.TempDir(), "elsewhere")
	if err := errors.Join(os.Mkdir(elsewhere, 0o700), os.Symlink(elsewhere, dir)); err != nil {
		t.Fatal(err)
	}
	set(t, s, "a", []byte("x"))
	wantValue(t, s, "a", []byte("x"))
}

// mount makes a tmpfs for the test.
func mount(t *testing.T, options string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "mount")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "mode=700,"+options, "tmpfs", dir).CombinedOutput(); err != nil {
		t.Skipf("needs the right to mount a tmpfs (root on Linux): %v: %s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
			t.Errorf("umount: %v: %s", err, out)
		}
	})
	return dir
}

func TestFullDisk(t *testing.T) {
	t.Parallel()
	dir := mount(t, "size=64k")
	s := filestore.New(dir)
	set(t, s, "a", []byte("old"))
	record := recordFile(t, dir)
	err := s.Update(context.Background(), "a", func([]byte) ([]byte, error) { return make([]byte, 1<<20), nil })
	if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), record) {
		t.Errorf("got error %v, want %v and %s", err, syscall.ENOSPC, record)
	}
	wantValue(t, s, "a", []byte("old"))
	wantNoTemp(t, dir)
	set(t, s, "a", []byte("new"))
	wantValue(t, s, "a", []byte("new"))
}

func TestReadOnly(t *testing.T) {
	t.Parallel()
	s, dir := newStore(t)
	readOnly := func() error { return os.Chmod(dir, 0o500) }
	if os.Geteuid() == 0 { // whom permissions do not stop
		dir = mount(t, "size=64k")
		s = filestore.New(dir)
		readOnly = func() error { return exec.Command("mount", "-o", "remount,ro", dir).Run() }
	} else {
		t.Cleanup(func() { _ = os.Chmod(dir, 0o700) })
	}
	set(t, s, "a", []byte("old"))
	if err := readOnly(); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"a", "b"} {
		err := s.Update(context.Background(), key, func([]byte) ([]byte, error) { return []byte("new"), nil })
		if err == nil || errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), dir) {
			t.Errorf("Update(%q): got error %v, want one that names %s", key, err, dir)
		}
	}
	wantValue(t, s, "a", []byte("old"))
	if keys, err := s.Keys(context.Background()); err != nil || !slices.Equal(keys, []string{"a"}) {
		t.Errorf("got keys %q and error %v, want a alone", keys, err)
	}
}
