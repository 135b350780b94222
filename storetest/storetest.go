// Package storetest checks implementations of [xoauth2.TokenStore], in the
// manner of testing/fstest.
//
//	func TestStore(t *testing.T) {
//		err := storetest.TestStore(func() xoauth2.TokenStore { return newRedisStore(t) })
//		if err != nil {
//			t.Fatal(err)
//		}
//	}
//
// It checks one process. What only an implementer can arrange is left to do:
// that two processes exclude each other, and that a record survives when one of
// them is killed in the middle of an update.
package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/xoauth2/go-xoauth2"
)

// patience is for how long a store may take over something that is not its own
// work, before it is said to hang.
const patience = 2 * time.Minute

// TestStore runs all checks, each on a store of its own from newStore, which
// has to be empty and independent of the others. It returns what they found,
// joined, or nil. After a store that hangs, goroutines stay behind.
func TestStore(newStore func() xoauth2.TokenStore) error {
	checks := []struct {
		name  string
		check func(xoauth2.TokenStore) error
	}{
		{"absent", absent},
		{"values", values},
		{"delete", deletion},
		{"failing change", failingChange},
		{"panicking change", panickingChange},
		{"aliasing", aliasing},
		{"keys", keys},
		{"ended context", endedContext},
		{"exclusion", exclusion},
		{"concurrency", concurrency},
	}
	var errs []error
	for _, c := range checks {
		if err := c.check(newStore()); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", c.name, err))
		}
	}
	return errors.Join(errs...)
}

// absent: what is not there is ErrNotFound to Load, nil to Update, and nothing to Keys.
func absent(s xoauth2.TokenStore) error {
	ctx := context.Background()
	errs := []error{wantAbsent(s, "nobody"), wantKeys(s)}
	err := s.Update(ctx, "nobody", func(old []byte) ([]byte, error) {
		if old != nil {
			errs = append(errs, fmt.Errorf("change got %q for an absent record, want nil", old))
		}
		return nil, nil
	})
	errs = append(errs, err, wantAbsent(s, "nobody"), wantKeys(s))
	return errors.Join(errs...)
}

// values: every value comes back as it was, to Load and to the next change.
func values(s xoauth2.TokenStore) error {
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	var errs []error
	for _, value := range [][]byte{[]byte("x"), every, {}, {0}, []byte("a\r\nb\n"), bytes.Repeat(every, 4096), []byte("shorter")} {
		errs = append(errs, put(s, "account", value), wantValue(s, "account", value))
		err := s.Update(context.Background(), "account", func(old []byte) ([]byte, error) {
			if old == nil || !bytes.Equal(old, value) {
				errs = append(errs, fmt.Errorf("change got %d bytes (nil: %t), want %d", len(old), old == nil, len(value)))
			}
			return old, nil
		})
		errs = append(errs, err, wantValue(s, "account", value))
	}
	return errors.Join(errs...)
}

// deletion: nil deletes this record and no other; the key can be used again.
func deletion(s xoauth2.TokenStore) error {
	return errors.Join(
		put(s, "a", []byte("1")), put(s, "b", []byte("2")),
		put(s, "a", nil),
		wantAbsent(s, "a"), wantValue(s, "b", []byte("2")), wantKeys(s, "b"),
		put(s, "a", []byte("3")),
		wantValue(s, "a", []byte("3")), wantKeys(s, "a", "b"),
	)
}

// failingChange: its error comes back, and nothing else happens.
func failingChange(s xoauth2.TokenStore) error {
	ctx, failure := context.Background(), errors.New("storetest: change failed")
	err := put(s, "a", []byte("1"))
	for _, key := range []string{"a", "absent"} {
		for _, value := range [][]byte{nil, []byte("2")} {
			got := s.Update(ctx, key, func(old []byte) ([]byte, error) {
				for i := range old {
					old[i] = 'x'
				}
				return value, failure
			})
			if !errors.Is(got, failure) {
				err = errors.Join(err, fmt.Errorf("got error %v, want the error of change", got))
			}
		}
	}
	return errors.Join(err, wantValue(s, "a", []byte("1")), wantAbsent(s, "absent"))
}

// panickingChange: a panic passes through and leaves neither a lock nor a changed record.
func panickingChange(s xoauth2.TokenStore) error {
	err := put(s, "a", []byte("1"))
	func() {
		defer func() {
			if recover() == nil {
				err = errors.Join(err, errors.New("the panic was swallowed"))
			}
		}()
		_ = s.Update(context.Background(), "a", func([]byte) ([]byte, error) { panic("storetest: change panics") })
	}()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return errors.Join(err, wantValue(s, "a", []byte("1")), s.Update(ctx, "a", func(old []byte) ([]byte, error) { return old, nil }))
}

// aliasing: no slice is shared between the store and its callers.
func aliasing(s xoauth2.TokenStore) error {
	mine, want := []byte("secret"), []byte("secret")
	err := put(s, "a", mine)
	spoil(mine)
	err = errors.Join(err, wantValue(s, "a", want))

	loaded, loadErr := s.Load(context.Background(), "a")
	spoil(loaded)
	err = errors.Join(err, loadErr, wantValue(s, "a", want))

	var kept []byte
	updateErr := s.Update(context.Background(), "a", func(old []byte) ([]byte, error) {
		kept = old
		return old, nil
	})
	spoil(kept)
	return errors.Join(err, updateErr, wantValue(s, "a", want))
}

