package xoauth2_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/xoauth2/go-xoauth2"
)

// Where a call can wait, besides for the server to speak.
const (
	atConnect = "connect"
	atToken   = "token"
)

var errLeft = errors.New("gone to lunch")

// waiting is a call that waits at a point.
type waiting struct {
	way
	host *mailHost
	opts *xoauth2.DialOptions
	ts   oauth2.TokenSource
}

// waitAt must be called in a bubble.
func (w way) waitAt(t *testing.T, point string) *waiting {
	t.Helper()
	c := &waiting{way: w, host: newPipeHost(t, w.interrupted(point, (*peer).drain)), ts: canarySource()}
	c.opts = w.options(c.host)
	c.opts.VerifyMailbox = true
	switch point {
	case atConnect:
		c.opts.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			<-ctx.Done()
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.ErrDeadlineExceeded} // as net.Dialer may do it
		}
	case atToken:
		c.ts = ctxSourceFunc(func(ctx context.Context) (*oauth2.Token, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		})
	}
	return c
}

// assertEnds fails unless the call ends after so long for these reasons, at a
// step of this name, and leaves nothing behind.
func (c *waiting) assertEnds(t *testing.T, ctx context.Context, step string, after time.Duration, reasons ...error) error {
	t.Helper()
	began := time.Now()
	client, err := c.dial(ctx, testUser, c.ts, c.opts)
	if client != nil || err == nil {
		t.Fatalf("got client %v, error %v, want an error only", client, err)
	}
	if took := time.Since(began); took != after {
		t.Errorf("got an answer after %v, want it after %v", took, after)
	}
	c.assertFailed(t, err, step)
	for _, reason := range reasons {
		if !errors.Is(err, reason) {
			t.Errorf("got error %q, want it to be %q", err, reason)
		}
	}
	if errors.Is(err, net.ErrClosed) || errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got error %q, want only why the context ended", err)
	}
	c.host.assertClosed(t)
	c.host.finish(t)
	return err
}

func TestDialEnds(t *testing.T) {
	t.Parallel()
	const timeout = 7 * time.Second
	tests := []struct {
		name    string
		timeout time.Duration // of the options
		limit   func(ctx context.Context) (context.Context, context.CancelFunc)
		after   time.Duration
		reasons []error
		want    string // in the error's text
		wantNot string
	}{
		{
			name: "cancelled",
			limit: func(ctx context.Context) (context.Context, context.CancelFunc) {
				return cancelAfter(ctx, 3*time.Second, nil)
			},
			after: 3 * time.Second, reasons: []error{context.Canceled}, wantNot: "Timeout",
		},
		{
			name: "cancelled for a reason",
			limit: func(ctx context.Context) (context.Context, context.CancelFunc) {
				return cancelAfter(ctx, 3*time.Second, errLeft)
			},
			after: 3 * time.Second, reasons: []error{context.Canceled, errLeft}, want: errLeft.Error(), wantNot: "Timeout",
		},
		{
			name:  "cancelled before the call",
			limit: func(ctx context.Context) (context.Context, context.CancelFunc) { return cancelAfter(ctx, 0, errLeft) },
			after: 0, reasons: []error{context.Canceled, errLeft},
		},
		{
			name: "Timeout", timeout: timeout,
			limit: context.WithCancel,
			after: timeout, reasons: []error{context.DeadlineExceeded}, want: "7s (DialOptions.Timeout)",
		},
		{
			name:  "no Timeout",
			limit: context.WithCancel,
			after: time.Minute, reasons: []error{context.DeadlineExceeded}, want: "1m0s (DialOptions.Timeout)",
		},
		{
			name: "deadline before Timeout", timeout: timeout,
			limit: func(ctx context.Context) (context.Context, context.CancelFunc) {
				return context.WithTimeout(ctx, 5*time.Second)
			},
			after: 5 * time.Second, reasons: []error{context.DeadlineExceeded}, wantNot: "DialOptions.Timeout",
		},
		{
			name: "deadline with a reason", timeout: timeout,
			limit: func(ctx context.Context) (context.Context, context.CancelFunc) {
				return context.WithTimeoutCause(ctx, 5*time.Second, errLeft)
			},
			after: 5 * time.Second, reasons: []error{context.DeadlineExceeded, errLeft}, wantNot: "DialOptions.Timeout",
		},
		{
			name: "deadline after Timeout", timeout: timeout,
			limit: func(ctx context.Context) (context.Context, context.CancelFunc) {
				return context.WithTimeout(ctx, 9*time.Second)
			},
			after: timeout, reasons: []error{context.DeadlineExceeded}, want: "7s (DialOptions.Timeout)",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			eachWay(t, func(t *testing.T, w way) {
				for _, point := range append([]string{atConnect, atToken}, w.points()...) {
					bubble(t, func(t *testing.T) {
						c := w.waitAt(t, point)
						c.opts.Timeout = tt.timeout
						ctx, cancel := tt.limit(t.Context())
						defer cancel()
						step := w.step(point)
						if tt.after == 0 {
							step = "connect"
						}
						err := c.assertEnds(t, ctx, step, tt.after, tt.reasons...)
						if text := err.Error(); !strings.Contains(text, tt.want) || tt.wantNot != "" && strings.Contains(text, tt.wantNot) {
							t.Errorf("got error %q, want %q and not %q", text, tt.want, tt.wantNot)
						}
					})
				}
			})
		})
	}
}

