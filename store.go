package xoauth2

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"sync"

	"github.com/xoauth2/go-xoauth2/internal/filestore"
)

// TokenStore keeps the records of signed-in accounts, one under each key,
// between the runs of a program. A key is any string and a value any bytes; a
// value is a secret, a key is not. Implementations must be safe for concurrent
// use, and neither keep nor change a slice that belongs to the caller. Package
// storetest checks an implementation.
//
// Renewals run inside Update. Where refresh tokens rotate (RFC 9700 section
// 4.14.2) that is what keeps two processes from spending the same one, for
// which the provider would end the sign-in.
type TokenStore interface {
	// Load returns what key holds, or an error that wraps [ErrNotFound]. An empty value is a value.
	Load(ctx context.Context, key string) ([]byte, error)

	// Update replaces what key holds by what change returns, and holds off
	// every other Update of key, in any process, meanwhile. It calls change at
	// most once, since what that does, such as spending a refresh token, cannot
	// be done again. old is nil if key holds nothing; to return nil deletes. If
	// change fails, the record stays as it is and Update returns that error. If
	// the record cannot be read, Update fails without calling change.
	//
	// ctx bounds the wait for the other Updates and does not interrupt change.
	// change must not call Update for the same key, which would wait for
	// itself; other keys are not held up.
	Update(ctx context.Context, key string, change func(old []byte) ([]byte, error)) error

	// Keys returns the keys that hold something, in no particular order.
	Keys(ctx context.Context) ([]string, error)
}

// MemoryStore returns a new, empty store that lives as long as the program keeps it.
func MemoryStore() TokenStore {
	return &memoryStore{records: map[string]func() []byte{}, turns: map[string]*turn{}}
}

type memoryStore struct {
	mu      sync.Mutex
	records map[string]func() []byte // each returns a copy; in a closure no print verb finds the secret
	turns   map[string]*turn         // of the keys that are being updated
}

// turn is the lock of a key: a channel, so that a waiter can leave.
type turn struct {
	taken chan struct{}
	users int // holder and waiters, guarded by memoryStore.mu
}

func (s *memoryStore) Load(ctx context.Context, key string) ([]byte, error) {
	if ctx.Err() != nil {
		return nil, storeError(context.Cause(ctx))
	}
	value := s.get(key)
	if value == nil {
		return nil, notFound(key)
	}
	return value, nil
}

func (s *memoryStore) Update(ctx context.Context, key string, change func([]byte) ([]byte, error)) error {
	if ctx.Err() != nil {
		return storeError(context.Cause(ctx))
	}
	t := s.enter(key)
	defer s.leave(key, t)
	select {
	case t.taken <- struct{}{}:
		defer func() { <-t.taken }()
	case <-ctx.Done():
		return storeError(fmt.Errorf("waiting for another update: %w", context.Cause(ctx)))
	}
	value, err := change(s.get(key))
	if err != nil {
		return err
	}
	s.set(key, value)
	return nil
}

func (s *memoryStore) enter(key string) *turn {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.turns[key]
	if t == nil {
		t = &turn{taken: make(chan struct{}, 1)}
		s.turns[key] = t
	}
	t.users++
	return t
}

func (s *memoryStore) leave(key string, t *turn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t.users--; t.users == 0 {
		delete(s.turns, key)
	}
}

// get returns a copy, or nil if there is no record.
func (s *memoryStore) get(key string) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	record, ok := s.records[key]
	if !ok {
		return nil
	}
	return record()
}

func (s *memoryStore) set(key string, value []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if value == nil {
		delete(s.records, key)
		return
	}
	value = bytes.Clone(value)
	s.records[key] = func() []byte { return bytes.Clone(value) }
}

func (s *memoryStore) Keys(ctx context.Context) ([]string, error) {
	if ctx.Err() != nil {
		return nil, storeError(context.Cause(ctx))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	keys := make([]string, 0, len(s.records))
	for key := range s.records {
		keys = append(keys, key)
	}
	return keys, nil
}

// FileStore returns a store that keeps each record in a file of its own in dir,
// for any number of processes at once. Dir is best a directory of its own below
// [os.UserConfigDir]; the first Update creates it. A change is on the disk,
// whole or not at all, when Update returns.
//
// Records are not encrypted: see [EncryptedStore]. Where the system has
// permission bits, dir and its files belong to the user of the program and
// nobody else may use them; what others could read or have planted, links
// included, is refused with an error that says what to do. A truncated or
// corrupt record gives an error that names the file, and is never overwritten.
// File names show the account keys. On a network file system the store is as
// safe as the locks of that system.
func FileStore(dir string) TokenStore {
	return fileStore{filestore.New(dir)}
}

type fileStore struct{ files *filestore.Store }

func (s fileStore) Load(ctx context.Context, key string) ([]byte, error) {
	value, err := s.files.Load(ctx, key)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, notFound(key)
	}
	return value, storeError(err)
}

