package exchangetest

import (
	"context"
	"crypto/rsa"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/oauth2"

	"github.com/xoauth2/go-xoauth2"
	"github.com/xoauth2/go-xoauth2/exchangetest/internal/authority"
	"github.com/xoauth2/go-xoauth2/exchangetest/internal/certs"
	"github.com/xoauth2/go-xoauth2/exchangetest/internal/mailstore"
)

// Server is a fake Entra and a fake Exchange on the loopback interface. Its
// methods are safe for concurrent use.
type Server struct {
	ca         *certs.Authority
	identity   *authority.Server
	mail       *mailstore.Store
	tls        *presenter
	clientTLS  *tls.Config
	web        *http.Server
	webAddr    string
	webClient  *http.Client
	listeners  map[service]net.Listener
	faults     faults
	accounting accounting

	running sync.WaitGroup  // the goroutines that accept connections, and visits of Browse
	life    context.Context // ends at Close, and with it those visits
	end     context.CancelFunc

	mu       sync.Mutex // guards the rest
	closed   bool
	idle     *sync.Cond // conns became empty
	conns    map[net.Conn]xoauth2.Protocol
	sessions map[*imapSession]struct{}
	style    Style
	settings settings
	clock    clock
	org      organization
}

// service is one port: a protocol with or without STARTTLS.
type service struct {
	protocol xoauth2.Protocol
	startTLS bool
}

// NewServer starts a Server with fresh certificates and no mailboxes. The
// caller closes it. Like the servers of net/http/httptest, it panics if it
// cannot listen.
func NewServer() *Server {
	s, err := start()
	if err != nil {
		panic(fmt.Sprintf("exchangetest: cannot start: %v", err))
	}
	return s
}

func start() (*Server, error) {
	s := &Server{
		mail:      mailstore.New(),
		listeners: make(map[service]net.Listener),
		conns:     make(map[net.Conn]xoauth2.Protocol),
		sessions:  make(map[*imapSession]struct{}),
		settings:  defaultSettings(),
		clock:     clock{now: time.Now},
		org:       newOrganization(),
	}
	s.idle = sync.NewCond(&s.mu)
	s.life, s.end = context.WithCancel(context.Background())
	if err := s.prepareTLS(); err != nil {
		return nil, err
	}
	if err := s.listen(); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func (s *Server) prepareTLS() error {
	ca, err := certs.New()
	if err != nil {
		return err
	}
	s.ca = ca
	s.tls, err = newPresenter(ca)
	if err != nil {
		return err
	}
	s.clientTLS = &tls.Config{
		RootCAs:            ca.Pool(),
		MinVersion:         tls.VersionTLS12,
		ClientSessionCache: tls.NewLRUClientSessionCache(0),
	}
	return nil
}

// listen opens all ports and starts to serve them.
func (s *Server) listen() error {
	for _, protocol := range allProtocols() {
		for _, startTLS := range []bool{false, true} {
			l, err := listenLoopback()
			if err != nil {
				return err
			}
			s.listeners[service{protocol, startTLS}] = l
		}
	}
	web, err := listenLoopback()
	if err != nil {
		return err
	}
	s.webAddr = web.Addr().String()
	s.identity, err = authority.New("https://" + s.webAddr)
	if err != nil {
		_ = web.Close() // what could not be started need not end well
		return err
	}
	s.identity.SetClock(s.now)
	s.serveWeb(web)
	for port, l := range s.listeners {
		s.running.Go(func() { s.accept(l, port) })
	}
	return nil
}

// listenLoopback returns a listener on a free port, on IPv6 where there is no
// IPv4.
func listenLoopback() (net.Listener, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return net.Listen("tcp", "[::1]:0")
	}
	return l, nil
}

func (s *Server) serveWeb(l net.Listener) {
	s.web = &http.Server{
		Handler:   s.identity,
		TLSConfig: s.tls.config("h2", "http/1.1"),
		ErrorLog:  log.New(io.Discard, "", 0), // clients that hang up are what tests are about
	}
	s.webClient = &http.Client{Transport: &http.Transport{
		TLSClientConfig:   s.TLSConfig(),
		ForceAttemptHTTP2: true,
	}}
	s.running.Go(func() {
		// It ends with http.ErrServerClosed, at Close.
		_ = s.web.ServeTLS(l, "", "")
	})
}

// Close stops the server, hangs up on every client, and waits until all that
// it started has ended. Closing twice does nothing.
func (s *Server) Close() {
	s.mu.Lock()
	first := !s.closed
	s.closed = true
	for conn := range s.conns {
		_ = conn.Close() // the client finds out either way
	}
	s.mu.Unlock()
	if !first {
		return
	}
	s.end()
	for _, l := range s.listeners {
		_ = l.Close() // as above
	}
	if s.web != nil {
		s.webClient.CloseIdleConnections()
		_ = s.web.Close() // as above
	}
	s.running.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.conns) > 0 {
		s.idle.Wait()
	}
}