func cancelAfter(ctx context.Context, d time.Duration, why error) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	if d == 0 {
		cancel(why)
		return ctx, func() {}
	}
	timer := time.AfterFunc(d, func() { cancel(why) })
	return ctx, func() { timer.Stop(); cancel(nil) }
}

// TestDialConnectTimesOut has a dialer that reports its deadline before the
// context does, as net.Dialer may: the timers are two.
func TestDialConnectTimesOut(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, w way) {
		bubble(t, func(t *testing.T) {
			c := w.waitAt(t, atConnect)
			c.opts.Timeout = 7 * time.Second
			c.opts.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
				deadline, _ := ctx.Deadline()
				for time.Now().Before(deadline) {
					time.Sleep(time.Until(deadline) - time.Nanosecond)
					for range 1000 { // until the last moment, and no timer may come between
						if !time.Now().Before(deadline) {
							break
						}
					}
					time.Sleep(time.Nanosecond)
				}
				return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.ErrDeadlineExceeded}
			}
			err := c.assertEnds(t, t.Context(), "connect", 7*time.Second, context.DeadlineExceeded)
			if !strings.Contains(err.Error(), "DialOptions.Timeout") {
				t.Errorf("got error %q, want it to name DialOptions.Timeout", err)
			}
		})
	})
}

// TestDialLeavesADialerThatTakesNoContext has one that goes on when the context
// has ended, as those of proxies do.
func TestDialLeavesADialerThatTakesNoContext(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, w way) {
		bubble(t, func(t *testing.T) {
			conn, other := net.Pipe()
			connected := make(chan struct{})
			opts := w.options(newPipeHost(t, w.polite()))
			opts.DialContext = func(context.Context, string, string) (net.Conn, error) {
				<-connected
				return conn, nil
			}
			ctx, cancel := cancelAfter(t.Context(), time.Second, errLeft)
			defer cancel()
			began := time.Now()
			_, err := w.dial(ctx, testUser, canarySource(), opts)
			if took := time.Since(began); took >= 2*time.Second {
				t.Errorf("got an answer after %v, want it when the context ends", took)
			}
			w.assertFailed(t, err, "connect")
			if !errors.Is(err, errLeft) || !errors.Is(err, context.Canceled) {
				t.Errorf("got error %q, want why the context ended", err)
			}
			close(connected)
			if _, err := other.Read(make([]byte, 1)); err != io.EOF {
				t.Errorf("got %v from the connection that came too late, want it closed", err)
			}
		})
	})
}

// TestDialEndsOnSockets is about the same with a real socket and a real clock.
func TestDialEndsOnSockets(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, w way) {
		for _, point := range w.points() {
			t.Run(point, func(t *testing.T) {
				t.Parallel()
				ctx, cancel := context.WithCancelCause(t.Context())
				h := newMailHost(t, w.interrupted(point, func(p *peer) {
					if point == atHandshake {
						p.r.Peek(1)
					}
					cancel(errLeft)
					p.drain()
				}))
				opts := w.options(h)
				opts.VerifyMailbox = true
				_, err := w.dial(ctx, testUser, canarySource(), opts)
				w.assertFailed(t, err, w.step(point))
				if !errors.Is(err, errLeft) || !errors.Is(err, context.Canceled) {
					t.Errorf("got error %q, want why the context ended", err)
				}
				h.assertClosed(t)
				h.finish(t)
			})
		}
	})
}
