package xoauth2

import (
	"context"
	"errors"
	"fmt"
	"net"
	netsmtp "net/smtp"
	"strings"
	"sync/atomic"

	"github.com/emersion/go-smtp"
	"golang.org/x/oauth2"

	"github.com/xoauth2/go-xoauth2/internal/diagnosis"
	"github.com/xoauth2/go-xoauth2/internal/smtplogin"
	"github.com/xoauth2/go-xoauth2/internal/wire"
)

// maxAuthLine is the longest AUTH command line, with its CRLF, that every
// server takes (RFC 4954, section 4, and RFC 5321, section 4.5.3.1.4).
const maxAuthLine = 512

// DialSMTP connects to the provider's submission server, with STARTTLS or TLS
// as the provider has it, and logs username in with a token from ts, which is
// fetched while the connection is made. The caller closes the client. ctx and
// opts.Timeout bound the call, not the client; when one of them ends, nothing
// stays open. Nil opts mean Exchange Online.
//
// A refused login is an *[AuthError]. A server without a suitable mechanism is
// [ErrNotAdvertised]. A token that the server refuses, that came from the
// cache of a source of this package, and that is older than a minute, is
// replaced by a new one, once.
//
// To send as a shared mailbox, log in as the user who signed in, and name the
// shared address in MAIL FROM.
func DialSMTP(ctx context.Context, username string, ts oauth2.TokenSource, opts *DialOptions) (*smtp.Client, error) {
	s, err := newSession(SMTP, username, ts, opts)
	if err != nil {
		return nil, err
	}
	return dial(ctx, s, loginSMTP)
}

func loginSMTP(ctx context.Context, s *session, conn net.Conn) (*smtp.Client, error) {
	client, err := s.newSMTP(conn)
	if err != nil {
		return nil, err
	}
	monitor := smtplogin.NewMonitor(s.trace, s.service.StartTLS)
	monitor.Begin = func() {
		if !s.service.StartTLS {
			s.greeting = diagnosis.ServerName(monitor.Reply())
		}
		// After STARTTLS, go-smtp does the handshake when it says EHLO.
		if state, ok := client.TLSConnectionState(); ok && s.step == stepHandshake {
			s.trace.Handshake(state)
		}
		s.step = stepHello
	}
	client.DebugWriter = monitor
	defer func() { client.DebugWriter = nil }()
	if err := monitor.Check(client.Hello(s.opts.LocalName)); err != nil {
		return nil, err // the connection, all that client holds, is closed by attempt
	}
	offered, ok := monitor.Mechanisms()
	if !ok {
		return nil, errNoAuth
	}
	return client, s.authSMTP(ctx, client, monitor, offered, s.isKnown() && s.opts.Provider.LongAuthLine)
}

// newSMTP returns a go-smtp client that is ready to say EHLO over TLS.
func (s *session) newSMTP(conn net.Conn) (*smtp.Client, error) {
	s.step = stepGreeting
	if !s.service.StartTLS {
		return smtp.NewClient(conn), nil
	}
	wc := wire.NewConn(conn, s.trace)
	greeting, err := smtplogin.Greeting(wc)
	if err != nil {
		return nil, err
	}
	s.greeting = diagnosis.ServerName(greeting)
	s.step = stepStartTLS
	if err := smtplogin.StartTLS(wc, s.opts.LocalName); err != nil {
		return nil, err
	}
	if wc.R.Buffered() > 0 {
		return nil, wire.ErrPlaintextAfterStartTLS
	}
	s.step = stepHandshake
	return smtp.NewClientStartTLS(smtplogin.Resume(conn), s.tls)
}

// errNoAuth is for a server that offers no authentication at all.
var errNoAuth = fmt.Errorf("%w: it offers no AUTH", ErrNotAdvertised)

// authSMTP says AUTH on a client that said EHLO.
func (s *session) authSMTP(ctx context.Context, c *smtp.Client, monitor *smtplogin.Monitor, offered []string, longLine bool) error {
	return s.authenticate(ctx, offered, func(sc *SASLClient) error {
		mech, ir, err := sc.Start()
		if err != nil {
			return err
		}
		inline := longLine || authLine(mech, ir) <= maxAuthLine
		if !inline {
			ir = nil
		}
		err = monitor.Auth(c, startedClient{sc, ir})
		if err == nil && !inline && !sc.sent {
			return errors.New("the server reports success before it has seen the token")
		}
		return err
	})
}

