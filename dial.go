package xoauth2

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-smtp"
	"golang.org/x/oauth2"

	"github.com/xoauth2/go-xoauth2/internal/payload"
	"github.com/xoauth2/go-xoauth2/internal/wire"
)

// DialOptions says how to connect. Nil and zero mean Exchange Online
// worldwide, the system's root certificates, and TLS 1.2 or newer. The dialers
// do not change it and do not keep it. Calls at the same time can share one, if
// its DialContext and its Trace can be used by several goroutines at once.
type DialOptions struct {
	Provider  Provider
	Addr      string      // overrides the provider's; without a Provider, nothing is taken for known of the server there
	TLSConfig *tls.Config // cloned; ServerName filled in; one of roots, versions and a name only, or nil, resumes TLS sessions

	// DialContext makes the TCP connection; nil: that of a zero net.Dialer. If
	// it goes on when ctx has ended, as a proxy's dialer without a context does,
	// it is left to itself, and the connection that it returns in the end is
	// closed.
	DialContext func(ctx context.Context, network, addr string) (net.Conn, error)

	Timeout       time.Duration // connect, TLS, token, AUTH together; zero: one minute
	LocalName     string        // EHLO; empty: localhost
	VerifyMailbox bool          // EXAMINE INBOX (IMAP), STAT (POP3) after login: Exchange may log a user in whose mailbox it does not open
	Trace         io.Writer     // gets a redacted transcript, in the format of testdata, in one Write when the login is over

	IMAP *imapclient.Options // for the client that DialIMAP returns; nil: zero
}

// defaultTimeout is what a zero DialOptions.Timeout means.
const defaultTimeout = time.Minute

// dialError says at which step of the way to an authenticated session
// something failed, other than by the server's refusal of the login.
type dialError struct {
	Protocol    Protocol
	Addr, Step  string
	TokenLength int // of the token that was sent; 0: none was
	Err         error
}

func (e *dialError) Error() string {
	text := strings.TrimPrefix(e.Err.Error(), "xoauth2: ")
	switch err := e.Err.(type) {
	case *imap.Error, *smtp.SMTPError, *POP3Error: // which do not quote the server's words, or repeat the protocol
		text = reply(err)
	case pop3Failure: // whose command is the step
		text = strings.TrimPrefix(err.err.Error(), pop3Prefix)
	}
	text = wire.Printable(text)
	where := strings.TrimSpace(e.Protocol.String() + " " + e.Addr)
	return fmt.Sprintf("xoauth2: %s: %s: %s", where, e.Step, text)
}

func (e *dialError) Unwrap() error { return e.Err }

// The steps of a login, as dialError names them.
const (
	stepOptions      = "options"
	stepConnect      = "connect"
	stepHandshake    = "TLS handshake"
	stepGreeting     = "greeting"
	stepHello        = "EHLO"
	stepStartTLS     = "STARTTLS"
	stepCapabilities = "capabilities"
	stepToken        = "token"
	stepAuth         = "AUTH"
	stepMailbox      = "mailbox"
)

// session is the way to an authenticated session, from the options to the
// server's final reply. The protocols fill in the steps between.
type session struct {
	proto    Protocol
	username string
	ts       oauth2.TokenSource
	opts     DialOptions
	service  Service
	addr     string
	host     string
	port     int
	tls      *tls.Config
	trace    *wire.Trace

	named      bool // the caller named the provider
	customDial bool // by the caller's DialContext

	step     string
	greeting string
	pending  *pendingToken
	sent     func() []string // the tokens that were sent, the last one first; nil: none was
	redactor *wire.Redactor  // takes it out of what the server says
	silent   bool            // the capabilities were not asked for
	renewed  bool            // a refused token was replaced by a new one
}

