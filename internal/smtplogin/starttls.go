// Package smtplogin does for an SMTP login what go-smtp's client does not: the
// dialogue up to STARTTLS under the caller's EHLO name, and an AUTH exchange
// that ends when the server's final reply is there.
package smtplogin

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/emersion/go-smtp"

	"github.com/xoauth2/go-xoauth2/internal/wire"
)

// maxReplyLines limits a multi-line reply.
const maxReplyLines = 1000

// Greeting reads the server's greeting and returns its text.
func Greeting(conn *wire.Conn) (string, error) {
	text, err := readReply(conn, 220)
	return strings.TrimLeft(text, " "), err
}

// StartTLS says EHLO as localName and asks for TLS (RFC 3207). When it returns
// nil the handshake is due.
func StartTLS(conn *wire.Conn, localName string) error {
	text, err := command(conn, 250, "EHLO "+localName)
	if err != nil {
		return err
	}
	if !offers(text, "STARTTLS") {
		return errors.New("the server does not offer STARTTLS")
	}
	_, err = command(conn, 220, "STARTTLS")
	return err
}

// offers reports whether the reply to EHLO names the extension.
func offers(reply, extension string) bool {
	_, lines, _ := strings.Cut(reply, "\n") // the first line greets
	for line := range strings.SplitSeq(lines, "\n") {
		if words := strings.Fields(line); len(words) > 0 && strings.EqualFold(words[0], extension) {
			return true
		}
	}
	return false
}

func command(conn *wire.Conn, expect int, line string) (string, error) {
	if err := conn.WriteLine(line); err != nil {
		return "", err
	}
	return readReply(conn, expect)
}

// readReply reads a reply (RFC 5321, section 4.2.1). Codes other than expect
// are an *smtp.SMTPError.
func readReply(conn *wire.Conn, expect int) (string, error) {
	var r reply
	size := 0
	for range maxReplyLines {
		line, err := conn.ReadLine()
		if err != nil {
			return "", err
		}
		if size += len(line); size > maxLoginBytes {
			return "", errTooMuch
		}
		last, ok := r.add(line)
		if !ok {
			return "", wire.Unexpected(line)
		}
		if !last {
			continue
		}
		if r.code != expect {
			return "", r.error()
		}
		return strings.Join(r.lines, "\n"), nil
	}
	return "", fmt.Errorf("a reply of the server is longer than %d lines", maxReplyLines)
}

// reply is a server's reply as it comes in.
type reply struct {
	code  int
	lines []string
}

// add takes one line. It reports whether it was the last one, and whether it
// was a reply line at all.
func (r *reply) add(line string) (last, ok bool) {
	if len(line) < 3 || len(line) > 3 && line[3] != ' ' && line[3] != '-' {
		return false, false
	}
	code, err := strconv.Atoi(line[:3])
	if err != nil || code < 200 || code > 599 || len(r.lines) > 0 && code != r.code {
		return false, false
	}
	r.code = code
	r.lines = append(r.lines, line[min(4, len(line)):])
	return len(line) == 3 || line[3] == ' ', true
}

// error returns the reply as go-smtp does, with the enhanced status code
// (RFC 2034, section 4) taken out of every line.
func (r *reply) error() *smtp.SMTPError {
	e := &smtp.SMTPError{Code: r.code, Message: strings.Join(r.lines, "\n")}
	code, text, ok := strings.Cut(e.Message, " ")
	parts := strings.Split(code, ".")
	if !ok || len(parts) != len(e.EnhancedCode) {
		return e
	}
	var enhanced smtp.EnhancedCode
	for i, part := range parts {
		n, err := strconv.Atoi(part)
		if err != nil {
			return e
		}
		enhanced[i] = n
	}
	e.EnhancedCode = enhanced
	e.Message = strings.ReplaceAll(text, "\n"+code+" ", "\n")
	return e
}

// Resume returns a connection that has go-smtp believe it was there from the
// greeting to STARTTLS, and then is conn: go-smtp v0.25.1 starts TLS on
// connections only that it greeted, as "localhost", and throws
// away plaintext that came after the server's permission.
func Resume(conn net.Conn) net.Conn {
	return &resumed{Conn: conn, past: strings.NewReader("220 ready\r\n250-ready\r\n250 STARTTLS\r\n220 ready\r\n")}
}

type resumed struct {
	net.Conn
	past *strings.Reader // nil when go-smtp has begun TLS
}

func (c *resumed) Read(p []byte) (int, error) {
	if c.past != nil {
		return c.past.Read(p)
	}
	return c.Conn.Read(p)
}

func (c *resumed) Write(p []byte) (int, error) {
	const handshake = 0x16 // the type of TLS's first record (RFC 8446, section 5.1)
	if c.past != nil && len(p) > 0 && p[0] == handshake {
		c.past = nil
	}
	if c.past != nil {
		return len(p), nil // EHLO and STARTTLS were said already
	}
	return c.Conn.Write(p)
}