// authLine returns the length of an AUTH command line with its CRLF.
func authLine(mech string, ir []byte) int {
	return len("AUTH ") + len(mech) + len(" ") + (len(ir)+2)/3*4 + len("\r\n")
}

// AuthenticateSMTP logs username in on a client that the caller made, with a
// token from ts. The client's connection must be a *tls.Conn, or have been
// upgraded by STARTTLS; over any other the token is not sent.
//
// ctx bounds the call; go-smtp can be interrupted only by closing the client,
// which is what happens when ctx ends. After an *[AuthError] and after
// [ErrNotAdvertised] the client stays open, and is usable unless the server
// says otherwise. After every other error, but those of the arguments, it is
// closed. While AUTH runs, the client's DebugWriter is not served: it would see
// the token.
func AuthenticateSMTP(ctx context.Context, c *smtp.Client, username string, ts oauth2.TokenSource) error {
	if c == nil {
		return errors.New("xoauth2: SMTP: no client")
	}
	s, err := newClientSession(SMTP, username, ts)
	if err != nil {
		return err
	}
	return s.onClient(ctx, c, func(ctx context.Context) error {
		s.step = stepHello
		if _, ok := c.TLSConnectionState(); !ok {
			return errors.New("the connection is not protected by TLS; use DialSMTP, smtp.DialStartTLS or smtp.DialTLS")
		}
		debug := c.DebugWriter
		defer func() { c.DebugWriter = debug }()
		c.DebugWriter = smtplogin.Limited(debug)
		ok, offered := c.Extension("AUTH")
		if !ok {
			// go-smtp v0.25.1 keeps the failure of greeting, TLS or EHLO to
			// itself here; the next command tells it.
			if err := c.Noop(); err != nil {
				return err
			}
			return errNoAuth
		}
		monitor := smtplogin.NewMonitor(nil, true)
		c.DebugWriter = monitor
		return s.authSMTP(ctx, c, monitor, strings.Fields(offered), false)
	})
}

// NewSMTPAuth returns an Auth for net/smtp, and for every library that takes
// its Auth, that logs username in with a token from ts, taken anew for every
// login, which is waited for a minute at most. It may be used for many logins,
// also at once to one server. A nil ts fails every login.
//
// It refuses a connection that is not protected by TLS, without
// exceptions, and a server that offers neither XOAUTH2 nor OAUTHBEARER
// ([ErrNotAdvertised]). A token that would make the AUTH line longer than RFC
// 4954 allows is sent on a line of its own. A refused login is always
// an error, but the error document is not in it: net/smtp has no place for it.
func NewSMTPAuth(username string, ts oauth2.TokenSource) netsmtp.Auth {
	return &smtpAuth{username: username, ts: ts}
}

// smtpAuth keeps nothing of a login that another login at once, to the same
// server, could not use as well.
type smtpAuth struct {
	username   string
	ts         oauth2.TokenSource
	latest     atomic.Pointer[SASLClient] // of the last Start; its response and dismiss
	challenges atomic.Int32               // since the last Start
}

// maxChallenges ends the login at a server that never ends asking. It is
// generous, since logins at once count together.
const maxChallenges = 1000

func (a *smtpAuth) Start(server *netsmtp.ServerInfo) (mech string, ir []byte, err error) {
	if !server.TLS {
		return "", nil, errors.New("xoauth2: SMTP: the connection is not protected by TLS: use STARTTLS or port 465")
	}
	ctx, cancel := context.WithTimeout(context.Background(), defaultTimeout)
	defer cancel()
	token, err := Token(ctx, a.ts)
	if err != nil {
		return "", nil, err
	}
	offered := server.Auth
	if offered == nil {
		offered = []string{Mechanism} // some callers do not fill it in
	}
	client, err := chooseMechanism(offered, a.username, token.AccessToken, server.Name, 0)
	if err != nil {
		return "", nil, err
	}
	a.latest.Store(client)
	a.challenges.Store(0)
	mech, ir, err = client.Start()
	if authLine(mech, ir) > maxAuthLine {
		return mech, nil, err
	}
	return mech, ir, err
}

// Next never returns nil while the server asks: net/smtp would take that for
// the end of a successful login.
func (a *smtpAuth) Next(challenge []byte, more bool) ([]byte, error) {
	client := a.latest.Load()
	switch {
	case !more:
		return nil, nil
	case client == nil || a.challenges.Add(1) > maxChallenges:
		return nil, errors.New("xoauth2: SMTP: the server never ends asking, or was never asked")
	case len(challenge) == 0:
		return client.response()
	}
	return client.dismiss, nil
}
