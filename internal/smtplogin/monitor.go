package smtplogin

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"github.com/xoauth2/go-xoauth2/internal/wire"
)

// maxLoginBytes limits what both sides may send until a login is over. The
// client's part is little, and what counts as its may be the server's where
// net/textproto reads on after what is the end of a reply.
const maxLoginBytes = 1 << 20

// errTooMuch is what go-smtp reads when the server exceeds maxLoginBytes.
var errTooMuch = fmt.Errorf("the server sends more than %d bytes before the login is over", maxLoginBytes)

var errEarly = errors.New("the server sent what no command asked for")

// Monitor sees everything that a go-smtp client reads and writes, as its
// DebugWriter. It traces, it limits what the server may send, and it ends an
// AUTH exchange cleanly:
//
// go-smtp v0.25.1 answers a final refusal, and a challenge that it cannot
// decode, with a stray "*", and then waits for the reply to that, for up to five
// minutes. To keep it from doing so, the Monitor makes go-smtp read 235
// instead of a refusal's code, and remembers the reply; Auth, which alone
// decides, returns it. The reply can be changed since io.TeeReader gives a
// DebugWriter the buffer that go-smtp is going to parse. When the server says
// what makes no sense in the exchange, the connection is closed, so that go-smtp
// cannot say anything: it takes the begin of a line, followed by an error, for
// a line.
type Monitor struct {
	Begin func() // called when the client speaks for the first time; may be nil

	trace *wire.Trace

	client  bool   // the next byte is the client's
	line    []byte // what came of the current line
	reply   reply  // what came of the current reply
	over    bool   // the current reply is complete
	auth    bool   // an AUTH exchange is under way
	hangUp  func() error
	failure error // nil: there was none; otherwise nothing is read or written any more
	total   int   // bytes
}

// NewMonitor returns a Monitor for a client that awaits the greeting, or, if
// greeted, has nothing to await.
func NewMonitor(trace *wire.Trace, greeted bool) *Monitor {
	return &Monitor{trace: trace, client: greeted}
}

// Limited returns a DebugWriter that passes on to w, which may be nil, what a
// client reads and writes before AUTH. It ends a reply that never ends.
func Limited(w io.Writer) io.Writer { return &limited{w: w, left: maxLoginBytes} }

type limited struct {
	w    io.Writer
	left int
}

func (l *limited) Write(p []byte) (int, error) {
	l.left -= len(p)
	switch {
	case l.left < 0:
		return 0, errTooMuch
	case l.w == nil:
		return len(p), nil
	}
	return l.w.Write(p)
}

// Write takes what go-smtp read or wrote. It goes on failing once it failed:
// bufio.Reader.ReadLine forgets an error if there is a part of a line.
func (m *Monitor) Write(p []byte) (int, error) {
	if m.failure != nil {
		return 0, m.failure
	}
	m.total += len(p)
	if m.total > maxLoginBytes {
		return 0, m.stop(errTooMuch)
	}
	if m.client {
		m.begin()
		m.line = append(m.line, p...)
		if line, ok := bytes.CutSuffix(m.line, []byte("\r\n")); ok {
			m.trace.Client(line)
			m.line = m.line[:0]
			m.client, m.over = false, false
			m.reply = reply{}
		}
		return len(p), nil
	}
	start := -len(m.line) // where the current line begins in p
	for i := range p {
		switch {
		case !m.over:
		case m.auth && m.reply.code >= 400:
			return len(p), nil // the refusal stands
		default:
			return 0, m.stop(errEarly) // it would be taken for the reply to the next command
		}
		m.line = append(m.line, p[i])
		if m.auth {
			m.mask(p, start)
		}
		if len(m.line) == 4 && p[i] == '\r' {
			//lint:ignore SA1023 that go-smtp reads what Write leaves is the point, see Monitor
			p[i] = ' ' // net/textproto insists on the space (RFC 5321, section 4.2)
		}
		if p[i] == '\n' && m.auth && !m.fits() {
			line := wire.TrimBreak(m.line)
			m.trace.Server(line)
			m.line = nil
			return 0, m.stop(wire.Unexpected(string(line)))
		}
		if p[i] != '\n' {
			continue
		}
		if err := m.endLine(); err != nil {
			return 0, m.stop(err)
		}
		start = i + 1
	}
	return len(p), nil
}

// stop ends the login, and returns why.
func (m *Monitor) stop(why error) error {
	m.failure = why
	if m.auth {
		m.hangUp()
	}
	return why
}

func (m *Monitor) begin() {
	if m.Begin != nil {
		m.Begin()
		m.Begin = nil
	}
}

