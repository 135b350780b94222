package transcript

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"
)

// Options say how a script is played.
type Options struct {
	TLS  *tls.Config // of the server
	Host string      // what the client calls the server, for OAUTHBEARER and {host}
	Port int         // the same

	Fault    Fault           // what goes wrong; zero: nothing
	OnFault  func()          // called when it happens
	OnServed func(bytes int) // called after every server line and handshake, with the bytes so far

	// Patience is how long the client may take for a line, for the handshake,
	// and to close the connection after a failure; zero: ten seconds.
	Patience time.Duration

	// Settle is how long the player listens, before the server speaks, for
	// bytes that the client sends too early; zero: it looks at what has
	// arrived. Inside a testing/synctest bubble any time is enough.
	Settle time.Duration
}

// Fault is a point in a session from which on the server says nothing more. It
// is counted in bytes that the server has sent; a TLS handshake counts as one.
type Fault struct {
	kind  faultKind
	after int
}

type faultKind uint8

const (
	noFault faultKind = iota
	cut
	stall
)

// CutAfter drops the connection as soon as the server has sent n bytes, without
// a goodbye of TLS.
func CutAfter(n int) Fault { return Fault{cut, n} }

// StallAfter keeps the connection open and sends nothing after the first n
// bytes. The client must close it.
func StallAfter(n int) Fault { return Fault{stall, n} }

// Serve plays the script to a client and closes conn. It returns an error for
// the first thing that the client does otherwise than the script says. What
// the error holds of the client's words is not redacted: the credentials of a
// script are fake.
func (s *Script) Serve(conn net.Conn, o Options) error {
	if o.Patience == 0 {
		o.Patience = 10 * time.Second
	}
	p := &player{script: s, o: o, raw: conn, conn: conn, in: bufio.NewReader(conn)}
	defer func() { p.raw.Close() }()
	if err := p.play(); err != nil {
		return fmt.Errorf("%s:%d: %w", s.Name, p.at, err)
	}
	return nil
}

type player struct {
	script *Script
	o      Options
	raw    net.Conn
	conn   net.Conn // raw, or TLS over it
	in     *bufio.Reader
	at     int // the line of the file
	tag    string
	sent   int
	secure bool
	silent bool // the fault has happened
}

func (p *player) play() error {
	if p.faulty(0) {
		return p.fail()
	}
	steps := p.script.steps
	for len(steps) > 0 && steps[0].kind != optionalLine {
		n := span(steps)
		if err := p.turn(steps[:n], len(steps) == n); err != nil || p.silent {
			return err
		}
		steps = steps[n:]
	}
	return p.end(steps)
}

// span returns how many of the steps belong together: the server lines up to
// the next step of another kind, or one of any other.
func span(steps []step) int {
	n := 1
	for n < len(steps) && steps[0].kind == serverLine && steps[n].kind == serverLine {
		n++
	}
	return n
}

func (p *player) turn(steps []step, last bool) error {
	p.at = steps[0].line
	switch steps[0].kind {
	case serverLine:
		return p.say(steps, last)
	case clientLine:
		return p.hear(steps[0])
	case handshake:
		return p.handshake()
	}
	p.conn.Close() // hangUp; the client may have gone before
	return nil
}

// faulty reports whether the fault keeps the server from sending more bytes.
// A connection is cut when the last byte before it has been sent, a stall
// begins when the next one is due.
func (p *player) faulty(more int) bool {
	switch p.o.Fault.kind {
	case cut:
		return p.sent+more >= p.o.Fault.after
	case stall:
		return p.sent+more > p.o.Fault.after
	}
	return false
}

// fail is what the server does from the fault on.
func (p *player) fail() error {
	p.silent = true
	if p.o.OnFault != nil {
		p.o.OnFault()
	}
	if p.o.Fault.kind == cut {
		return p.raw.Close()
	}
	return p.gone(p.clientHello())
}

func (p *player) say(lines []step, last bool) error {
	if err := p.early(); err != nil {
		return err
	}
	var out []byte
	for _, line := range lines {
		out = append(out, p.script.expand(line, p.o, p.tag)...)
		out = append(out, '\r', '\n')
		p.served(len(out))
	}
	faulty := p.faulty(len(out))
	if faulty {
		out = out[:p.o.Fault.after-p.sent]
	}
	p.sent += len(out)
	_, err := p.conn.Write(out)
	// A client that knows enough may go before it has heard everything.
	if err != nil && !faulty && !(last && p.script.Expect != OK) {
		return fmt.Errorf("the client hung up: %w", err)
	}
	if faulty {
		return p.fail()
	}
	return nil
}

func (p *player) served(more int) {
	if p.o.OnServed != nil {
		p.o.OnServed(p.sent + more)
	}
}

