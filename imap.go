package xoauth2

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"sync"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"golang.org/x/oauth2"

	"github.com/xoauth2/go-xoauth2/internal/diagnosis"
	"github.com/xoauth2/go-xoauth2/internal/imaplogin"
	"github.com/xoauth2/go-xoauth2/internal/wire"
)

// DialIMAP connects to the provider's IMAP server over TLS and logs username
// in with a token from ts, which is fetched while the connection is made. The
// caller closes the client. ctx and opts.Timeout bound the call, not the
// client; when one of them ends, nothing stays open. Nil opts mean Exchange
// Online.
//
// A refused login is an *[AuthError]. A server without a suitable mechanism
// is [ErrNotAdvertised]. A token that the server refuses, that came
// from the cache of a source of this package, and that is older than a minute,
// is replaced by a new one, once.
func DialIMAP(ctx context.Context, username string, ts oauth2.TokenSource, opts *DialOptions) (*imapclient.Client, error) {
	s, err := newSession(IMAP, username, ts, opts)
	if err != nil {
		return nil, err
	}
	return dial(ctx, s, loginIMAP)
}

func loginIMAP(ctx context.Context, s *session, conn net.Conn) (*imapclient.Client, error) {
	s.step = stepGreeting
	wc := wire.NewConn(conn, s.trace)
	login, err := imaplogin.New(wc)
	if err != nil {
		return nil, err
	}
	s.greeting = diagnosis.ServerName(login.Greeting)
	if s.service.StartTLS {
		s.step = stepStartTLS
		if err := login.StartTLS(); err != nil {
			return nil, err
		}
		if err := s.startTLS(ctx, wc); err != nil {
			return nil, err
		}
	}
	offered, inline, err := s.imapMechanisms(login)
	if err != nil {
		return nil, err
	}
	err = s.authenticate(ctx, offered, func(c *SASLClient) error { return login.Authenticate(encodingClient{c}, inline) })
	if err != nil {
		inlineServers.Delete(s.addr)
		return nil, err
	}
	if s.opts.VerifyMailbox {
		if err := s.openInbox(login); err != nil {
			return nil, err
		}
	}
	return login.Client(s.opts.IMAP)
}

// inlineServers holds the addresses of servers that greet without capabilities
// and, when they were asked, named XOAUTH2 and SASL-IR: they are not asked
// again until a login fails. Being wrong costs that login and leaks nothing. Where
// the caller's DialContext leads is not known, so it has no part in this.
var inlineServers sync.Map

// imapMechanisms returns the SASL mechanisms to choose from, and whether an
// initial response is taken. It asks the server only if it must.
func (s *session) imapMechanisms(login *imaplogin.Login) (offered []string, inline bool, err error) {
	silent := !login.Known()
	_, remembered := inlineServers.Load(s.addr)
	remembered = remembered && !s.customDial
	if silent && (remembered || s.isKnown() && s.service.SASLIR) {
		s.silent = true
		return []string{Mechanism}, true, nil
	}
	s.step = stepCapabilities
	caps, err := login.Capabilities()
	if err != nil {
		return nil, false, err
	}
	offered, inline = saslMechanisms(caps)
	if silent && inline && !s.customDial && slices.Contains(offered, Mechanism) {
		inlineServers.Store(s.addr, true)
	}
	return offered, inline, nil
}

// openInbox shows whether the server connects the user to a mailbox, and
// leaves it again: CLOSE expunges nothing from a mailbox that EXAMINE opened
// (RFC 9051, section 6.4.1), and unlike UNSELECT every server knows it.
func (s *session) openInbox(login *imaplogin.Login) error {
	s.step = stepMailbox
	if err := login.Command("EXAMINE INBOX"); err != nil {
		return s.mailboxError(err)
	}
	return s.mailboxError(login.Command("CLOSE"))
}

// saslMechanisms returns the SASL mechanisms among capabilities, and whether
// they include SASL-IR.
func saslMechanisms(caps []string) (mechanisms []string, saslIR bool) {
	for _, c := range caps {
		c = strings.ToUpper(c)
		if mech, ok := strings.CutPrefix(c, "AUTH="); ok {
			mechanisms = append(mechanisms, mech)
		}
		saslIR = saslIR || c == string(imap.CapSASLIR)
	}
	return mechanisms, saslIR
}

// AuthenticateIMAP logs username in on a client that the caller made, with a
// token from ts. The caller answers for the connection's protection, which
// imapclient does not show; a server that still offers STARTTLS
// betrays that there is none, and gets no token. LOGINDISABLED betrays nothing:
// Dovecot says it over TLS too where it takes no passwords.
//
// ctx bounds the call; go-imap can be interrupted only by closing the client,
// which is what happens when ctx ends. After an *[AuthError] and after
// [ErrNotAdvertised] the client stays open, and is usable unless the server
// says otherwise. After every other error, but those of the arguments, it is
// closed.
func AuthenticateIMAP(ctx context.Context, c *imapclient.Client, username string, ts oauth2.TokenSource) error {
	if c == nil {
		return errors.New("xoauth2: IMAP: no client")
	}
	s, err := newClientSession(IMAP, username, ts)
	if err != nil {
		return err
	}
	return s.onClient(ctx, c, func(ctx context.Context) error {
		s.step = stepCapabilities
		caps := c.Caps()
		if caps == nil {
			return errors.New("the server does not say what it can do")
		}
		if caps.Has(imap.CapStartTLS) {
			return errors.New("the connection is not protected: the server still offers STARTTLS; use DialIMAP or imapclient.DialTLS")
		}
		offered := make([]string, 0, 4)
		for mech := range caps {
			offered = append(offered, string(mech))
		}
		slices.Sort(offered)
		offered, _ = saslMechanisms(offered)
		return s.authenticate(ctx, offered, func(sc *SASLClient) error { return c.Authenticate(goIMAPClient{sc}) })
	})
}

// goIMAPClient dismisses the error document in a way that go-imap can send:
// v2.0.0-beta.8 writes "=" for an empty response, to which servers reply BAD,
// and the refusal itself is lost. A single 0x01, as in OAUTHBEARER, is
// taken for what it means.
type goIMAPClient struct{ *SASLClient }

func (c goIMAPClient) Next(challenge []byte) ([]byte, error) {
	response, err := c.SASLClient.Next(challenge)
	if err == nil && len(response) == 0 {
		response = []byte(separator)
	}
	return response, err
}
