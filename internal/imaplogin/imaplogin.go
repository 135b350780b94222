// Package imaplogin holds the IMAP dialogue up to the final reply to
// AUTHENTICATE, and then hands the connection to go-imap.
//
// It exists because go-imap v2.0.0-beta.8 asks for capabilities that are known,
// answers the error document of XOAUTH2 with "=" instead of an empty line, and
// leaves the exchange open when a SASL client fails.
package imaplogin

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-sasl"

	"github.com/xoauth2/go-xoauth2/internal/payload"
	"github.com/xoauth2/go-xoauth2/internal/wire"
)

// Limits on what a server may send in answer to one command.
const (
	maxResponses  = 1000
	maxChallenges = 10
)

var errTooMany = fmt.Errorf("the server sends more than %d responses to one command", maxResponses)

// Login is the dialogue. It is not safe for concurrent use.
type Login struct {
	Greeting string // the text of the server's greeting

	conn    *wire.Conn
	tags    int
	caps    []string // as the server spelled them; nil: not known
	goodbye *imap.Error
}

// New reads the greeting. A server that greets with PREAUTH is refused: it
// takes the connection for somebody's whom it did not ask for a name.
func New(conn *wire.Conn) (*Login, error) {
	line, err := conn.ReadLine()
	if err != nil {
		return nil, err
	}
	l := &Login{conn: conn}
	untagged, ok := strings.CutPrefix(line, "* ")
	if !ok {
		return nil, wire.Unexpected(line)
	}
	status := parseStatus(untagged)
	switch status.Type {
	case imap.StatusResponseTypeOK:
		l.Greeting = status.Text
		l.caps = status.caps
		return l, nil
	case imap.StatusResponseTypePreAuth:
		return nil, errors.New("the server greets with PREAUTH: it is logged in already, as whom it does not say")
	case imap.StatusResponseTypeBye:
		return nil, &status.Error
	}
	return nil, wire.Unexpected(line)
}

// StartTLS asks for TLS (RFC 9051, section 6.2.1). When it returns nil the
// handshake is due, and what the server said is forgotten.
func (l *Login) StartTLS() error {
	if l.caps != nil && !l.has("STARTTLS") {
		return errors.New("the server does not offer STARTTLS")
	}
	if err := l.Command("STARTTLS"); err != nil {
		return err
	}
	l.caps, l.goodbye = nil, nil
	return nil
}

// Capabilities returns what the server can do. It asks only if that is not
// known yet.
func (l *Login) Capabilities() ([]string, error) {
	if l.caps != nil {
		return l.caps, nil
	}
	if err := l.Command("CAPABILITY"); err != nil {
		return nil, err
	}
	if l.caps == nil {
		return nil, errors.New("the server does not say what it can do")
	}
	return l.caps, nil
}

// Known reports whether the capabilities are known without asking.
func (l *Login) Known() bool { return l.caps != nil }

func (l *Login) has(capability string) bool {
	return slices.ContainsFunc(l.caps, func(c string) bool { return strings.EqualFold(c, capability) })
}

// Command runs a command, of whose responses only the capabilities matter. A
// refusal is an *imap.Error.
func (l *Login) Command(command string) error {
	tag, err := l.begin()
	if err != nil {
		return err
	}
	if err := l.conn.WriteLine(tag, " ", command); err != nil {
		return err
	}
	text, continued, err := l.response(tag)
	if err != nil {
		return err
	}
	if continued {
		return wire.Unexpected("+ " + text)
	}
	return nil
}

// begin returns the tag of the next command.
func (l *Login) begin() (tag string, err error) {
	if err := l.settle(); err != nil {
		return "", err
	}
	l.tags++
	return "T" + strconv.Itoa(l.tags), nil
}

// settle takes in what the server has said already. It can be no answer to
// what the client says next: only untagged responses may come at any time (RFC
// 9051, section 7).
func (l *Login) settle() error {
	for range maxResponses {
		if l.conn.R.Buffered() == 0 {
			return nil
		}
		line, err := l.readLine()
		if err != nil {
			return err
		}
		untagged, ok := strings.CutPrefix(line, "* ")
		if !ok {
			return wire.Unexpected(line)
		}
		l.untagged(untagged)
	}
	return errTooMany
}

// readLine prefers the server's goodbye to the mere end of the connection.
func (l *Login) readLine() (string, error) {
	line, err := l.conn.ReadLine()
	if err != nil && l.goodbye != nil {
		return "", l.goodbye
	}
	return line, err
}

// Authenticate runs the AUTHENTICATE command (RFC 9051, section 6.2.2), with
// the client's initial response in the command line if inline (RFC 4959). A
// refusal is an *imap.Error and leaves the connection usable; after any other
// error it must be closed.
func (l *Login) Authenticate(client sasl.Client, inline bool) error {
	own, err := payload.Begin(client)
	if err != nil {
		return err
	}
	tag, err := l.begin()
	if err != nil {
		return err
	}
	if err := l.authenticate(tag, own, inline); err != nil {
		return err
	}
	l.caps = nil // those of after the login are others
	sent := inline
	for range maxChallenges {
		challenge, continued, err := l.response(tag)
		if err != nil {
			return err
		}
		if !continued && !sent {
			return errors.New("the server reports success before it has seen the token")
		}
		if !continued && l.goodbye != nil {
			return l.goodbye // the session was over before it began
		}
		if !continued {
			return nil
		}
		if !sent {
			challenge = "" // it asks for the response, in whatever words
			if err := l.settle(); err != nil {
				return err
			}
		}
		if err := l.answer(client, challenge); err != nil {
			return err
		}
		sent = true
	}
	return errors.New("the server never ends asking")
}