// endLine takes the current line, which is complete. It fails at one that is
// no reply line, unless it ends an AUTH exchange: net/textproto passes over
// such lines, with no end, where it expects more of a reply.
func (m *Monitor) endLine() error {
	line := bytes.TrimRight(m.line, "\r\n")
	m.trace.Server(line)
	last, ok := m.reply.add(string(line))
	ok = ok && len(m.line) > len("250\n") // where no CR became a space, see Write
	m.line = m.line[:0]
	if !ok && (!m.auth || len(line) < 4 || line[3] != ' ') {
		return wire.Unexpected(string(line))
	}
	m.over = last
	m.client = last || !ok
	return nil
}

// mask turns the code of a reply that ends the exchange into that of success,
// and white space around a challenge into what base64 passes over. The line
// begins at start in p, or before p if that is negative.
func (m *Monitor) mask(p []byte, start int) {
	n := len(m.line)
	last := start + n - 1 // where the newest byte is in p
	switch {
	case n <= 3 && m.line[0] != '3' && '0' <= p[last] && p[last] <= '9':
		p[last] = "235"[n-1]
	case n > 4 && m.line[0] == '3' && p[last] == ' ':
		p[last] = '\r'
	}
}

// fits reports whether the line that is complete is one that go-smtp gets
// right in an AUTH exchange: a challenge that it can decode, or a line of one
// reply.
func (m *Monitor) fits() bool {
	line := wire.TrimBreak(m.line)
	if m.line[0] == '3' {
		text, ok := bytes.CutPrefix(line, []byte("334 "))
		return len(m.reply.lines) == 0 && (string(line) == "334" || ok && isBase64(bytes.ReplaceAll(text, []byte(" "), nil)))
	}
	code, err := strconv.Atoi(string(line[:min(3, len(line))]))
	return err == nil && (len(m.reply.lines) == 0 || code == m.reply.code || m.reply.code >= 400)
}

func isBase64(text []byte) bool {
	_, err := base64.StdEncoding.DecodeString(string(text))
	return err == nil
}

// Check returns err, the outcome of a command of the client, unless the
// connection ended in the middle of a line: net/textproto takes what there is
// for the whole, be it half a list of mechanisms.
func (m *Monitor) Check(err error) error {
	if m.failure != nil {
		return m.failure
	}
	if !m.client && len(m.line) > 0 && !errors.Is(err, smtp.ErrTooLongLine) {
		return fmt.Errorf("the connection ended in the middle of a line: %w", io.ErrUnexpectedEOF)
	}
	return err
}

// Auth runs the AUTH command. A refusal is an *smtp.SMTPError and leaves the
// connection usable; after any other error it must be closed.
func (m *Monitor) Auth(c *smtp.Client, mechanism sasl.Client) error {
	m.reply = reply{}
	m.auth, m.hangUp = true, c.Close
	quiet := &quietClient{Client: mechanism}
	err := m.Check(c.Auth(quiet))
	m.auth = false
	switch {
	case err != nil:
		return err
	case quiet.failure != nil:
		return quiet.failure
	case m.reply.code >= 400:
		return m.reply.error()
	case m.reply.code != 235:
		return wire.Unexpected(strconv.Itoa(m.reply.code) + " " + strings.Join(m.reply.lines, " "))
	}
	return nil
}

// quietClient ends the exchange where its mechanism fails, without a "*":
// go-smtp v0.25.1 takes a nil response for the end.
type quietClient struct {
	sasl.Client
	failure error
}

func (c *quietClient) Next(challenge []byte) ([]byte, error) {
	response, err := c.Client.Next(challenge)
	if err != nil {
		c.failure = err
		return nil, nil
	}
	return response, nil
}

// Reply returns the text of the last reply.
func (m *Monitor) Reply() string {
	return strings.TrimLeft(strings.Join(m.reply.lines, "\n"), " ")
}

// Mechanisms returns what the last reply, to EHLO, offers for AUTH, on one line
// or on several. go-smtp v0.25.1 finds extensions in capitals only; case does not
// matter (RFC 5321, section 2.4). "AUTH=" is how drafts of RFC 2554 spelled it.
func (m *Monitor) Mechanisms() (mechanisms []string, ok bool) {
	for i, line := range m.reply.lines {
		if i == 0 {
			continue // it greets
		}
		words := strings.FieldsFunc(line, func(r rune) bool { return r == ' ' || r == '\t' || r == '=' })
		if len(words) > 0 && strings.EqualFold(words[0], "AUTH") {
			mechanisms = append(mechanisms, words[1:]...)
			ok = true
		}
	}
	return mechanisms, ok
}
