package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// grace is how long a dialer may take to notice that its context ended, and a
// connection to close.
const grace = 100 * time.Millisecond

// Connect runs dial in a goroutine of its own, since there are dialers that take
// no heed of a context. One that goes on for long after ctx ended is left to
// itself, and the connection that it returns in the end is closed.
func Connect(ctx context.Context, dial func() (net.Conn, error)) (net.Conn, error) {
	type result struct {
		conn net.Conn
		err  error
	}
	done, left := make(chan result), make(chan struct{})
	go func() {
		r := result{err: errors.New("DialOptions.DialContext ended its goroutine")}
		defer func() {
			if v := recover(); v != nil { // nobody else could: the goroutine is ours
				r.err = fmt.Errorf("panic of type %T in DialOptions.DialContext", v)
			}
			select {
			case done <- r:
			case <-left:
				if r.conn != nil {
					r.conn.Close()
				}
			}
		}()
		if r.conn, r.err = dial(); r.conn == nil && r.err == nil {
			r.err = errors.New("DialOptions.DialContext returned no connection")
		}
	}()
	select {
	case r := <-done:
		return r.conn, r.err
	case <-ctx.Done():
	}
	late := time.NewTimer(grace)
	defer late.Stop()
	select {
	case r := <-done:
		return r.conn, r.err
	case <-late.C:
		close(left)
		return nil, ctx.Err()
	}
}

// Interruptible runs f and closes conn if ctx ends meanwhile; nothing else
// interrupts go-imap and go-smtp, which set deadlines of their own. It fails
// if ctx ended, and conn is closed then, unless that takes long: TLS says
// goodbye first, which a peer that does not read can hold up.
func Interruptible(ctx context.Context, conn io.Closer, f func() error) error {
	closed := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(closed)
		conn.Close()
	})
	err := f()
	if stop() {
		return err
	}
	late := time.NewTimer(grace)
	defer late.Stop()
	select {
	case <-closed:
	case <-late.C:
	}
	if err == nil {
		return Cause(ctx)
	}
	return err
}

// Cause returns why ctx ended: an error that is both ctx's error and its
// cause.
func Cause(ctx context.Context) error {
	why := context.Cause(ctx)
	if errors.Is(why, ctx.Err()) {
		return why
	}
	return fmt.Errorf("%w: %w", ctx.Err(), why)
}

// TimeoutError is the cause of a context that ended since a login took this
// long.
type TimeoutError time.Duration

// Error says how long was waited.
func (e TimeoutError) Error() string {
	return fmt.Sprintf("no login within %v (DialOptions.Timeout)", time.Duration(e))
}

// Unwrap returns context.DeadlineExceeded.
func (e TimeoutError) Unwrap() error { return context.DeadlineExceeded }
