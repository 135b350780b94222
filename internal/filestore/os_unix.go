//go:build unix

package filestore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// openFlags refuse a symbolic link at the end of a path.
const openFlags = syscall.O_NOFOLLOW

// checkPrivate refuses a file or directory that others may use or that belongs to somebody else.
func checkPrivate(path string, info fs.FileInfo) error {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && int(stat.Uid) != os.Geteuid() {
		return fmt.Errorf("%q belongs to user id %d, this program runs as %d: run it as that user, or run chown -R %d %q",
			path, stat.Uid, os.Geteuid(), os.Geteuid(), path)
	}
	if info.Mode().Perm()&0o077 == 0 {
		return nil
	}
	private := 0o600
	if info.IsDir() {
		private = 0o700
	}
	return fmt.Errorf("%q is accessible to other users (mode %#o): run chmod %o %q", path, info.Mode().Perm(), private, path)
}

func replace(temp, path string) error { return os.Rename(temp, path) }

func removeLock(path string) { _ = os.Remove(path) } // one left behind does no harm

// syncDir makes a rename or removal outlast a power failure.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	err = d.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTSUP) {
		return nil // some network and user-space file systems cannot, and need not
	}
	return err
}