// keys: every string is a key, different from every other, and comes back from Keys.
func keys(s xoauth2.TokenStore) error {
	all := []string{
		"", " ", ".", "..", "../a", "/a", `\a`, "a", "A", "a/b", "a\\b", "a|b|c", "a%2fb", "a_2fb", "*", "~", "con", "a.tmp", "a.lock",
		"\x00", "a\x00", "a\n", "ä", "a\u0308", "\xff", "'; DROP TABLE tokens; --", strings.Repeat("k", 255), strings.Repeat("k", 256), strings.Repeat("long/", 10000),
	}
	var errs []error
	for _, key := range all {
		errs = append(errs, put(s, key, []byte("value of "+key)))
	}
	for _, key := range all {
		errs = append(errs, wantValue(s, key, []byte("value of "+key)))
	}
	errs = append(errs, wantKeys(s, all...))
	for _, key := range all {
		errs = append(errs, put(s, key, nil), wantAbsent(s, key))
	}
	return errors.Join(append(errs, wantKeys(s))...)
}

// endedContext: nothing is done under a context that has ended, and its cause is reported.
func endedContext(s xoauth2.TokenStore) error {
	cause := errors.New("storetest: the context ended")
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(cause)
	_, loadErr := s.Load(ctx, "a")
	_, keysErr := s.Keys(ctx)
	updateErr := s.Update(ctx, "a", func([]byte) ([]byte, error) { return []byte("1"), nil })
	var errs []error
	for method, err := range map[string]error{"Load": loadErr, "Keys": keysErr, "Update": updateErr} {
		if !errors.Is(err, cause) {
			errs = append(errs, fmt.Errorf("%s: got error %v, want the cause of the context", method, err))
		}
	}
	return errors.Join(append(errs, wantAbsent(s, "a"))...)
}

// exclusion: while change runs, another Update of the key waits, until its
// context ends; another key goes on. The end of its own context does not stop
// change.
func exclusion(s xoauth2.TokenStore) error {
	var errs []error
	holder, release := context.WithCancel(context.Background())
	err := s.Update(holder, "a", func([]byte) ([]byte, error) {
		release()
		patient, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := s.Update(patient, "b", func([]byte) ([]byte, error) { return []byte("2"), nil }); err != nil {
			errs = append(errs, fmt.Errorf("an Update of another key was held up: %w", err))
		}

		cause := errors.New("storetest: the waiter leaves")
		waiter, leave := context.WithCancelCause(context.Background())
		defer leave(nil)
		left := make(chan error, 1)
		go func() {
			left <- s.Update(waiter, "a", func([]byte) ([]byte, error) { return []byte("intruder"), nil })
		}()
		select {
		case err := <-left:
			errs = append(errs, fmt.Errorf("a second Update did not wait (error %v)", err))
			return []byte("1"), nil
		case <-time.After(50 * time.Millisecond): // long enough to get in if it can
		}
		leave(cause)
		select {
		case err := <-left:
			if !errors.Is(err, cause) {
				errs = append(errs, fmt.Errorf("the waiter got error %v, want the cause of its context", err))
			}
		case <-time.After(patience):
			errs = append(errs, errors.New("the waiter did not leave when its context ended"))
		}
		return []byte("1"), nil
	})
	return errors.Join(append(errs, err, wantValue(s, "a", []byte("1")), wantValue(s, "b", []byte("2")))...)
}

// concurrency: no update is lost, and readers see nothing but values that were stored.
func concurrency(s xoauth2.TokenStore) error {
	const workers, rounds = 50, 4
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var (
		wg   sync.WaitGroup
		errs = make(chan error, 2*workers*rounds)
	)
	for range workers {
		wg.Go(func() {
			for range rounds {
				errs <- s.Update(ctx, "counter", func(old []byte) ([]byte, error) {
					time.Sleep(time.Microsecond) // others get their chance to intrude
					return append(old, '+'), nil
				})
				value, err := s.Load(ctx, "counter")
				if strings.Trim(string(value), "+") != "" {
					err = errors.Join(err, fmt.Errorf("load got %q, which nobody stored", value))
				}
				errs <- err
			}
		})
	}
	wg.Wait()
	close(errs)
	var err error
	for e := range errs {
		err = errors.Join(err, e)
	}
	return errors.Join(err, wantValue(s, "counter", bytes.Repeat([]byte("+"), workers*rounds)))
}

func put(s xoauth2.TokenStore, key string, value []byte) error {
	err := s.Update(context.Background(), key, func([]byte) ([]byte, error) { return value, nil })
	if err != nil {
		return fmt.Errorf("Update(%.40q): %w", key, err)
	}
	return nil
}

func spoil(b []byte) {
	for i := range b {
		b[i] = 'x'
	}
}

func wantValue(s xoauth2.TokenStore, key string, want []byte) error {
	got, err := s.Load(context.Background(), key)
	if err != nil {
		return fmt.Errorf("Load(%.40q): %w", key, err)
	}
	if got == nil || !bytes.Equal(got, want) {
		return fmt.Errorf("Load(%.40q): got %.40q (%d bytes, nil: %t), want %.40q (%d bytes)", key, got, len(got), got == nil, want, len(want))
	}
	return nil
}

func wantAbsent(s xoauth2.TokenStore, key string) error {
	got, err := s.Load(context.Background(), key)
	if !errors.Is(err, xoauth2.ErrNotFound) {
		return fmt.Errorf("Load(%.40q): got %d bytes and error %v, want ErrNotFound", key, len(got), err)
	}
	return nil
}

func wantKeys(s xoauth2.TokenStore, want ...string) error {
	got, err := s.Keys(context.Background())
	if err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	got, want = slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))
	if !slices.Equal(got, want) {
		return fmt.Errorf("keys: got %.40q, want %.40q", got, want)
	}
	return nil
}
