package pop3

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"math"
)

// errStale is what reading a message gives after the next command.
var errStale = errors.New("the message can no longer be read: another command was given")

// Message reads the octets of a message as the server sent them, but without
// the dots that it put before lines that begin with one (RFC 1939, section 3).
// It needs no more memory for a long message, or a long line, than for a short
// one.
//
// A message ends at a line with a lone dot, and a line ends in CRLF. What
// follows an LF alone is never taken for the start of a line: a mail whose
// author wrote LF, dot, LF would otherwise end early, and its
// remainder would be taken for the replies to the next commands. Only a server
// that ended its status line with an LF alone, and so shows that it knows no
// CRLF, has its messages divided, and ended, at every LF.
type Message struct {
	client  *Client
	command command // that the server answers with it
	feed    bool    // lines end in LF alone
	at      place
	octets  int64
	err     error // why nothing more can be read
}

// place is where in a line the next octet stands.
type place byte

const (
	lineStart place = iota
	inLine
	afterCR
)

// begin makes m the message that follows a status line.
func (m *Message) begin(c *Client, r reply) {
	*m = Message{client: c, command: c.command, feed: r.bareFeed}
	c.message = m
}

// Read reads as io.Reader wants it.
func (m *Message) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	octets, err := m.next(len(p))
	return copy(p, octets), err
}

// WriteTo writes what is left of the message to w.
func (m *Message) WriteTo(w io.Writer) (written int64, err error) {
	for {
		octets, err := m.next(math.MaxInt)
		if err == io.EOF {
			return written, nil
		}
		if err != nil {
			return written, err
		}
		n, err := w.Write(octets)
		written += int64(n)
		if err != nil {
			return written, err
		}
		if n < len(octets) {
			return written, io.ErrShortWrite
		}
	}
}

// drain reads the rest of the message for nobody, if it is not longer than
// limit.
func (m *Message) drain(limit int64) error {
	start := m.octets
	for {
		_, err := m.next(math.MaxInt)
		if err == io.EOF {
			m.err = errStale
			return nil
		}
		if err != nil {
			return err
		}
		if m.octets-start > limit {
			return m.fail(errTooMuch)
		}
	}
}

// next returns some octets of the message, at least one and at most limit.
// They are good until the next read.
func (m *Message) next(limit int) ([]byte, error) {
	if m.err == nil && m.client.message != m {
		m.err = cmp.Or(m.client.err, errStale)
	}
	if m.err == errStale {
		return nil, m.command.failed(errStale)
	}
	if m.err != nil {
		return nil, m.err
	}
	if m.at == lineStart {
		if err := m.unstuff(); err != nil {
			return nil, err
		}
	}
	if _, err := m.peek(1); err != nil {
		return nil, err
	}
	r := m.client.wire.R
	octets, err := m.peek(min(limit, r.Buffered()))
	if err != nil {
		return nil, err
	}
	octets = octets[:m.stretch(octets)]
	m.octets += int64(len(octets))
	if _, err := r.Discard(len(octets)); err != nil {
		return nil, m.fail(err)
	}
	return octets, nil
}

// stretch returns how many of the octets stand before the next line that
// begins with a dot, and notes where they end.
func (m *Message) stretch(octets []byte) int {
	lineBreak, dotted := []byte("\r\n"), []byte("\r\n.")
	if m.feed {
		lineBreak, dotted = lineBreak[1:], dotted[1:]
	}
	if m.at == afterCR && octets[0] == '\n' {
		m.at = lineStart
		return 1
	}
	if i := bytes.Index(octets, dotted); i >= 0 {
		m.at = lineStart
		return i + len(lineBreak)
	}
	switch {
	case bytes.HasSuffix(octets, lineBreak):
		m.at = lineStart
	case octets[len(octets)-1] == '\r':
		m.at = afterCR
	default:
		m.at = inLine
	}
	return len(octets)
}

// unstuff takes away the dot at the start of a line. If the line is nothing
// but that dot, it returns io.EOF.
func (m *Message) unstuff() error {
	head, err := m.peek(1)
	if err != nil {
		return err
	}
	if head[0] != '.' {
		return nil
	}
	ends := []string{".\n", ".\r\n"}
	if !m.feed {
		ends = ends[1:]
	}
	for _, end := range ends {
		head, err = m.peek(len(end))
		if err != nil {
			return err
		}
		if string(head) == end {
			return m.end(len(end))
		}
	}
	m.at = inLine
	if _, err := m.client.wire.R.Discard(1); err != nil {
		return m.fail(err)
	}
	return nil
}

// peek returns the next n octets that the server sent, without taking them.
func (m *Message) peek(n int) ([]byte, error) {
	octets, err := m.client.wire.R.Peek(n)
	if err != nil {
		return nil, m.fail(err)
	}
	return octets, nil
}

// end takes the terminator, of n octets, and returns io.EOF.
func (m *Message) end(n int) error {
	if _, err := m.client.wire.R.Discard(n); err != nil {
		return m.fail(err)
	}
	m.err = io.EOF
	m.client.message = nil
	m.client.release()
	return io.EOF
}

func (m *Message) fail(err error) error {
	m.err = m.client.fail(err)
	return m.err
}