// authenticate writes the command.
func (l *Login) authenticate(tag string, client payload.Client, inline bool) (err error) {
	if !inline {
		return l.conn.WriteLine(tag, " AUTHENTICATE ", client.Mechanism())
	}
	var room [64]byte
	line := fmt.Appendf(room[:0], "%s AUTHENTICATE %s ", tag, client.Mechanism())
	if line, err = client.AppendInitial(line); err != nil {
		return err
	}
	return l.conn.WriteLines(append(line, "\r\n"...))
}

func (l *Login) answer(client sasl.Client, challenge string) error {
	decoded, err := base64.StdEncoding.DecodeString(strings.TrimSpace(challenge))
	if err != nil {
		return fmt.Errorf("the server's challenge is not base64: %q", wire.Cut(challenge))
	}
	response, err := client.Next(decoded)
	if err != nil {
		return err
	}
	return l.conn.WriteLine(base64.StdEncoding.EncodeToString(response))
}

// response reads up to the end of the command tag, or up to a continuation
// request, whose text it returns.
func (l *Login) response(tag string) (text string, continued bool, err error) {
	for range maxResponses {
		line, err := l.readLine()
		if err != nil {
			return "", false, err
		}
		if text, ok := strings.CutPrefix(line, "+"); ok {
			return strings.TrimPrefix(text, " "), true, nil
		}
		if untagged, ok := strings.CutPrefix(line, "* "); ok {
			l.untagged(untagged)
			continue
		}
		tagged, ok := strings.CutPrefix(line, tag+" ")
		if !ok {
			return "", false, wire.Unexpected(line)
		}
		return "", false, l.completed(line, tagged)
	}
	return "", false, errTooMany
}

// completed judges the reply that ends a command.
func (l *Login) completed(line, tagged string) error {
	status := parseStatus(tagged)
	switch status.Type {
	case imap.StatusResponseTypeOK:
		if status.caps != nil {
			l.caps = status.caps
		}
		return nil
	case imap.StatusResponseTypeNo, imap.StatusResponseTypeBad:
		return &status.Error
	}
	return wire.Unexpected(line)
}

// untagged takes note of what matters to a login.
func (l *Login) untagged(text string) {
	name, rest, _ := strings.Cut(text, " ")
	switch {
	case strings.EqualFold(name, "CAPABILITY"):
		l.caps = parseCapabilities(rest)
	case strings.EqualFold(name, "OK"):
		if status := parseStatus(text); status.caps != nil {
			l.caps = status.caps
		}
	case strings.EqualFold(name, "BYE"):
		status := parseStatus(text)
		l.goodbye = &status.Error
	}
}

// Client hands the connection to go-imap, which takes it for one that was
// greeted with PREAUTH. The greeting carries the capabilities if the server
// named them after the login; otherwise go-imap asks for them by itself.
func (l *Login) Client(options *imapclient.Options) (*imapclient.Client, error) {
	greeting := "* PREAUTH "
	if len(l.caps) > 0 {
		greeting += "[CAPABILITY " + strings.Join(l.caps, " ") + "] "
	}
	buffered, err := l.conn.R.Peek(l.conn.R.Buffered())
	if err != nil {
		return nil, err
	}
	greeted := make(chan struct{})
	conn := &handedOver{
		Conn:     l.conn.Conn,
		greeting: strings.NewReader(greeting + "logged in\r\n"),
		greeted:  greeted,
		rest:     io.MultiReader(bytes.NewReader(bytes.Clone(buffered)), l.conn.Conn),
	}
	client := imapclient.New(conn, options)
	err = client.WaitGreeting()
	close(greeted)
	if err != nil {
		client.Close()
		return nil, err
	}
	return client, nil
}

// handedOver is a connection of which a part was read already, behind a
// greeting that is ours.
//
// Nothing follows the greeting before it was taken note of: WaitGreeting of
// go-imap v2.0.0-beta.8 may fail, by chance, where the connection ends soon
// after a greeting that was fine.
//
// The connection ends with the server's BYE, if that came last, in place of
// io.EOF, since go-imap v2.0.0-beta.8 keeps the server's reason for ending a
// session to itself.
type handedOver struct {
	net.Conn
	greeting *strings.Reader
	greeted  <-chan struct{} // nil when it is behind
	rest     io.Reader       // what was read already, and Conn
	goodbye  *imap.Error     // nil: the last line was another one
}

func (c *handedOver) Read(p []byte) (int, error) {
	if c.greeted != nil {
		if c.greeting.Len() > 0 {
			return c.greeting.Read(p)
		}
		<-c.greeted
		c.greeting, c.greeted = nil, nil
	}
	n, err := c.rest.Read(p)
	if n > 0 {
		c.goodbye = goodbye(p[:n])
	}
	if n == 0 && err == io.EOF && c.goodbye != nil {
		err = c.goodbye
	}
	return n, err
}

// goodbye returns the BYE that is the last line of what was read at once, or
// nil.
func goodbye(read []byte) *imap.Error {
	line, ok := bytes.CutSuffix(read, []byte("\r\n"))
	line = line[bytes.LastIndexByte(line, '\n')+1:]
	if !ok || !bytes.HasPrefix(line, []byte("* BYE ")) {
		return nil
	}
	status := parseStatus(string(line[len("* "):]))
	status.Text = wire.Cut(status.Text)
	return &status.Error
}
