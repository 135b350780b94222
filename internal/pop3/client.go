// Package pop3 is a POP3 client (RFC 1939) with capabilities, pipelining and
// response codes (RFC 2449), SASL (RFC 5034) and STLS (RFC 2595).
package pop3

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"github.com/xoauth2/go-xoauth2/internal/wire"
)

// errBusy is what a command gives within a call of RetrAll.
var errBusy = errors.New("RetrAll is not over: a command would get the reply to another one")

// Client is a session. After an error that is neither a *Refusal nor the
// caller's it is broken: the connection is closed, and every call returns that
// error again. It is not safe for concurrent use, but for Close.
type Client struct {
	Greeting string // the text of the server's greeting

	wire   *wire.Conn // its R is nil while nothing is to be read
	raw    net.Conn   // what Close closes: it does not wait for TLS to say goodbye
	closed atomic.Bool

	command  command // the one under way, or the last one
	line     []byte  // room for a command line
	message  *Message
	fetching bool  // RetrAll is running
	err      error // what broke the session, an *Error

	knowsPipelining, pipelining bool
	averageSize                 int64 // of a message, as STAT or LIST last told; 0: unknown
}

// New reads the greeting from conn, and closes it if that fails.
func New(conn *wire.Conn) (*Client, error) {
	c := &Client{wire: conn, raw: conn.Conn, command: command{verb: "greeting"}}
	if secure, ok := conn.Conn.(*tls.Conn); ok {
		c.raw = secure.NetConn()
	}
	r, err := c.reply()
	if err != nil {
		c.Close()
		return nil, err
	}
	c.Greeting = wire.Cut(string(r.text))
	c.release()
	return c, nil
}

// Close closes the connection and interrupts what is going on there. It never
// waits, and may be called from any goroutine.
func (c *Client) Close() error {
	if c.closed.Swap(true) {
		return nil
	}
	return c.raw.Close()
}

// isTLS reports whether what is written is encrypted, as far as can be seen.
func (c *Client) isTLS() bool {
	conn, ok := c.wire.Conn.(interface{ ConnectionState() tls.ConnectionState })
	return ok && conn.ConnectionState().HandshakeComplete
}

// StartTLS asks for TLS (RFC 2595, section 4), has upgrade begin it, and
// forgets what the server said before.
func (c *Client) StartTLS(upgrade func(*wire.Conn) error) error {
	if _, err := c.ask("STLS"); err != nil {
		return err
	}
	c.knowsPipelining, c.pipelining = false, false
	if err := upgrade(c.wire); err != nil {
		return c.fail(err)
	}
	c.release()
	return nil
}

// Stat returns how many messages there are, and the sum of their sizes.
func (c *Client) Stat() (count int, size int64, err error) {
	r, err := c.ask("STAT")
	if err != nil {
		return 0, 0, err
	}
	count, size, ok := cutNumbers(r.text)
	if !ok {
		return 0, 0, c.fail(wire.Unexpected(r.line()))
	}
	c.release()
	c.averageSize = size / int64(max(count, 1))
	return count, size, nil
}

// Retr asks for message n.
func (c *Client) Retr(n int) (*Message, error) { return c.open("RETR", n) }

// Top asks for the header of message n and so many lines of its body.
func (c *Client) Top(n, lines int) (*Message, error) {
	if lines < 0 {
		return nil, command{"TOP", n}.failed(fmt.Errorf("%d is no number of lines", lines))
	}
	return c.open("TOP", n, lines)
}

func (c *Client) open(verb string, args ...int) (*Message, error) {
	r, err := c.ask(verb, args...)
	if err != nil {
		return nil, err
	}
	m := new(Message)
	m.begin(c, r)
	return m, nil
}

// Dele marks message n for deletion by Quit.
func (c *Client) Dele(n int) error {
	return c.simple("DELE", n)
}

// Rset takes all marks back.
func (c *Client) Rset() error { return c.simple("RSET") }

// Noop does nothing, and shows that the session is alive.
func (c *Client) Noop() error { return c.simple("NOOP") }

// Quit ends the session, upon which the server deletes what is marked, and
// closes the connection in any case.
func (c *Client) Quit() error {
	if c.fetching {
		return command{verb: "QUIT"}.failed(errBusy)
	}
	defer c.Close()
	if err := c.simple("QUIT"); err != nil {
		return err
	}
	if secure, ok := c.wire.Conn.(*tls.Conn); ok {
		// A courtesy, for which crypto/tls would wait five seconds.
		patience := time.AfterFunc(100*time.Millisecond, func() { c.Close() })
		_ = secure.CloseWrite()
		patience.Stop()
	}
	return nil
}
