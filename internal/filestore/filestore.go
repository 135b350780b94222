// Package filestore keeps small secret records in a directory, one file each,
// for any number of processes at once.
//
// A record is replaced by writing a temporary file, flushing it and renaming it
// over the old one, so that a reader, a crash or kill -9 meets the old record
// or the new one and nothing else. Writers of one record take turns on a lock
// file beside it. No operation but [Store.Keys] costs more with more records.
package filestore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Store is the records of one directory. It holds no open files and is safe for
// concurrent use; several of them, in one process or in many, may share a
// directory.
type Store struct {
	dir string
}

// New returns the store of a directory, which the first Update creates.
func New(dir string) *Store {
	// A relative name must not change its meaning when the program changes its working directory.
	if abs, err := filepath.Abs(dir); err == nil && dir != "" {
		dir = abs
	}
	return &Store{dir: dir}
}

// Load returns the value of key, or an error that wraps [fs.ErrNotExist]. It takes no lock.
func (s *Store) Load(ctx context.Context, key string) ([]byte, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err := s.checkDir(); err != nil {
		return nil, err
	}
	return s.read(key)
}

// Update replaces the value of key by what change makes of it (nil: there is
// none), under a lock that excludes every other Update of key. ctx bounds the
// wait for the lock. An error of change is returned as it is.
func (s *Store) Update(ctx context.Context, key string, change func(old []byte) ([]byte, error)) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err := s.makeDir(); err != nil {
		return err
	}
	path := s.path(key)
	lock, err := takeLock(ctx, path)
	if err != nil {
		return err
	}
	defer lock.release()

	// Only the holder of the lock writes this name, so whatever has it was left
	// by a process that was killed.
	if err := os.Remove(path + tempSuffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	old, err := s.read(key)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	value, err := change(bytes.Clone(old)) // a copy: change may work in place
	switch {
	case err != nil:
		return err
	case value == nil && old == nil:
		return nil
	case value == nil:
		return s.remove(path)
	case old != nil && bytes.Equal(old, value):
		return nil // as when another process has just renewed: nothing to flush
	}
	if err := s.write(path, Encode(key, value)); err != nil || old != nil {
		return err
	}
	return syncDir(s.dir)
}

// Keys returns the keys of all records, in no particular order. It reads file
// names only, except for very long keys.
func (s *Store) Keys(ctx context.Context) ([]string, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	err := s.checkDir()
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, err
	}
	var keys []string
	for _, entry := range entries {
		key, hashed, ours := keyOf(entry.Name())
		if !ours {
			continue
		}
		if hashed {
			key, _, err = readRecord(filepath.Join(s.dir, entry.Name()))
		}
		if errors.Is(err, fs.ErrNotExist) {
			continue // deleted since
		}
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	return keys, nil
}

func (s *Store) path(key string) string { return filepath.Join(s.dir, fileName(key)) }

// makeDir creates the directory if need be and checks it.
func (s *Store) makeDir() error {
	err := s.checkDir()
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return err
	}
	return s.checkDir()
}

// checkDir refuses a directory in which another user could read or plant
// records. The directory may itself be reached through a symbolic link: that is
// the choice of the user who configures it.
func (s *Store) checkDir() error {
	if s.dir == "" {
		return errors.New("no directory was given")
	}
	info, err := os.Stat(s.dir)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("%q is not a directory", s.dir)
	}
	return checkPrivate(s.dir, info)
}

// read returns the value of key and makes sure that the file is key's.
func (s *Store) read(key string) ([]byte, error) {
	path := s.path(key)
	owner, value, err := readRecord(path)
	if err != nil {
		return nil, err
	}
	if owner != key {
		return nil, damaged(path, fmt.Errorf("%w: it is the record of another account", ErrCorrupt))
	}
	return value, nil
}

func readRecord(path string) (key string, value []byte, err error) {
	if err := checkRegular(path); err != nil {
		return "", nil, err
	}
	f, err := os.OpenFile(path, os.O_RDONLY|openFlags, 0)
	if err != nil {
		return "", nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", nil, err
	}
	if err := checkPrivate(path, info); err != nil {
		return "", nil, err
	}
	if info.Size() > maxRecord {
		return "", nil, damaged(path, fmt.Errorf("%w: %d bytes are too many", ErrCorrupt, info.Size()))
	}
	file := make([]byte, info.Size())
	if _, err := io.ReadFull(f, file); err != nil {
		return "", nil, &fs.PathError{Op: "read", Path: path, Err: err}
	}
	key, value, err = Decode(file)
	if err != nil {
		return "", nil, damaged(path, err)
	}
	return key, value, nil
}

// damaged adds the file and what to do about it. A corrupt record is left where
// it is: whether the sign-in that it held can be given up is for its owner to
// say.
func damaged(path string, err error) error {
	if errors.Is(err, ErrVersion) {
		return fmt.Errorf("record %q has an %w: update this program, or delete the file and sign in again", path, err)
	}
	return fmt.Errorf("record %q is %w: restore the file, or delete it and sign in again", path, err)
}

// write replaces the file at path. Whatever goes wrong, the old file is intact
// and the temporary one gone. A power failure soon after may bring the old file
// back; to rule that out by flushing the directory costs as much again.
func (s *Store) write(path string, file []byte) error {
	if len(file) > maxRecord {
		return fmt.Errorf("a record of %d bytes for %q is over the limit of %d", len(file), path, maxRecord)
	}
	temp := path + tempSuffix
	err := writeTemp(temp, file)
	if err == nil {
		err = replace(temp, path)
	}
	if err != nil {
		_ = os.Remove(temp) // the error that matters is the first
	}
	return err
}

func writeTemp(path string, file []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL|openFlags, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(file)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func (s *Store) remove(path string) error {
	if err := os.Remove(path); err != nil {
		return err
	}
	return syncDir(s.dir)
}