// newSession checks what the caller gave and fills in the defaults.
func newSession(proto Protocol, username string, ts oauth2.TokenSource, opts *DialOptions) (*session, error) {
	s := &session{proto: proto, username: username, ts: ts, step: stepOptions}
	if opts != nil {
		s.opts = *opts
	}
	s.named = s.opts.Provider != (Provider{})
	s.opts.Provider = s.opts.Provider.orExchange()
	s.service = s.opts.Provider.Service(proto)
	s.addr = cmp.Or(s.opts.Addr, s.service.Addr)
	s.opts.Timeout = cmp.Or(s.opts.Timeout, defaultTimeout)
	s.opts.LocalName = cmp.Or(s.opts.LocalName, "localhost")
	s.customDial = s.opts.DialContext != nil
	if !s.customDial {
		s.opts.DialContext = new(net.Dialer).DialContext
	}
	if err := s.check(); err != nil {
		return nil, s.failed(context.Background(), err)
	}
	s.tls = wire.ClientTLS(s.opts.TLSConfig, s.host)
	s.trace = wire.NewTrace(s.opts.Trace)
	s.trace.Set("Transport", transport(s.service))
	s.trace.Set("User", username)
	return s, nil
}

func (s *session) check() (err error) {
	if s.ts == nil {
		return errors.New("no token source")
	}
	if err := payload.CheckUsername(s.username); err != nil {
		return err
	}
	if strings.ContainsFunc(s.opts.LocalName, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return errors.New("DialOptions.LocalName is no domain name: it holds white space or control characters")
	}
	if s.addr == "" {
		return fmt.Errorf("%s has no %v server: set DialOptions.Addr", s.opts.Provider.name(), s.proto)
	}
	host, port, err := net.SplitHostPort(s.addr)
	if err != nil {
		return fmt.Errorf("the address is not host:port: %w", err)
	}
	s.host = host
	s.port, _ = strconv.Atoi(port) // a service name is fine; only OAUTHBEARER mentions the port
	return nil
}

// newClientSession is for a client that the caller made, wherever it leads.
func newClientSession(proto Protocol, username string, ts oauth2.TokenSource) (*session, error) {
	s, err := newSession(proto, username, ts, nil)
	if err != nil {
		return nil, err
	}
	s.addr, s.host, s.port = "", "", 0
	return s, nil
}

// isKnown reports whether what is known of the provider's server holds for the
// one that is dialled: not if the caller named another address and no provider.
func (s *session) isKnown() bool {
	return s.named || s.addr == s.service.Addr
}

func transport(s Service) string {
	if s.StartTLS {
		return "plain TCP, then STARTTLS"
	}
	return "implicit TLS"
}

// loginFunc takes a new connection through AUTH. A client that it does not
// return it has closed.
type loginFunc[C io.Closer] func(ctx context.Context, s *session, conn net.Conn) (C, error)

// dial is the one connect path of all protocols.
func dial[C io.Closer](ctx context.Context, s *session, login loginFunc[C]) (C, error) {
	ctx, stopTimer := context.WithTimeoutCause(ctx, s.opts.Timeout, wire.TimeoutError(s.opts.Timeout))
	defer stopTimer()
	if ctx.Err() != nil {
		var none C
		s.step = stepConnect
		return none, s.failed(ctx, ctx.Err())
	}
	client, err := attempt(ctx, s, login)
	if err != nil && s.renewed && s.step == stepAuth && ctx.Err() == nil && isHangUp(err) {
		// The server hung up after it had refused the first token.
		s.endTrace(err, s.trace.Next)
		client, err = attempt(ctx, s, login)
	}
	s.endTrace(err, s.trace.Close)
	return client, err
}

// attempt makes one connection and logs in on it.
func attempt[C io.Closer](ctx context.Context, s *session, login loginFunc[C]) (client C, err error) {
	err = s.withToken(ctx, func(ctx context.Context) error {
		s.step = stepConnect
		raw, err := s.connect(ctx)
		if err != nil {
			return err
		}
		err = wire.Interruptible(ctx, raw, func() error {
			conn := raw
			if !s.service.StartTLS {
				secure := tls.Client(raw, s.tls)
				if err := s.handshake(ctx, secure); err != nil {
					return err
				}
				conn = secure
			}
			client, err = login(ctx, s, conn)
			return err
		})
		if err != nil {
			raw.Close()
		}
		return err
	})
	if err != nil {
		var none C
		return none, err
	}
	return client, nil
}

