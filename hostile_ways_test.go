package xoauth2_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-smtp"
	"golang.org/x/oauth2"

	"github.com/xoauth2/go-xoauth2"
)

// way is a way to a mailbox: a protocol, and how its TLS begins.
type way struct {
	proto    xoauth2.Protocol
	startTLS bool
}

func allWays() []way {
	return []way{
		{xoauth2.IMAP, false}, {xoauth2.IMAP, true},
		{xoauth2.POP3, false}, {xoauth2.POP3, true},
		{xoauth2.SMTP, false}, {xoauth2.SMTP, true},
	}
}

// eachWay runs f for every way, in parallel.
func eachWay(t *testing.T, f func(t *testing.T, w way)) {
	t.Helper()
	for _, w := range allWays() {
		t.Run(w.String(), func(t *testing.T) {
			t.Parallel()
			f(t, w)
		})
	}
}

func (w way) String() string {
	if w.startTLS {
		return w.proto.String() + " STARTTLS"
	}
	return w.proto.String()
}

// hostOf is what the servers of tests are called, and certified as.
const hostOf = "mail.contoso.test"

func (w way) addr() string { return hostOf + ":1" + fmt.Sprint(int(w.proto)) }

// options returns those that lead to h.
func (w way) options(h *mailHost) *xoauth2.DialOptions {
	service := xoauth2.Service{Addr: w.addr(), StartTLS: w.startTLS}
	return &xoauth2.DialOptions{
		Provider:    xoauth2.Provider{Name: "test", IMAP: service, POP3: service, SMTP: service},
		TLSConfig:   authority().client(),
		DialContext: h.DialContext,
	}
}

func (w way) dial(ctx context.Context, username string, ts oauth2.TokenSource, opts *xoauth2.DialOptions) (io.Closer, error) {
	switch w.proto {
	case xoauth2.IMAP:
		c, err := xoauth2.DialIMAP(ctx, username, ts, opts)
		return closer(c, c == nil), err
	case xoauth2.POP3:
		c, err := xoauth2.DialPOP3(ctx, username, ts, opts)
		return closer(c, c == nil), err
	}
	c, err := xoauth2.DialSMTP(ctx, username, ts, opts)
	return closer(c, c == nil), err
}

func closer(c io.Closer, isNil bool) io.Closer {
	if isNil {
		return nil
	}
	return c
}

// canarySource gives the canary token.
func canarySource() oauth2.TokenSource {
	return oauth2.StaticTokenSource(&oauth2.Token{AccessToken: canaryToken})
}

// The points of a polite session, named by what the server is about to say.
// They are what errors call the step, but for atHello and atPayload.
const (
	atHandshake    = "TLS handshake"
	atGreeting     = "greeting"
	atHello        = "EHLO before STARTTLS"
	atStartTLS     = "STARTTLS"
	atCapabilities = "capabilities"
	atAuth         = "AUTH"
	atPayload      = "AUTH after its payload"
	atMailbox      = "mailbox"
)

// points returns where a server of w speaks.
func (w way) points() []string {
	points := []string{atHandshake, atGreeting}
	if w.startTLS {
		points = []string{atGreeting, atStartTLS, atHandshake}
		if w.proto == xoauth2.SMTP {
			points = []string{atGreeting, atHello, atStartTLS, atHandshake}
		}
	}
	points = append(points, atCapabilities, atAuth)
	switch w.proto {
	case xoauth2.IMAP:
		return append(points, atMailbox)
	case xoauth2.POP3:
		return append(points, atPayload, atMailbox)
	}
	return points
}

// step returns what errors call a point.
func (w way) step(point string) string {
	switch {
	case point == atHello:
		return atStartTLS
	case point == atPayload:
		return atAuth
	case point == atCapabilities && w.proto == xoauth2.SMTP:
		return "EHLO"
	}
	return point
}

// plain reports whether what the server says at point is not yet protected.
func (w way) plain(point string) bool {
	return w.startTLS && (point == atGreeting || point == atHello || point == atStartTLS)
}

