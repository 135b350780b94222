// Package wire reads and writes the lines of a mail protocol: within limits,
// since a stranger wrote them, and with a redacted trace.
package wire

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"unicode"
)

// MaxLine is the longest line that ReadLine accepts, without its line break.
// The longest ones in practice are capability lists and error documents.
const MaxLine = 64 << 10

// bufferSize holds nearly every line of IMAP, POP3 and SMTP.
const bufferSize = 4 << 10

// ErrLineTooLong is returned by ReadLine for a line over MaxLine.
var ErrLineTooLong = fmt.Errorf("a line of the server is longer than %d bytes", MaxLine)

// ErrPlaintextAfterStartTLS is returned by StartTLS if the server's
// permission came with further plaintext, which somebody on the way may have
// put there (CVE-2011-0411, RFC 3207 section 4.2, RFC 9051 section 6.2.1).
var ErrPlaintextAfterStartTLS = errors.New("the server sent plaintext after its reply to STARTTLS: somebody may be tampering with the connection")

// Conn is a connection of lines. It is not safe for concurrent use.
type Conn struct {
	net.Conn
	R *bufio.Reader // reads from Conn

	trace *Trace
}

// NewConn returns a Conn over conn that traces to trace; nil: not at all.
func NewConn(conn net.Conn, trace *Trace) *Conn {
	return &Conn{Conn: conn, R: bufio.NewReaderSize(conn, bufferSize), trace: trace}
}

// Trace makes trace the one to write to from now on; nil: none.
func (c *Conn) Trace(trace *Trace) { c.trace = trace }

// ReadLine reads one line and returns it without CRLF or LF.
func (c *Conn) ReadLine() (string, error) {
	line, err := c.ReadRaw()
	return string(TrimBreak(line)), err
}

// ReadRaw reads one line and returns it with its CRLF or LF. The bytes are
// good until the next read.
func (c *Conn) ReadRaw() ([]byte, error) {
	line, err := c.R.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		line, err = c.readLong(bytes.Clone(line))
	}
	if errors.Is(err, io.EOF) {
		c.trace.Ended()
	}
	if err != nil {
		return nil, err
	}
	c.trace.Server(TrimBreak(line))
	return line, nil
}

// TrimBreak returns line without its CRLF or LF.
func TrimBreak(line []byte) []byte {
	return bytes.TrimSuffix(bytes.TrimSuffix(line, []byte{'\n'}), []byte{'\r'})
}

// readLong reads the rest of a line that begins with start.
func (c *Conn) readLong(start []byte) ([]byte, error) {
	for {
		part, err := c.R.ReadSlice('\n')
		start = append(start, part...)
		if len(start) > MaxLine+len("\r\n") {
			return nil, ErrLineTooLong
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return start, err
		}
	}
}

// WriteLine writes one line, made of parts, and its CRLF in a single write.
func (c *Conn) WriteLine(parts ...string) error {
	size := len("\r\n")
	for _, part := range parts {
		size += len(part)
	}
	line := make([]byte, 0, size)
	for _, part := range parts {
		line = append(line, part...)
	}
	return c.WriteLines(append(line, '\r', '\n'))
}

// WriteLines writes whole lines, with their CRLFs, in a single write.
func (c *Conn) WriteLines(lines []byte) error {
	for line := range bytes.Lines(lines) {
		c.trace.Client(TrimBreak(line))
	}
	_, err := c.Conn.Write(lines)
	return err
}

// StartTLS goes on over secure, a TLS connection over this one, whose handshake
// is still to come. It must be called right after the server's permission.
func (c *Conn) StartTLS(secure *tls.Conn) error {
	if c.R.Buffered() > 0 {
		return ErrPlaintextAfterStartTLS
	}
	c.Conn = secure
	c.R.Reset(secure)
	return nil
}

// Unexpected returns the error for a line that has no place where it stands.
func Unexpected(line string) error {
	return fmt.Errorf("unexpected reply of the server: %q", Cut(line))
}

// Printable returns a text that may hold a stranger's words unquoted, such as
// the names in a certificate, on one line, and cut at 1 KiB.
func Printable(s string) string {
	const limit = 1 << 10
	if len(s) > limit {
		s = strings.ToValidUTF8(s[:limit], "") + "…"
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return unicode.ReplacementChar
		}
		return r
	}, s)
}

// Cut limits a stranger's text to 256 bytes.
func Cut(s string) string {
	const limit = 256
	if len(s) <= limit {
		return s
	}
	return strings.ToValidUTF8(s[:limit], "") + "…"
}
