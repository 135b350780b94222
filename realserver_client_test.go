//go:build linux

package xoauth2_test

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-smtp"
	"golang.org/x/oauth2"

	"github.com/xoauth2/go-xoauth2"
	"github.com/xoauth2/go-xoauth2/internal/realserver"
)

// realClient is a client that the caller made, with its library alone.
type realClient struct {
	*realSession
	authenticate func(ctx context.Context, user string, ts oauth2.TokenSource) error
}

// connect makes a client that is not logged in.
func (w *realWorld) connect(t *testing.T, s realService) *realClient {
	t.Helper()
	switch s.proto {
	case xoauth2.IMAP:
		return w.connectIMAP(t, s)
	case xoauth2.POP3:
		return w.connectPOP3(t, s)
	}
	return w.connectSMTP(t, s)
}

func (w *realWorld) connectIMAP(t *testing.T, s realService) *realClient {
	t.Helper()
	dial := imapclient.DialTLS
	if s.startTLS {
		dial = imapclient.DialStartTLS
	}
	c, err := dial(w.Addr(s.port), &imapclient.Options{TLSConfig: w.TLSConfig()})
	if err != nil {
		t.Fatal(err)
	}
	return &realClient{
		&realSession{c, func() error { return c.Noop().Wait() }},
		func(ctx context.Context, user string, ts oauth2.TokenSource) error {
			return xoauth2.AuthenticateIMAP(ctx, c, user, ts)
		},
	}
}

func (w *realWorld) connectPOP3(t *testing.T, s realService) *realClient {
	t.Helper()
	conn, err := net.Dial("tcp", w.Addr(s.port))
	if err != nil {
		t.Fatal(err)
	}
	greeting := ""
	if s.startTLS {
		greeting = readPOP3Line(t, conn)
		if _, err := io.WriteString(conn, "STLS\r\n"); err != nil {
			t.Fatal(err)
		}
		readPOP3Line(t, conn)
	}
	config := w.TLSConfig()
	config.ServerName = realserver.Host
	secure := tls.Client(conn, config)
	if err := secure.HandshakeContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	c, err := xoauth2.NewPOP3Client(&greeted{secure, strings.NewReader(greeting)})
	if err != nil {
		t.Fatal(err)
	}
	return &realClient{
		&realSession{c, c.Noop},
		func(ctx context.Context, user string, ts oauth2.TokenSource) error {
			return xoauth2.AuthenticatePOP3(ctx, c, user, ts)
		},
	}
}

// readPOP3Line reads one line and nothing behind it.
func readPOP3Line(t *testing.T, r io.Reader) string {
	t.Helper()
	var line strings.Builder
	for b := make([]byte, 1); b[0] != '\n'; line.Write(b) {
		if _, err := r.Read(b); err != nil {
			t.Fatal(err)
		}
	}
	if !strings.HasPrefix(line.String(), "+OK") {
		t.Fatalf("got %q, want +OK", line.String())
	}
	return line.String()
}

// greeted is a TLS connection on which the greeting that came before STLS is
// read once more.
type greeted struct {
	*tls.Conn
	greeting *strings.Reader
}

func (g *greeted) Read(p []byte) (int, error) {
	if g.greeting.Len() > 0 {
		return g.greeting.Read(p)
	}
	return g.Conn.Read(p)
}

func (w *realWorld) connectSMTP(t *testing.T, s realService) *realClient {
	t.Helper()
	dial := smtp.DialTLS
	if s.startTLS {
		dial = smtp.DialStartTLS
	}
	c, err := dial(w.Addr(s.port), w.TLSConfig())
	if err != nil {
		t.Fatal(err)
	}
	return &realClient{
		&realSession{c, func() error { return checkSMTPSession(c) }},
		func(ctx context.Context, user string, ts oauth2.TokenSource) error {
			return xoauth2.AuthenticateSMTP(ctx, c, user, ts)
		},
	}
}

// testSecondToken has a token refused on a client that the caller made, and
// then another one accepted on the same connection.
func (w *realWorld) testSecondToken(t *testing.T, document xoauth2.ServerError) {
	forged := w.token(t, testUser, w.entra.IssueForgedTokens())
	eachRealService(t, func(t *testing.T, s realService) {
		c := w.connect(t, s)
		defer c.Close()
		err := c.authenticate(t.Context(), testUser, staticToken(forged))
		s.checkRefusal(t, err, testUser, document)
		if err := c.authenticate(t.Context(), testUser, w.entra.TokenSource(testUser)); err != nil {
			t.Fatalf("got %v for a good token after a refusal, want success", err)
		}
		if err := c.noop(); err != nil {
			t.Errorf("got %v from the session, want it usable", err)
		}
	})
}

// TestRealServersSMTPWire has Postfix count the commands of a refused login:
// what go-smtp sends after a refusal would be one more.
func TestRealServersSMTPWire(t *testing.T) {
	t.Parallel()
	w := newRealWorld(t, realserver.Options{})
	forged := w.token(t, testUser, w.entra.IssueForgedTokens())
	tests := []struct {
		service realService
		client  net.IP // by which Postfix's log tells the connections apart
		want    string
	}{
		{realService{xoauth2.SMTP, false, realserver.SMTPS}, net.IPv4(127, 0, 0, 2), "ehlo=1 auth=0/1 commands=1/2"},
		{realService{xoauth2.SMTP, true, realserver.SMTP}, net.IPv4(127, 0, 0, 3), "ehlo=2 starttls=1 auth=0/1 commands=3/4"},
	}
	for _, test := range tests {
		t.Run(test.service.String(), func(t *testing.T) {
			t.Parallel()
			opts := w.options(test.service)
			opts.DialContext = (&net.Dialer{LocalAddr: &net.TCPAddr{IP: test.client}}).DialContext
			_, err := xoauth2.DialSMTP(t.Context(), testUser, staticToken(forged), opts)
			test.service.checkRefusal(t, err, testUser, realDocument(xoauth2.Mechanism))
			line := w.AwaitLog(t, "disconnect from unknown["+test.client.String()+"]")
			if !strings.HasSuffix(line, "] "+test.want+"\n") {
				t.Errorf("got %q, want %s", line, test.want)
			}
		})
	}
}
