package filestore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/gofrs/flock"
)

// retryDelay is how often a waiter asks for the lock. A blocking request could
// not be called back when the context ends. An attempt costs microseconds and a
// renewal, for which the lock is held, a hundred milliseconds.
const retryDelay = 5 * time.Millisecond

// recordLock is the lock of one record, held on a file of its own: a lock on
// the record itself would stay behind on the old file when that is replaced.
type recordLock struct {
	record string
	file   *flock.Flock
}

// takeLock waits for the lock of the record at path until ctx ends.
func takeLock(ctx context.Context, path string) (*recordLock, error) {
	l := &recordLock{
		record: path,
		// Write access, because flock over NFS needs it.
		file: flock.New(path+lockSuffix, flock.SetFlag(os.O_CREATE|os.O_RDWR|openFlags), flock.SetPermissions(0o600)),
	}
	for {
		if err := checkRegular(l.file.Path()); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		if _, err := l.file.TryLockContext(ctx, retryDelay); err != nil {
			if ctx.Err() != nil {
				return nil, fmt.Errorf("waiting for the lock %q: %w", l.file.Path(), context.Cause(ctx))
			}
			return nil, err
		}
		current, err := l.current()
		if err == nil && current {
			return l, nil
		}
		_ = l.file.Unlock()
		if err != nil {
			return nil, err
		}
	}
}

// current reports whether the locked file is still the one that the next comer
// will open. Between opening and locking it, its last holder may have removed
// it.
func (l *recordLock) current() (bool, error) {
	held, err := l.file.Stat()
	if err != nil {
		return false, err
	}
	if err := checkPrivate(l.file.Path(), held); err != nil {
		return false, err
	}
	named, err := os.Lstat(l.file.Path())
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && os.SameFile(held, named), err
}

// release ends the lock, and removes its file if there is no record for it to
// protect, so that a sign-out leaves nothing.
func (l *recordLock) release() {
	if _, err := os.Lstat(l.record); errors.Is(err, fs.ErrNotExist) {
		removeLock(l.file.Path())
	}
	_ = l.file.Unlock() // cannot fail on a file that is open and locked; closing it would free it anyway
}
