package xoauth2_test

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// flakyConn is a connection that may break at any byte.
type flakyConn struct {
	net.Conn
	left atomic.Int64 // bytes until it breaks
}

func (c *flakyConn) Read(b []byte) (int, error)  { return c.transfer(b, c.Conn.Read) }
func (c *flakyConn) Write(b []byte) (int, error) { return c.transfer(b, c.Conn.Write) }

func (c *flakyConn) transfer(b []byte, move func([]byte) (int, error)) (int, error) {
	n, err := move(b)
	if c.left.Add(-int64(n)) < 0 {
		c.Conn.Close()
		return 0, &net.OpError{Op: "flaky", Net: "tcp", Err: syscall.ECONNRESET}
	}
	return n, err
}

// TestDialLoad makes a hundred logins at once, over all ways, of which one in
// ten breaks or is not even connected. Nothing hangs, every failure says where
// it happened, and all share one token request.
func TestDialLoad(t *testing.T) {
	t.Parallel()
	const calls = 100
	e := &fakeEndpoint{takes: 20 * time.Millisecond}
	source := e.source()
	random := rand.New(rand.NewPCG(1, 2))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var running sync.WaitGroup
	var failed, broken atomic.Int32
	for i := range calls {
		w := allWays()[i%len(allWays())]
		breaks, refused, after := random.IntN(10) == 0, random.IntN(2) == 0, random.Int64N(4000)
		running.Go(func() {
			h := newMailHost(t, w.polite())
			opts := w.options(h)
			opts.VerifyMailbox = true
			if breaks {
				broken.Add(1)
				opts.DialContext = h.breaking(after, refused)
			}
			client, err := w.dial(ctx, testUser, source, opts)
			if err == nil {
				client.Close()
			} else {
				failed.Add(1)
				checkBroken(t, w, err, breaks)
				h.assertClosed(t)
			}
			h.finish(t)
		})
	}
	running.Wait()
	if failed.Load() == 0 || failed.Load() > broken.Load() || e.count() != 1 {
		t.Errorf("got %d failures of %d broken connections and %d token requests, want some and 1", failed.Load(), broken.Load(), e.count())
	}
}

// breaking returns a DialContext that does not connect, or whose connection
// breaks after so many bytes.
func (h *mailHost) breaking(after int64, refused bool) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		if refused {
			return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.ECONNREFUSED}
		}
		conn, err := h.DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		c := &flakyConn{Conn: conn}
		c.left.Store(after)
		return c, nil
	}
}

func checkBroken(t *testing.T, w way, err error, breaks bool) {
	t.Helper()
	prefix := "xoauth2: " + w.proto.String() + " " + w.addr() + ": "
	if !breaks || !strings.HasPrefix(err.Error(), prefix) {
		t.Errorf("got error %q, want none, or %q first", err, prefix)
	}
	if !errors.As(err, new(*net.OpError)) && !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got error %q, want one of the network", err)
	}
	assertSecret(t, err)
}