// accept serves the connections of one port.
func (s *Server) accept(l net.Listener, port service) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		if !s.admit(conn, port.protocol) {
			continue
		}
		go s.serve(conn, port)
	}
}

// admit counts a connection, and refuses it if the server is closed.
func (s *Server) admit(conn net.Conn, protocol xoauth2.Protocol) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		_ = conn.Close() // nobody is served any more
		return false
	}
	s.conns[conn] = protocol
	s.accounting.connected(protocol)
	return true
}

func (s *Server) release(conn net.Conn) {
	_ = conn.Close() // it may be closed already
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, conn)
	s.idle.Broadcast()
}

// Provider returns the server as a provider, in the shape of its [Style]: the
// ports that the original has, its scopes, and what it is known to take.
func (s *Server) Provider() xoauth2.Provider {
	m := s.manners()
	p := m.provider()
	// A login without a look at the capabilities would be one with XOAUTH2.
	p.IMAP.SASLIR = p.IMAP.SASLIR && slices.Contains(m.mechanisms, xoauth2.Mechanism)
	p.IMAP.Addr = s.Addr(xoauth2.IMAP, p.IMAP.StartTLS)
	p.POP3.Addr = s.Addr(xoauth2.POP3, p.POP3.StartTLS)
	p.SMTP.Addr = s.Addr(xoauth2.SMTP, p.SMTP.StartTLS)
	base := "https://" + s.webAddr
	for _, u := range []*string{&p.AuthURL, &p.TokenURL, &p.DeviceURL, &p.ConsentURL} {
		*u = strings.Replace(*u, originPlaceholder, base, 1)
	}
	return p
}

// Addr returns the host and port of a mail protocol, with TLS from the first
// byte or after STARTTLS. Each protocol is served both ways.
func (s *Server) Addr(protocol xoauth2.Protocol, startTLS bool) string {
	return s.listeners[service{protocol, startTLS}].Addr().String()
}

// URL returns where the fake Entra is, without a path.
func (s *Server) URL() string { return "https://" + s.webAddr }

// Tenant returns the id of the one directory, Contoso's. It is the same for
// all servers; contoso.com, contoso.onmicrosoft.com and the domains of all
// mailboxes stand for it.
func (s *Server) Tenant() string { return authority.Contoso }

// DialOptions returns new options for the dialers of package xoauth2, with
// which they reach the server and trust its certificate.
func (s *Server) DialOptions() *xoauth2.DialOptions {
	return &xoauth2.DialOptions{Provider: s.Provider(), TLSConfig: s.TLSConfig()}
}

// HTTPClient returns the client that reaches the fake Entra and trusts its
// certificate: the same one for every call. Close closes its connections.
func (s *Server) HTTPClient() *http.Client { return s.webClient }

// TLSConfig returns a new client configuration that trusts the server's
// certificate. All of a server's configurations share one session cache.
func (s *Server) TLSConfig() *tls.Config { return s.clientTLS.Clone() }

// CertificatePEM returns the certificate of the authority that the server's
// certificate is of, for programs of other languages.
func (s *Server) CertificatePEM() []byte { return s.ca.PEM() }

// SigningKey returns the key with which the access tokens that are JWTs are
// verified, and its id in the key document.
func (s *Server) SigningKey() (id string, key *rsa.PublicKey) { return s.identity.PublicKey() }

// TokenSource returns a source of access tokens of a user, for all three
// protocols, without a sign-in. Each call makes a new one, which the faults that
// concern tokens spoil as they do others. It never fails.
func (s *Server) TokenSource(username string) oauth2.TokenSource {
	return tokenSource(func() *oauth2.Token {
		token, expiry := s.identity.UserToken(s.manners().shape, username)
		return &oauth2.Token{AccessToken: token, TokenType: "Bearer", Expiry: expiry}
	})
}

type tokenSource func() *oauth2.Token

// Token implements oauth2.TokenSource.
func (f tokenSource) Token() (*oauth2.Token, error) { return f(), nil }

// MemoryDial connects to one of the server's addresses in memory. It is made
// for DialOptions.DialContext inside a bubble of testing/synctest, where
// sockets do not count as waiting; the server itself has to be started
// outside, and its clock is then the bubble's.
func (s *Server) MemoryDial(_ context.Context, network, addr string) (net.Conn, error) {
	for port, l := range s.listeners {
		if l.Addr().String() == addr {
			return s.dialMemory(port)
		}
	}
	return nil, &net.OpError{Op: "dial", Net: network, Err: fmt.Errorf("exchangetest: nothing listens on %s", addr)}
}

// MemoryHTTPClient returns a client that reaches the fake Entra in memory, for
// the same purpose as [Server.MemoryDial].
func (s *Server) MemoryHTTPClient() *http.Client {
	return &http.Client{Transport: memoryTransport{s.identity}}
}

func allProtocols() []xoauth2.Protocol {
	return []xoauth2.Protocol{xoauth2.IMAP, xoauth2.POP3, xoauth2.SMTP}
}