// early returns an error if the client has spoken out of turn.
func (p *player) early() error {
	if p.opaque() {
		return nil
	}
	if p.o.Settle > 0 && p.in.Buffered() == 0 {
		p.conn.SetReadDeadline(time.Now().Add(p.o.Settle))
		p.in.Peek(1) // an end of the connection is reported where it matters
	}
	if n := p.in.Buffered(); n > 0 {
		b, _ := p.in.Peek(n)
		return fmt.Errorf("got %q from the client, want nothing before the server speaks", b)
	}
	return nil
}

// opaque reports whether what the client sends now is part of a handshake
// that the script does not answer.
func (p *player) opaque() bool { return !p.script.Settings.StartTLS && !p.secure }

func (p *player) hear(want step) error {
	got, err := p.readLine()
	if err != nil {
		return fmt.Errorf("got %q and then %w, want %q", got, err, p.script.expand(want, p.o, p.tag))
	}
	return p.match(got, want)
}

// readLine returns a line with its end.
func (p *player) readLine() (string, error) {
	p.conn.SetReadDeadline(time.Now().Add(p.o.Patience))
	return p.in.ReadString('\n')
}

func (p *player) match(got string, want step) error {
	if rest, ok := strings.CutPrefix(want.text, "{tag} "); ok {
		tag, _, _ := strings.Cut(got, " ")
		if !isTag(tag) {
			return fmt.Errorf("got %q, want a tag and %q", got, rest)
		}
		p.tag = tag
	}
	if text := p.script.expand(want, p.o, p.tag) + "\r\n"; got != text {
		return fmt.Errorf("got %q, want %q", got, text)
	}
	return nil
}

// isTag implements RFC 9051's production of the name.
func isTag(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`(){%*"\]+`, r)
	})
}

func (p *player) handshake() error {
	if p.o.Fault.kind == stall && p.faulty(1) {
		return p.fail()
	}
	conn := tls.Server(bufferedConn{p.raw, p.in}, p.o.TLS)
	p.raw.SetDeadline(time.Now().Add(p.o.Patience))
	if err := conn.Handshake(); err != nil {
		return fmt.Errorf("TLS handshake: %w", err)
	}
	p.raw.SetDeadline(time.Time{})
	p.conn, p.in, p.secure = conn, bufio.NewReader(conn), true
	p.served(1)
	p.sent++
	if p.faulty(0) {
		return p.fail()
	}
	return nil
}

// bufferedConn is a connection that was read through a buffer before.
type bufferedConn struct {
	net.Conn
	in *bufio.Reader
}

func (c bufferedConn) Read(b []byte) (int, error) { return c.in.Read(b) }

// end is what follows the last line.
func (p *player) end(optional []step) error {
	switch expect := p.script.Expect; {
	case expect == OK:
		return p.handedOver(optional)
	case expect == Canceled:
		return p.gone(p.clientHello())
	case expect == Closed, p.unanswered(), expect == TLS && p.clientHello():
		p.conn.Close() // the client may have gone before
		return nil
	}
	return p.gone(p.opaque())
}

// unanswered reports whether the session ends with a client line.
func (p *player) unanswered() bool {
	steps := p.script.steps
	return len(steps) > 0 && steps[len(steps)-1].kind == clientLine
}

// clientHello waits for the client, and reports whether it begins a handshake
// that the server does not answer.
func (p *player) clientHello() bool {
	const record = 0x16 // RFC 8446, section 5.1
	p.conn.SetReadDeadline(time.Now().Add(p.o.Patience))
	b, err := p.in.Peek(1)
	return err == nil && b[0] == record && !p.secure
}

// handedOver lets the client say the optional lines, and waits for it to close
// the connection.
func (p *player) handedOver(optional []step) error {
	for {
		got, err := p.readLine()
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return fmt.Errorf("the connection was not closed in %v", p.o.Patience)
		}
		if err != nil && got == "" {
			return nil
		}
		if len(optional) == 0 {
			return fmt.Errorf("got %q after the login, want nothing", got)
		}
		p.at = optional[0].line
		if err := p.match(got, optional[0]); err != nil {
			return err
		}
		optional = optional[1:]
	}
}

// gone waits for the client to close the connection. Bytes before that are its
// fault, unless they are of a handshake.
func (p *player) gone(inHandshake bool) error {
	p.conn.SetReadDeadline(time.Now().Add(p.o.Patience))
	got, err := io.ReadAll(p.in)
	switch {
	case !inHandshake && len(got) > 0:
		return fmt.Errorf("got %q, want the client to close the connection", got)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("the client left the connection open for %v", p.o.Patience)
	}
	return nil
}
