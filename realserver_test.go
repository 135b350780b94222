//go:build linux

package xoauth2_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-smtp"
	"golang.org/x/oauth2"

	"github.com/xoauth2/go-xoauth2"
	"github.com/xoauth2/go-xoauth2/exchangetest"
	"github.com/xoauth2/go-xoauth2/internal/realserver"
	"github.com/xoauth2/go-xoauth2/internal/transcript"
)

// realWorld is a real Dovecot and a real Postfix that trust a fake Entra.
type realWorld struct {
	*realserver.Servers
	entra *exchangetest.Server
}

// newRealWorld starts servers that verify Entra's tokens with its key.
func newRealWorld(t *testing.T, opts realserver.Options) *realWorld {
	t.Helper()
	entra := exchangetest.NewServer()
	t.Cleanup(entra.Close)
	if opts.Introspection == "" {
		opts.KeyID, opts.Key = entra.SigningKey()
	}
	return &realWorld{realserver.Start(t, opts), entra}
}

// realService is one of the ways into the servers.
type realService struct {
	proto    xoauth2.Protocol
	startTLS bool
	port     realserver.Port
}

func realServices() []realService {
	return []realService{
		{xoauth2.IMAP, false, realserver.IMAPS},
		{xoauth2.IMAP, true, realserver.IMAP},
		{xoauth2.POP3, false, realserver.POP3S},
		{xoauth2.POP3, true, realserver.POP3},
		{xoauth2.SMTP, false, realserver.SMTPS},
		{xoauth2.SMTP, true, realserver.SMTP},
	}
}

func (s realService) String() string {
	if s.startTLS {
		return s.proto.String() + " with STARTTLS"
	}
	return s.proto.String() + " with TLS"
}

// eachRealService runs f for every way into the servers, in parallel.
func eachRealService(t *testing.T, f func(t *testing.T, s realService)) {
	for _, s := range realServices() {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			f(t, s)
		})
	}
}

// options returns what a caller would set for a server of its own.
func (w *realWorld) options(s realService) *xoauth2.DialOptions {
	service := xoauth2.Service{Addr: w.Addr(s.port), StartTLS: s.startTLS}
	return &xoauth2.DialOptions{
		Provider:  xoauth2.Provider{Name: "Contoso", IMAP: service, POP3: service, SMTP: service},
		TLSConfig: w.TLSConfig(),
	}
}

// token returns a new token of a user, as a fault of Entra wants it.
func (w *realWorld) token(t *testing.T, user string, faults ...*exchangetest.Fault) string {
	t.Helper()
	token, err := w.entra.TokenSource(user).Token()
	if err != nil {
		t.Fatal(err)
	}
	for _, fault := range faults {
		fault.Clear()
	}
	return token.AccessToken
}

// longToken returns a good token of at least length characters.
func (w *realWorld) longToken(t *testing.T, user string, length int) string {
	t.Helper()
	return w.token(t, user, w.entra.IssueLongTokens(length-len(w.token(t, user))))
}

func staticToken(token string) oauth2.TokenSource {
	return oauth2.StaticTokenSource(&oauth2.Token{AccessToken: token})
}

// realSession is an open session of any protocol.
type realSession struct {
	io.Closer
	noop func() error
}

// dial logs in through the real dialers.
func (s realService) dial(ctx context.Context, user string, ts oauth2.TokenSource, opts *xoauth2.DialOptions) (*realSession, error) {
	switch s.proto {
	case xoauth2.IMAP:
		c, err := xoauth2.DialIMAP(ctx, user, ts, opts)
		return &realSession{c, func() error { return c.Noop().Wait() }}, err
	case xoauth2.POP3:
		c, err := xoauth2.DialPOP3(ctx, user, ts, opts)
		return &realSession{c, func() error { return c.Noop() }}, err
	}
	c, err := xoauth2.DialSMTP(ctx, user, ts, opts)
	return &realSession{c, func() error { return checkSMTPSession(c) }}, err
}

// checkSMTPSession checks that a client knows that it is protected, and is alive.
func checkSMTPSession(c *smtp.Client) error {
	if state, ok := c.TLSConnectionState(); !ok || !state.HandshakeComplete || len(state.VerifiedChains) == 0 {
		return fmt.Errorf("got TLS state %v, handshake complete %v, %d verified chains", ok, state.HandshakeComplete, len(state.VerifiedChains))
	}
	return c.Noop()
}

// checkRefusal checks that err is the refusal of a login, with Dovecot's error
// document.
func (s realService) checkRefusal(t *testing.T, err error, user string, document xoauth2.ServerError) {
	t.Helper()
	var refused *xoauth2.AuthError
	if !errors.As(err, &refused) {
		t.Fatalf("got error %v, want an AuthError", err)
	}
	if refused.Protocol != s.proto || refused.Username != user {
		t.Errorf("got a refusal by %v of %q, want by %v of %q", refused.Protocol, refused.Username, s.proto, user)
	}
	if refused.Server == nil || *refused.Server != document {
		t.Errorf("got error document %+v, want %+v", refused.Server, document)
	}
	if got, want := realReply(err), map[xoauth2.Protocol]string{
		xoauth2.IMAP: "NO AUTHENTICATIONFAILED",
		xoauth2.POP3: "-ERR AUTH",
		xoauth2.SMTP: "535 5.7.8",
	}[s.proto]; got != want {
		t.Errorf("got reply %q, want %q", got, want)
	}
	assertNoCredential(t, "error", fmt.Sprintf("%v %+v %#v", err, refused, refused))
}

