package lab

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"strings"

	"golang.org/x/oauth2"

	"github.com/xoauth2/go-xoauth2"
	"github.com/xoauth2/go-xoauth2/exchangetest"
)

// Mail is what a client knows of a mail server and its one mailbox. It crosses
// from one process to another as JSON.
type Mail struct {
	User, Token string
	PEM         []byte // the server's authority
	Provider    xoauth2.Provider
	SMTPTLS     string // the address of SMTP with TLS from the first byte

	Dial Dial `json:"-"` // nil: net.Dialer's
}

const user = "alice@contoso.com"

// NewServer starts a server with so many small messages in its mailbox.
func NewServer(messages int) *exchangetest.Server {
	server := exchangetest.NewServer()
	server.LimitSubmission(0, 0)
	content := make([][]byte, messages)
	for i := range content {
		content[i] = fmt.Appendf(nil, "Subject: %d\r\n\r\n%s\r\n", i, strings.Repeat("x", 64))
	}
	server.AddMailbox(user, content...)
	return server
}

// MailOf returns what a client knows of a server, with a token of this moment.
func MailOf(server *exchangetest.Server) *Mail {
	token, err := server.TokenSource(user).Token()
	if err != nil {
		panic(err)
	}
	return &Mail{
		User: user, Token: token.AccessToken, PEM: server.CertificatePEM(),
		Provider: server.Provider(), SMTPTLS: server.Addr(xoauth2.SMTP, false),
	}
}

// TokenSource returns a source of the user's token.
func (m *Mail) TokenSource() oauth2.TokenSource {
	return oauth2.StaticTokenSource(&oauth2.Token{AccessToken: m.Token})
}

// TLSConfig returns a configuration that says no more than to trust the server:
// what a program by hand has, if it does nothing about resuming sessions.
func (m *Mail) TLSConfig() *tls.Config {
	trust := x509.NewCertPool()
	trust.AppendCertsFromPEM(m.PEM)
	return &tls.Config{RootCAs: trust, MinVersion: tls.VersionTLS12}
}

// FullTLS is TLSConfig with a full handshake for every session, which keeps
// this library too from resuming.
func (m *Mail) FullTLS() *tls.Config {
	config := m.TLSConfig()
	config.SessionTicketsDisabled = true
	return config
}

// ResumingTLS is TLSConfig with a session cache, which this library has of its
// own accord.
func (m *Mail) ResumingTLS() *tls.Config {
	config := m.TLSConfig()
	config.ClientSessionCache = tls.NewLRUClientSessionCache(0)
	return config
}

// Via returns m as it is reached over a link.
func (m *Mail) Via(link Link) *Mail {
	far := *m
	far.Dial = link.DialContext
	return &far
}