func (s *session) connect(ctx context.Context) (net.Conn, error) {
	if !s.customDial {
		return s.opts.DialContext(ctx, "tcp", s.addr)
	}
	return wire.Connect(ctx, func() (net.Conn, error) { return s.opts.DialContext(ctx, "tcp", s.addr) })
}

// withToken runs login while the token is fetched, and ends it if that fails.
func (s *session) withToken(ctx context.Context, login func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	s.pending = fetchToken(ctx, s.ts, cancel)
	defer s.pending.wait()
	defer cancel(nil)
	if err := login(ctx); err != nil {
		return s.failed(ctx, err)
	}
	return nil
}

// onClient runs login on a client that the caller made, and closes that unless
// the server has said its last word on the login.
func (s *session) onClient(ctx context.Context, c io.Closer, login func(context.Context) error) error {
	err := s.withToken(ctx, func(ctx context.Context) error {
		return wire.Interruptible(ctx, c, func() error { return login(ctx) })
	})
	var refused *AuthError
	if err != nil && !errors.As(err, &refused) && !errors.Is(err, ErrNotAdvertised) {
		c.Close()
	}
	return err
}

// startTLS begins TLS on a connection whose server has just agreed to it.
func (s *session) startTLS(ctx context.Context, wc *wire.Conn) error {
	secure := tls.Client(wc.Conn, s.tls)
	if err := wc.StartTLS(secure); err != nil {
		return err
	}
	return s.handshake(ctx, secure)
}

func (s *session) handshake(ctx context.Context, secure *tls.Conn) error {
	s.step = stepHandshake
	if err := secure.HandshakeContext(ctx); err != nil {
		return err
	}
	s.trace.Handshake(secure.ConnectionState())
	return nil
}

// failed says where err happened. If ctx ended, that is the reason, whatever
// the connection reported when it was closed.
func (s *session) failed(ctx context.Context, err error) error {
	if deadline, ok := ctx.Deadline(); ok && !time.Now().Before(deadline) {
		<-ctx.Done() // net.Dialer's timer may be the faster one
	}
	var noToken tokenFailure
	switch {
	case errors.As(context.Cause(ctx), &noToken):
		s.step, err = stepToken, noToken.error
	case ctx.Err() != nil:
		err = wire.Cause(ctx)
	}
	var refused *AuthError
	if errors.As(err, &refused) {
		return err
	}
	if errors.Is(err, io.EOF) && s.step != stepToken {
		err = fmt.Errorf("the server closed the connection: %w", io.ErrUnexpectedEOF)
	}
	e := &dialError{Protocol: s.proto, Addr: s.addr, Step: s.step, Err: s.clean(err)}
	if s.sent != nil {
		e.TokenLength = len(s.sent()[0])
	}
	return e
}

// endTrace completes the transcript of a connection and writes it.
func (s *session) endTrace(err error, write func(class string)) {
	class := s.traceClass(err)
	if class == "closed" {
		s.trace.Ended()
	}
	s.trace.Set("Options", s.traceOptions())
	write(class)
}

// traceOptions returns the settings that a transcript needs to be played again.
func (s *session) traceOptions() string {
	var options []string
	add := func(ok bool, option string) {
		if ok {
			options = append(options, option)
		}
	}
	add(s.silent, "sasl-ir-known")
	add(s.proto == SMTP && s.isKnown() && s.opts.Provider.LongAuthLine, "long-auth-line")
	add(s.opts.VerifyMailbox, "verify-mailbox")
	add(s.opts.LocalName != "localhost", "local-name="+s.opts.LocalName)
	return strings.Join(options, ", ")
}

// traceClass returns how a transcript calls the outcome err.
func (s *session) traceClass(err error) string {
	var refused *AuthError
	var network *net.OpError
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &refused) && s.step == stepMailbox:
		return "mailbox"
	case errors.As(err, &refused):
		return "refused"
	case errors.Is(err, ErrNotAdvertised):
		return "not-advertised"
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return "canceled"
	case s.step == stepToken:
		return "token"
	case s.step == stepHandshake, s.step == stepStartTLS:
		return "tls"
	case errors.Is(err, io.ErrUnexpectedEOF), errors.As(err, &network):
		return "closed"
	}
	return "protocol"
}