// realReply returns status and code of the server's final reply.
func realReply(err error) string {
	var (
		imapReply *imap.Error
		pop3Reply *xoauth2.POP3Error
		smtpReply *smtp.SMTPError
	)
	switch {
	case errors.As(err, &imapReply):
		return fmt.Sprintf("%s %s", imapReply.Type, imapReply.Code)
	case errors.As(err, &pop3Reply):
		return "-ERR " + pop3Reply.Code
	case errors.As(err, &smtpReply):
		e := smtpReply.EnhancedCode
		return fmt.Sprintf("%d %d.%d.%d", smtpReply.Code, e[0], e[1], e[2])
	}
	return ""
}

// assertNoCredential fails if text holds something like a token.
func assertNoCredential(t *testing.T, what, text string) {
	t.Helper()
	if masked := realserver.Mask(text); masked != text {
		t.Errorf("got a credential in the %s: %s", what, masked)
	}
}

// replay plays the trace of a login to the dialer, and returns how that ends.
func (s realService) replay(t *testing.T, trace string, opts *xoauth2.DialOptions) error {
	t.Helper()
	script, err := transcript.Parse("trace", []byte(trace))
	if err != nil {
		t.Fatalf("%v in the trace:\n%s", err, trace)
	}
	host, port, err := net.SplitHostPort(opts.Provider.Service(s.proto).Addr)
	if err != nil {
		t.Fatal(err)
	}
	o := transcript.Options{Host: host}
	if o.Port, err = strconv.Atoi(port); err != nil {
		t.Fatal(err)
	}
	again := *opts
	if o.TLS, again.TLSConfig, err = transcript.NewTLS("replay"); err != nil {
		t.Fatal(err)
	}
	again.TLSConfig.ServerName = "replay"
	// A server that has been asked what it can do is not asked again.
	again.Provider.IMAP.SASLIR = !strings.Contains(trace, " CAPABILITY\n")
	near, far := net.Pipe()
	served := make(chan error, 1)
	again.DialContext = func(context.Context, string, string) (net.Conn, error) {
		go func() { served <- script.Serve(far, o) }()
		return near, nil
	}
	session, err := s.dial(t.Context(), script.Settings.User, staticToken(script.Token()), &again)
	if err == nil {
		session.Close()
	}
	if err := <-served; err != nil {
		t.Errorf("replay: %v", err)
	}
	return err
}

// TestRealServers logs in to servers that offer both mechanisms, or one of
// them, as Exchange does.
func TestRealServers(t *testing.T) {
	t.Parallel()
	for _, mechanisms := range []string{"xoauth2 oauthbearer", "xoauth2", "oauthbearer"} {
		t.Run(mechanisms, func(t *testing.T) {
			t.Parallel()
			w := newRealWorld(t, realserver.Options{Mechanisms: mechanisms})
			chosen, _, several := strings.Cut(strings.ToUpper(mechanisms), " ")
			t.Run("login", func(t *testing.T) { w.testLogin(t, chosen) })
			if several {
				return // a refusal takes Dovecot half a second
			}
			t.Run("refusal", func(t *testing.T) { w.testRefusal(t, realDocument(chosen)) })
			t.Run("second token", func(t *testing.T) { w.testSecondToken(t, realDocument(chosen)) })
		})
	}
}

// realDocument returns the document with which Dovecot refuses tokens.
func realDocument(mechanism string) xoauth2.ServerError {
	if mechanism == xoauth2.Mechanism {
		return xoauth2.ServerError{Status: "401", Schemes: "bearer", Scope: "mail"}
	}
	return xoauth2.ServerError{Status: "invalid_token"}
}

func (w *realWorld) testLogin(t *testing.T, mechanism string) {
	eachRealService(t, func(t *testing.T, s realService) {
		opts := w.options(s)
		var trace strings.Builder
		opts.Trace = &trace
		session, err := s.dial(t.Context(), testUser, w.entra.TokenSource(testUser), opts)
		if err != nil {
			t.Fatal(err)
		}
		defer session.Close()
		if err := session.noop(); err != nil {
			t.Errorf("got %v from the session, want it usable", err)
		}
		if got := trace.String(); !strings.Contains(got, " "+mechanism+"\n") && !strings.Contains(got, " "+mechanism+" {ir}\n") {
			t.Errorf("got a login otherwise than by %s:\n%s", mechanism, got)
		}
		assertNoCredential(t, "trace", trace.String())
		if err := s.replay(t, trace.String(), opts); err != nil {
			t.Errorf("got %v from the replayed trace, want success", err)
		}
	})
}

func (w *realWorld) testRefusal(t *testing.T, document xoauth2.ServerError) {
	tokens := map[string]string{
		"wrong signature": w.token(t, testUser, w.entra.IssueForgedTokens()),
		"expired":         w.token(t, testUser, w.entra.IssueExpiredTokens()),
		"foreign user":    w.token(t, "bob@contoso.test"),
	}
	for name, token := range tokens {
		t.Run(name, func(t *testing.T) {
			eachRealService(t, func(t *testing.T, s realService) {
				opts := w.options(s)
				var trace strings.Builder
				opts.Trace = &trace
				_, err := s.dial(t.Context(), testUser, staticToken(token), opts)
				s.checkRefusal(t, err, testUser, document)
				assertNoCredential(t, "trace", trace.String())
				again := s.replay(t, trace.String(), opts)
				s.checkRefusal(t, again, testUser, document)
			})
		})
	}
}
