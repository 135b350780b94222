package pop3

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"strconv"
	"sync"

	"github.com/xoauth2/go-xoauth2/internal/wire"
)

// bufferSize is the most that one TLS record brings (RFC 8446, section 5.1).
const bufferSize = 16 << 10

// buffers lends a buffer to each connection for as long as it has something to
// read. One that waits for its user has none, so that idle sessions are cheap.
var buffers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, bufferSize) }}

// command is a command as errors name it: of its arguments, only the message
// is of interest.
type command struct {
	verb   string
	number int // 0: none
}

func (c command) String() string {
	if c.number == 0 {
		return c.verb
	}
	return c.verb + " " + strconv.Itoa(c.number)
}

func (c command) failed(err error) *Error {
	return &Error{Command: c.String(), Err: err}
}

// appendCommand appends a command line to lines.
func appendCommand(lines []byte, verb string, args ...int) []byte {
	lines = append(lines, verb...)
	for _, arg := range args {
		lines = append(lines, ' ')
		lines = strconv.AppendInt(lines, int64(arg), 10)
	}
	return append(lines, '\r', '\n')
}

// simple runs a command whose +OK has nothing to tell.
func (c *Client) simple(verb string, args ...int) error {
	_, err := c.ask(verb, args...)
	c.release()
	return err
}

// ask runs a command up to its status line, which is +OK. If there are
// arguments, the first is the number of a message. When the reply was read to
// its end, release is due.
func (c *Client) ask(verb string, args ...int) (reply, error) {
	cmd := command{verb: verb}
	if len(args) > 0 {
		cmd.number = args[0]
	}
	if err := c.ready(cmd); err != nil {
		return reply{}, err
	}
	if len(args) > 0 && args[0] < 1 {
		return reply{}, cmd.failed(errNumber(args[0]))
	}
	if err := c.send(appendCommand(c.line[:0], verb, args...)); err != nil {
		return reply{}, err
	}
	return c.reply()
}

func errNumber(n int) error {
	return fmt.Errorf("%d is no number of a message: they begin with 1", n)
}

// ready gets the session ready for cmd: it reads what is left of the last
// message, and makes sure that nothing else is to be read.
func (c *Client) ready(cmd command) error {
	if c.err != nil {
		return c.err
	}
	if c.fetching {
		return cmd.failed(errBusy)
	}
	if c.message != nil {
		if err := c.message.drain(math.MaxInt64); err != nil {
			return err
		}
	}
	c.command = cmd
	return c.quiet()
}

// quiet breaks the session if the server has said what nobody asked for: it
// would be taken for the answer to what the client says next.
func (c *Client) quiet() error {
	if c.wire.R == nil || c.wire.R.Buffered() == 0 {
		return nil
	}
	stray, err := c.wire.R.Peek(c.wire.R.Buffered())
	if err != nil {
		return c.fail(err)
	}
	if r, err := parseReply(stray); err == nil && r.status == refused {
		return c.fail(r.refusal()) // what Dovecot says when the mailbox of a login does not open
	}
	return c.fail(fmt.Errorf("the server sent what no command asked for: %q", wire.Cut(string(stray))))
}

// send writes command lines, and keeps their room for the next ones.
func (c *Client) send(lines []byte) error {
	c.line = lines
	if err := c.wire.WriteLines(lines); err != nil {
		return c.fail(err)
	}
	return nil
}

// reply reads a status line that is +OK.
func (c *Client) reply() (reply, error) {
	r, err := c.anyReply()
	switch {
	case err != nil:
		return reply{}, err
	case r.status == refused:
		refusal := r.refusal()
		c.release()
		return reply{}, c.command.failed(refusal)
	case r.status == challenge:
		return reply{}, c.fail(wire.Unexpected(r.line()))
	}
	return r, nil
}

// anyReply reads a status line.
func (c *Client) anyReply() (reply, error) {
	c.acquire()
	raw, err := c.wire.ReadRaw()
	if err != nil {
		return reply{}, c.fail(err)
	}
	r, err := parseReply(raw)
	if err != nil {
		return reply{}, c.fail(err)
	}
	return r, nil
}

// lines reads what follows the status line of a multi-line reply (RFC 1939,
// section 3), at most limit lines of 128 octets each on average.
func (c *Client) lines(limit int, each func(line []byte) error) error {
	octets := 0
	for range limit + 1 {
		raw, err := c.wire.ReadRaw()
		if err != nil {
			return c.fail(err)
		}
		line := wire.TrimBreak(raw)
		if string(line) == "." {
			return nil
		}
		if octets += len(raw); octets > limit*128 {
			break
		}
		if err := each(bytes.TrimPrefix(line, []byte("."))); err != nil {
			return c.fail(err)
		}
	}
	return c.fail(fmt.Errorf("a reply of the server is longer than %d lines, or %d octets", limit, limit*128))
}

// fail breaks the session for good: what the server sends from now on could
// not be told apart.
func (c *Client) fail(err error) error {
	if c.err != nil {
		return c.err
	}
	switch {
	case c.closed.Load():
		err = net.ErrClosed
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		err = fmt.Errorf("the server closed the connection: %w", io.ErrUnexpectedEOF)
	}
	c.err = c.command.failed(err)
	c.Close()
	c.message = nil
	c.wire.R = nil
	return c.err
}

// acquire makes sure that there is a buffer to read into.
func (c *Client) acquire() {
	if c.wire.R == nil {
		c.wire.R = buffers.Get().(*bufio.Reader)
		c.wire.R.Reset(c.wire.Conn)
	}
}

// release gives the buffer back, unless there is something in it.
func (c *Client) release() {
	r := c.wire.R
	if r == nil || r.Buffered() > 0 || c.fetching {
		return
	}
	c.wire.R = nil
	if r.Size() == bufferSize {
		r.Reset(nil)
		buffers.Put(r)
	}
}