// interrupted returns a script that is polite up to a point, where the server
// does something else instead of speaking. It then goes on to the end if that
// returns.
func (w way) interrupted(point string, rude func(p *peer)) func(*peer) {
	return func(p *peer) {
		p.refuseFirst = point == atCapabilities
		w.play(p, func(at string, lines ...string) {
			switch {
			case at == point:
				rude(p)
			case at == atHandshake:
				p.handshake()
			default:
				p.say(lines...)
			}
		})
	}
}

// polite returns a script that lets everybody in.
func (w way) polite() func(*peer) { return w.interrupted("", nil) }

// play has the server listen, and calls say where it speaks.
func (w way) play(p *peer, say func(at string, lines ...string)) {
	if !w.startTLS {
		say(atHandshake)
	}
	switch w.proto {
	case xoauth2.IMAP:
		w.playIMAP(p, say)
	case xoauth2.POP3:
		w.playPOP3(p, say)
	default:
		w.playSMTP(p, say)
	}
}

func (w way) playIMAP(p *peer, say func(at string, lines ...string)) {
	say(atGreeting, "* OK ready")
	if w.startTLS {
		p.expect("STARTTLS")
		say(atStartTLS, p.tag+" OK begin")
		say(atHandshake)
	}
	p.expect("CAPABILITY")
	say(atCapabilities, "* CAPABILITY IMAP4rev1 SASL-IR AUTH=XOAUTH2", p.tag+" OK done")
	p.expect("AUTHENTICATE XOAUTH2 ")
	say(atAuth, p.tag+" OK [CAPABILITY IMAP4rev1] welcome")
	p.expect("EXAMINE INBOX")
	say(atMailbox, "* 0 EXISTS", p.tag+" OK [READ-ONLY] done")
	p.expect("CLOSE")
	p.reply("OK done")
}

func (w way) playPOP3(p *peer, say func(at string, lines ...string)) {
	say(atGreeting, "+OK ready")
	if w.startTLS {
		p.expect("STLS")
		say(atStartTLS, "+OK begin")
		say(atHandshake)
	}
	p.expect("AUTH XOAUTH2")
	if p.refuseFirst {
		p.say("-ERR unknown command")
		p.expect("CAPA")
		say(atCapabilities, "+OK", "SASL PLAIN OAUTHBEARER", "UIDL", ".")
		p.expect("AUTH OAUTHBEARER")
	}
	say(atAuth, "+ ")
	p.hear()
	say(atPayload, "+OK welcome")
	p.expect("STAT")
	say(atMailbox, "+OK 0 0")
}

func (w way) playSMTP(p *peer, say func(at string, lines ...string)) {
	say(atGreeting, "220 mail.contoso.test ready")
	if w.startTLS {
		p.expect("EHLO ")
		say(atHello, "250-mail.contoso.test", "250 STARTTLS")
		p.expect("STARTTLS")
		say(atStartTLS, "220 begin")
		say(atHandshake)
	}
	p.expect("EHLO ")
	say(atCapabilities, "250-mail.contoso.test", "250 AUTH PLAIN XOAUTH2")
	p.expect("AUTH XOAUTH2")
	say(atAuth, "235 2.7.0 welcome")
}

// assertFailed fails unless err names protocol, address and step first, and
// hides the token.
func (w way) assertFailed(t *testing.T, err error, step string) {
	t.Helper()
	if err == nil {
		t.Fatalf("got no error, want one at the step %s", step)
	}
	assertSecret(t, err)
	want := fmt.Sprintf("xoauth2: %v %s: ", w.proto, w.addr())
	if refused, ok := errors.AsType[*xoauth2.AuthError](err); ok {
		assertSecret(t, *refused)
	} else {
		want += step + ": "
	}
	if !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got error %q, want %q first", err, want)
	}
	if len(err.Error()) > 2000 || strings.ContainsFunc(err.Error(), func(r rune) bool { return r < ' ' || r == 0x7f }) {
		t.Errorf("got an error of %d bytes, %q, want one printable line", len(err.Error()), err)
	}
}

// isReplyOf reports whether err wraps a reply of the protocol's own type.
func (w way) isReply(err error) bool {
	switch w.proto {
	case xoauth2.IMAP:
		_, ok := errors.AsType[*imap.Error](err)
		return ok
	case xoauth2.POP3:
		_, ok := errors.AsType[*xoauth2.POP3Error](err)
		return ok
	}
	_, ok := errors.AsType[*smtp.SMTPError](err)
	return ok
}
