package pop3_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/xoauth2/go-xoauth2/internal/pop3"
	"github.com/xoauth2/go-xoauth2/internal/wire"
)

// canned is a connection to a server that greets and then has a reply ready
// for each line that it gets. When it has no more, it hangs up.
type canned struct {
	net.Conn // nil: deadlines and addresses are of no interest
	chunk    int

	mu       sync.Mutex
	changed  sync.Cond
	replies  []string
	unread   []byte
	received bytes.Buffer
	closed   int
}

// cannedConn gives at most chunk bytes to a Read, or any number if it is 0.
func cannedConn(chunk int, greeting string, replies ...string) *canned {
	c := &canned{chunk: chunk, unread: []byte(greeting), replies: replies}
	c.changed.L = &c.mu
	return c
}

func (c *canned) Read(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.unread) == 0 && len(c.replies) > 0 && c.closed == 0 {
		c.changed.Wait()
	}
	if c.closed > 0 {
		return 0, net.ErrClosed
	}
	if len(c.unread) == 0 {
		return 0, io.EOF
	}
	if c.chunk > 0 {
		p = p[:min(c.chunk, len(p))]
	}
	n := copy(p, c.unread)
	c.unread = c.unread[n:]
	return n, nil
}

func (c *canned) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed > 0 {
		return 0, net.ErrClosed
	}
	c.received.Write(p)
	for range min(bytes.Count(p, []byte("\n")), len(c.replies)) {
		c.unread = append(c.unread, c.replies[0]...)
		c.replies = c.replies[1:]
	}
	c.changed.Broadcast()
	return len(p), nil
}

func (c *canned) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed++
	c.changed.Broadcast()
	return nil
}

func (c *canned) sent() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.received.String()
}

func (c *canned) isClosed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed > 0
}

// protected passes for a TLS connection.
type protected struct{ net.Conn }

func (protected) ConnectionState() tls.ConnectionState {
	return tls.ConnectionState{HandshakeComplete: true}
}

const greeting = "+OK ready\r\n"

// open returns a session with a server that answers each command with one of
// the replies.
func open(t *testing.T, replies ...string) (*pop3.Client, *canned) {
	t.Helper()
	conn := cannedConn(0, greeting, replies...)
	return newClient(t, conn), conn
}

func newClient(t *testing.T, conn net.Conn) *pop3.Client {
	t.Helper()
	c, err := pop3.New(wire.NewConn(conn, nil))
	if err != nil {
		t.Fatalf("New: got %v, want no error", err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// assertRefused checks that err is a refusal, and that the session goes on.
func assertRefused(t *testing.T, c *pop3.Client, err error, text string) {
	t.Helper()
	if refusal, ok := errors.AsType[*pop3.Refusal](err); !ok || !strings.Contains(err.Error(), text) {
		t.Fatalf("got %v (%v), want a refusal with %q", err, refusal, text)
	}
	if err := c.Noop(); err != nil {
		t.Errorf("NOOP after the refusal: got %v, want no error", err)
	}
}

// assertBroken checks that err broke the session for good.
func assertBroken(t *testing.T, c *pop3.Client, conn *canned, err error, text string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), text) {
		t.Fatalf("got error %v, want one with %q", err, text)
	}
	if failure, ok := err.(*pop3.Error); !ok || failure.Command == "" {
		t.Errorf("got a %T, want a *pop3.Error that names the command", err)
	}
	if !conn.isClosed() {
		t.Error("the connection is open, want it closed")
	}
	for name, command := range commands {
		if again := command(c); again != err {
			t.Errorf("%s afterwards: got %v, want the same error", name, again)
		}
	}
	if err := c.Close(); err != nil {
		t.Errorf("Close: got %v, want no error", err)
	}
}

// commands are all that a session can do, and how it ended.
var commands = map[string]func(c *pop3.Client) error{
	"CAPA": func(c *pop3.Client) error { _, err := c.Capabilities(); return err },
	"AUTH": func(c *pop3.Client) error { return c.Auth(&mechanism{initial: []byte("let me in")}) },
	"STAT": func(c *pop3.Client) error { _, _, err := c.Stat(); return err },
	"LIST": func(c *pop3.Client) error { _, err := c.List(); return err },
	"RETR": func(c *pop3.Client) error { return read(c.Retr(1)) },
	"TOP":  func(c *pop3.Client) error { return read(c.Top(1, 0)) },
	"DELE": func(c *pop3.Client) error { return c.Dele(1) },
	"RSET": func(c *pop3.Client) error { return c.Rset() },
	"NOOP": func(c *pop3.Client) error { return c.Noop() },
	"QUIT": func(c *pop3.Client) error { return c.Quit() },
	"all": func(c *pop3.Client) error {
		return c.RetrAll(nil, func(_ int, m *pop3.Message) error { return read(m, nil) })
	},
	"two": func(c *pop3.Client) error {
		return c.RetrAll([]int{1, 2}, func(_ int, m *pop3.Message) error { return read(m, nil) })
	},
}

func read(m *pop3.Message, err error) error {
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, m)
	return err
}
