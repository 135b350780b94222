//go:build !unix

package filestore

import (
	"io/fs"
	"os"
	"time"
)

const openFlags = 0

// checkPrivate accepts everything: Windows guards files by access lists, which
// a directory in the user's profile inherits.
func checkPrivate(string, fs.FileInfo) error { return nil }

// replace tries for a while: on Windows a file cannot be replaced in the
// instant in which a reader has it open.
func replace(temp, path string) error {
	var err error
	for range 100 {
		if err = os.Rename(temp, path); err == nil {
			return nil
		}
		time.Sleep(5 * time.Millisecond)
	}
	return err
}

// removeLock leaves the file: Windows would refuse to open it to waiters until
// every handle is closed.
func removeLock(string) {}

// syncDir does nothing: directories cannot be flushed here.
func syncDir(string) error { return nil }