func (s fileStore) Update(ctx context.Context, key string, change func([]byte) ([]byte, error)) error {
	var changeErr error
	err := s.files.Update(ctx, key, func(old []byte) ([]byte, error) {
		var value []byte
		value, changeErr = change(old)
		return value, changeErr
	})
	if changeErr != nil {
		return changeErr // the caller's own words
	}
	return storeError(err)
}

func (s fileStore) Keys(ctx context.Context) ([]string, error) {
	keys, err := s.files.Keys(ctx)
	return keys, storeError(err)
}

// EncryptedStore returns a store that keeps its records in inner, each sealed
// with AES-256-GCM (NIST SP 800-38D) under a random nonce. The account key is
// authenticated with the record: a record that was altered, or moved from one
// account to another, is refused. Account keys and the lengths of values are
// not hidden, and an old record put back in place of a newer one is not
// noticed.
//
// The key must come from a random source and be kept where inner is not: a key
// management service, the system's key ring, a mounted secret. Each record
// names its key by a fingerprint, so that one sealed with another key and one
// that is corrupt give different errors. The example "Rotation" replaces the
// key in place.
func EncryptedStore(inner TokenStore, key [32]byte) TokenStore {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err) // a key of 32 bytes is never refused
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err) // nor is AES
	}
	mac := hmac.New(sha256.New, key[:])
	mac.Write([]byte("xoauth2 store key fingerprint"))
	header := sealedMagic + string(mac.Sum(nil)[:fingerprintSize])
	return encryptedStore{
		inner: inner,
		seal: func(key string, value []byte) []byte {
			return aead.Seal([]byte(header), nil, value, []byte(header+key))
		},
		open: func(key string, sealed []byte) ([]byte, error) {
			body, err := checkHeader(sealed, header)
			if err != nil {
				return nil, err
			}
			value, err := aead.Open([]byte{}, nil, body, []byte(header+key))
			if err != nil {
				return nil, errors.New("is corrupt, or was moved from another account: restore it, or delete it and sign in again")
			}
			return value, nil
		},
	}
}

// A sealed record is sealedMagic, whose last byte is the format version, the
// fingerprint of the key, and what [cipher.NewGCMWithRandomNonce] makes: nonce,
// ciphertext, tag.
const (
	sealedMagic     = "XOAUTH2-SEALED\x01"
	fingerprintSize = 8
)

// encryptedStore holds the cipher in closures only: its fields would show the key to a print verb.
type encryptedStore struct {
	inner TokenStore
	seal  func(key string, value []byte) []byte
	open  func(key string, sealed []byte) ([]byte, error)
}

func (s encryptedStore) Load(ctx context.Context, key string) ([]byte, error) {
	sealed, err := s.inner.Load(ctx, key)
	if err != nil {
		return nil, err
	}
	return s.unseal(key, sealed)
}

func (s encryptedStore) Update(ctx context.Context, key string, change func([]byte) ([]byte, error)) error {
	return s.inner.Update(ctx, key, func(sealed []byte) ([]byte, error) {
		var old []byte
		if sealed != nil {
			var err error
			if old, err = s.unseal(key, sealed); err != nil {
				return nil, err
			}
		}
		value, err := change(bytes.Clone(old)) // a copy: change may work in place
		if err != nil || value == nil {
			return nil, err
		}
		if old != nil && bytes.Equal(old, value) {
			return sealed, nil // to seal it anew would make inner write it
		}
		return s.seal(key, value), nil
	})
}

func (s encryptedStore) Keys(ctx context.Context) ([]string, error) { return s.inner.Keys(ctx) }

func (s encryptedStore) unseal(key string, sealed []byte) ([]byte, error) {
	value, err := s.open(key, sealed)
	if err != nil {
		return nil, storeError(fmt.Errorf("the sealed record of %.256q %w", key, err))
	}
	return value, nil
}

// checkHeader returns what follows the header of a sealed record, which has to be the one given.
func checkHeader(sealed []byte, header string) ([]byte, error) {
	const version = len(sealedMagic) - 1
	switch {
	case len(sealed) <= version || string(sealed[:version]) != sealedMagic[:version]:
		return nil, errors.New("is corrupt, or was never sealed: restore it, or delete it and sign in again")
	case sealed[version] > sealedMagic[version]:
		return nil, fmt.Errorf("has format version %d, this program knows %d: update this program", sealed[version], sealedMagic[version])
	case len(sealed) < len(header) || sealed[version] != sealedMagic[version]:
		return nil, errors.New("is corrupt: restore it, or delete it and sign in again")
	case string(sealed[:len(header)]) != header:
		return nil, fmt.Errorf("was sealed with another key (fingerprint %x, this key has %x): give the store that key",
			sealed[len(sealedMagic):len(header)], header[len(sealedMagic):])
	}
	return sealed[len(header):], nil
}

func notFound(key string) error { return fmt.Errorf("%w: %.256q", ErrNotFound, key) }

func storeError(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("xoauth2: token store: %w", err)
}
