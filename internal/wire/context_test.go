package wire_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/xoauth2/go-xoauth2/internal/wire"
)

// closer remembers that it was closed.
type closer chan struct{}

func (c closer) Close() error {
	select {
	case <-c:
		return net.ErrClosed
	default:
		close(c)
		return nil
	}
}

var (
	errLeft   = errors.New("gone to lunch")
	errBroken = errors.New("broken")
)

func TestInterruptible(t *testing.T) {
	t.Parallel()
	t.Run("in time", func(t *testing.T) {
		t.Parallel()
		for _, want := range []error{nil, errBroken} {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancelCause(t.Context())
				conn := make(closer)
				if err := wire.Interruptible(ctx, conn, func() error { return want }); err != want {
					t.Errorf("got %v, want %v", err, want)
				}
				cancel(errLeft)
				synctest.Wait()
				if conn.Close() != nil {
					t.Error("got a closed connection, want it open: the context ended later")
				}
			})
		}
	})
	t.Run("interrupted", func(t *testing.T) {
		t.Parallel()
		for answer, want := range map[error]error{nil: errLeft, errBroken: errBroken} {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancelCause(t.Context())
				time.AfterFunc(time.Second, func() { cancel(errLeft) })
				conn := make(closer)
				began := time.Now()
				err := wire.Interruptible(ctx, conn, func() error { <-conn; return answer })
				if !errors.Is(err, want) || time.Since(began) != time.Second {
					t.Errorf("got %v after %v, want %v after a second", err, time.Since(began), want)
				}
			})
		}
	})
	t.Run("too late", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errLeft)
		conn := make(closer)
		if err := wire.Interruptible(ctx, conn, func() error { <-conn; return nil }); !errors.Is(err, errLeft) {
			t.Errorf("got %v, want %v", err, errLeft)
		}
	})
	for _, test := range []struct{ takes, want time.Duration }{
		{takes: 50 * time.Millisecond, want: 50 * time.Millisecond}, {takes: time.Hour, want: 100 * time.Millisecond},
	} {
		t.Run(fmt.Sprintf("closing takes %v", test.takes), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancelCause(t.Context())
				cancel(errLeft)
				closing := make(chan struct{})
				began := time.Now()
				err := wire.Interruptible(ctx, slowCloser{closing, test.takes}, func() error { <-closing; return errBroken })
				if took := time.Since(began); took != test.want || !errors.Is(err, errBroken) {
					t.Errorf("got %v after %v, want %v after %v", err, took, errBroken, test.want)
				}
				time.Sleep(test.takes) // it must end in the bubble
			})
		})
	}
}

// slowCloser tells when its Close begins, which takes a while.
type slowCloser struct {
	closing chan struct{}
	takes   time.Duration
}

func (c slowCloser) Close() error {
	close(c.closing)
	time.Sleep(c.takes)
	return nil
}

func TestCause(t *testing.T) {
	t.Parallel()
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	left, leave := context.WithCancelCause(t.Context())
	leave(errLeft)
	timeout := wire.TimeoutError(7 * time.Second)
	late, cancelLate := context.WithDeadlineCause(t.Context(), time.Now().Add(-time.Second), timeout)
	defer cancelLate()
	tests := []struct {
		name string
		ctx  context.Context
		is   []error
		text string
	}{
		{"cancelled", cancelled, []error{context.Canceled}, "context canceled"},
		{"for a reason", left, []error{context.Canceled, errLeft}, "context canceled: gone to lunch"},
		{"timeout", late, []error{context.DeadlineExceeded, timeout}, "no login within 7s (DialOptions.Timeout)"},
	}
	for _, tt := range tests {
		err := wire.Cause(tt.ctx)
		for _, want := range append(tt.is, context.Cause(tt.ctx), tt.ctx.Err()) {
			if !errors.Is(err, want) {
				t.Errorf("%s: got %v, want it to be %v", tt.name, err, want)
			}
		}
		if err.Error() != tt.text || strings.Contains(err.Error(), "%!") {
			t.Errorf("%s: got %q, want %q", tt.name, err, tt.text)
		}
	}
}
