package wire_test

import (
	"context"
	"errors"
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
