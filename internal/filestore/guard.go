package filestore

import (
	"fmt"
	"io/fs"
	"os"
)

// checkRegular refuses a link, a pipe, a device or a directory in the place of
// a file. openFlags keep out the link that is put there a moment later.
func checkRegular(path string) error {
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	switch {
	case info.Mode().IsRegular():
		return nil
	case info.Mode()&fs.ModeSymlink != 0:
		return fmt.Errorf("%q is a symbolic link, not a file: remove it", path)
	}
	return fmt.Errorf("%q is not a regular file: remove it", path)
}
