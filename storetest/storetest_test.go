package storetest_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/xoauth2/go-xoauth2"
	"github.com/xoauth2/go-xoauth2/storetest"
)

type change = func(old []byte) ([]byte, error)

// broken is a sound store with one method replaced.
type broken struct {
	xoauth2.TokenStore
	load   func(s xoauth2.TokenStore, ctx context.Context, key string) ([]byte, error)
	update func(s xoauth2.TokenStore, ctx context.Context, key string, change change) error
	keys   func(s xoauth2.TokenStore, ctx context.Context) ([]string, error)
}

func (b broken) Load(ctx context.Context, key string) ([]byte, error) {
	if b.load == nil {
		return b.TokenStore.Load(ctx, key)
	}
	return b.load(b.TokenStore, ctx, key)
}

func (b broken) Update(ctx context.Context, key string, change change) error {
	if b.update == nil {
		return b.TokenStore.Update(ctx, key, change)
	}
	return b.update(b.TokenStore, ctx, key, change)
}

func (b broken) Keys(ctx context.Context) ([]string, error) {
	if b.keys == nil {
		return b.TokenStore.Keys(ctx)
	}
	return b.keys(b.TokenStore, ctx)
}

func set(s xoauth2.TokenStore, key string, value []byte) error {
	return s.Update(context.Background(), key, func([]byte) ([]byte, error) { return value, nil })
}

// brokenStores are the mistakes that the checks have to find, by the check that finds them.
func brokenStores() map[string]func() broken {
	return map[string]func() broken{
		"absent": func() broken {
			return broken{load: func(s xoauth2.TokenStore, ctx context.Context, key string) ([]byte, error) {
				value, err := s.Load(ctx, key)
				if errors.Is(err, xoauth2.ErrNotFound) {
					return nil, nil
				}
				return value, err
			}}
		},
		"values": func() broken { // an empty value is taken for none
			return broken{update: func(s xoauth2.TokenStore, ctx context.Context, key string, change change) error {
				return s.Update(ctx, key, func(old []byte) ([]byte, error) {
					value, err := change(old)
					if len(value) == 0 {
						value = nil
					}
					return value, err
				})
			}}
		},
		"delete": func() broken { // nothing is ever deleted
			return broken{update: func(s xoauth2.TokenStore, ctx context.Context, key string, change change) error {
				return s.Update(ctx, key, func(old []byte) ([]byte, error) {
					value, err := change(old)
					if value == nil {
						value = old
					}
					return value, err
				})
			}}
		},
		"failing change": func() broken {
			return broken{update: func(s xoauth2.TokenStore, ctx context.Context, key string, change change) error {
				return s.Update(ctx, key, func(old []byte) ([]byte, error) {
					value, _ := change(old)
					return value, nil
				})
			}}
		},
		"panicking change": func() broken {
			return broken{update: func(s xoauth2.TokenStore, ctx context.Context, key string, change change) (err error) {
				defer func() { _ = recover() }()
				return s.Update(ctx, key, change)
			}}
		},
		"aliasing": func() broken { // Load hands out the same slice each time
			var cache sync.Map
			return broken{load: func(s xoauth2.TokenStore, ctx context.Context, key string) ([]byte, error) {
				value, err := s.Load(ctx, key)
				if kept, ok := cache.Swap(key, value); ok && err == nil && len(kept.([]byte)) == len(value) {
					cache.Store(key, kept)
					return kept.([]byte), nil
				}
				return value, err
			}}
		},
		"keys": func() broken { // a file system that ignores case
			return broken{
				load: func(s xoauth2.TokenStore, ctx context.Context, key string) ([]byte, error) {
					return s.Load(ctx, strings.ToLower(key))
				},
				update: func(s xoauth2.TokenStore, ctx context.Context, key string, change change) error {
					return s.Update(ctx, strings.ToLower(key), change)
				},
			}
		},
		"ended context": func() broken {
			return broken{keys: func(s xoauth2.TokenStore, _ context.Context) ([]string, error) {
				return s.Keys(context.Background())
			}}
		},
		"exclusion": func() broken { // a waiter cannot leave
			return broken{update: func(s xoauth2.TokenStore, ctx context.Context, key string, change change) error {
				if ctx.Err() != nil {
					return context.Cause(ctx)
				}
				return s.Update(context.WithoutCancel(ctx), key, change)
			}}
		},
		"concurrency": func() broken { // read, change and write, with nothing around them
			return broken{update: func(s xoauth2.TokenStore, ctx context.Context, key string, change change) error {
				if ctx.Err() != nil {
					return context.Cause(ctx)
				}
				old, err := s.Load(ctx, key)
				if err != nil && !errors.Is(err, xoauth2.ErrNotFound) {
					return err
				}
				value, err := change(old)
				if err != nil {
					return err
				}
				return set(s, key, value)
			}}
		},
	}
}

// TestBrokenStores: each check finds the mistake that it is there for.
func TestBrokenStores(t *testing.T) {
	t.Parallel()
	for check, newBroken := range brokenStores() {
		t.Run(check, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { // waiting for the store that hangs takes no time
				err := storetest.TestStore(func() xoauth2.TokenStore {
					b := newBroken()
					b.TokenStore = xoauth2.MemoryStore()
					return b
				})
				if err == nil {
					t.Fatal("got no error")
				}
				if found := strings.Split(err.Error(), "\n"); !slices.ContainsFunc(found, func(line string) bool {
					return strings.HasPrefix(line, check+":")
				}) {
					t.Errorf("got %q, want an error of check %q", err, check)
				}
			})
		})
	}
}

func TestSoundStore(t *testing.T) {
	t.Parallel()
	if err := storetest.TestStore(xoauth2.MemoryStore); err != nil {
		t.Error(err)
	}
}
