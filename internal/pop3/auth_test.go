package pop3_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/xoauth2/go-xoauth2/internal/pop3"
	"github.com/xoauth2/go-xoauth2/internal/wire"
)

// mechanism answers with its responses, and then fails.
type mechanism struct {
	name       string // empty: XTEST
	initial    []byte
	responses  []string
	started    bool
	challenges []string
}

var errMechanism = errors.New("the mechanism knows no answer")

func (m *mechanism) Start() (string, []byte, error) {
	m.started = true
	if m.name == "" {
		m.name = "XTEST"
	}
	return m.name, m.initial, nil
}

func (m *mechanism) Next(challenge []byte) ([]byte, error) {
	m.challenges = append(m.challenges, string(challenge))
	if len(m.challenges) > len(m.responses) {
		return nil, errMechanism
	}
	return []byte(m.responses[len(m.challenges)-1]), nil
}

// openTLS is open for a connection that passes for TLS.
func openTLS(t *testing.T, replies ...string) (*pop3.Client, *canned) {
	t.Helper()
	conn := cannedConn(0, greeting, replies...)
	return newClient(t, protected{conn}), conn
}

func TestAuth(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name      string
		mechanism mechanism
		replies   []string
		sent      string // after "AUTH XTEST"
	}{
		{"initial response", mechanism{initial: []byte("let me in")}, []string{"+ \r\n", "+OK\r\n"}, "bGV0IG1lIGlu\r\n"},
		{"prompt without a space", mechanism{initial: []byte("let me in")}, []string{"+\r\n", "+OK welcome\r\n"}, "bGV0IG1lIGlu\r\n"},
		{"prompt with words", mechanism{initial: []byte("let me in")}, []string{"+ go ahead\r\n", "+OK\r\n"}, "bGV0IG1lIGlu\r\n"},
		{"empty initial response", mechanism{initial: []byte{}}, []string{"+ \r\n", "+OK\r\n"}, "\r\n"},
		{"no initial response", mechanism{responses: []string{"let me in"}}, []string{"+ \r\n", "+OK\r\n"}, "bGV0IG1lIGlu\r\n"},
		{"empty response", mechanism{initial: []byte("a"), responses: []string{""}}, []string{"+ \r\n", "+ YWdhaW4=\r\n", "+OK\r\n"}, "YQ==\r\n\r\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, conn := openTLS(t, tt.replies...)
			if err := c.Auth(&tt.mechanism); err != nil {
				t.Errorf("Auth: got %v, want no error", err)
			}
			if got, want := conn.sent(), "AUTH XTEST\r\n"+tt.sent; got != want {
				t.Errorf("sent %q, want %q", got, want)
			}
			if n := len(tt.mechanism.responses); n > 0 && len(tt.mechanism.challenges) != n {
				t.Errorf("got challenges %q, want %d", tt.mechanism.challenges, n)
			}
		})
	}
}

func TestAuthRefused(t *testing.T) {
	t.Parallel()
	c, conn := openTLS(t,
		"-ERR [auth] no such mechanism\r\n", "+OK\r\n",
		"+ \r\n", "-ERR [SYS/TEMP] try later\r\n", "+OK\r\n",
		"+ \r\n", "+ bm8=\r\n", "-ERR cancelled\r\n", "+OK\r\n")
	err := c.Auth(&mechanism{initial: []byte("x")})
	assertRefused(t, c, err, `AUTH: the server refuses: [AUTH] "no such mechanism"`)
	err = c.Auth(&mechanism{initial: []byte("x")})
	assertRefused(t, c, err, `[SYS/TEMP] "try later"`)
	m := &mechanism{initial: []byte("x")}
	if err := c.Auth(m); err != errMechanism {
		t.Errorf("Auth: got %v, want %v", err, errMechanism)
	}
	if len(m.challenges) != 1 || m.challenges[0] != "no" {
		t.Errorf("challenges: got %q, want one, decoded", m.challenges)
	}
	if err := c.Noop(); err != nil {
		t.Errorf("NOOP after the cancelled exchange: got %v, want no error", err)
	}
	want := "AUTH XTEST\r\nNOOP\r\nAUTH XTEST\r\neA==\r\nNOOP\r\nAUTH XTEST\r\neA==\r\n*\r\nNOOP\r\n"
	if got := conn.sent(); got != want {
		t.Errorf("sent %q, want %q", got, want)
	}
}

func TestAuthNeverEnds(t *testing.T) {
	t.Parallel()
	replies := strings.Split(strings.Repeat("+ \r\n!", 11)+"-ERR at last\r\n!+OK\r\n", "!")
	c, conn := openTLS(t, replies...)
	err := c.Auth(&mechanism{responses: make([]string, 1000)})
	if err == nil || !strings.Contains(err.Error(), "AUTH: the server never ends asking") {
		t.Errorf("Auth: got error %v, want that the server never ends asking", err)
	}
	if want := "AUTH XTEST\r\n" + strings.Repeat("\r\n", 10) + "*\r\n"; conn.sent() != want {
		t.Errorf("sent %q, want %q", conn.sent(), want)
	}
	if err := c.Noop(); err != nil {
		t.Errorf("NOOP afterwards: got %v, want no error", err)
	}
}

func TestAuthMalformed(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		replies []string
		want    string
	}{
		{"success too early", []string{"+OK\r\n"}, "AUTH: the server reports success before"},
		{"success with the prompt", []string{"+ \r\n+OK\r\n"}, `AUTH: the server sent what no command asked for: "+OK`},
		{"no reply", []string{"+ \r\n", "235 welcome\r\n"}, `AUTH: unexpected reply of the server: "235 welcome"`},
		{"not base64", []string{"+ \r\n", "+ {}\r\n"}, `AUTH: the server's challenge is not base64: "{}"`},
		{"hangs up", []string{"+ \r\n", ""}, "AUTH: the server closed the connection"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, conn := openTLS(t, tt.replies...)
			err := c.Auth(&mechanism{initial: []byte("x"), responses: []string{"y"}})
			assertBroken(t, c, conn, err, tt.want)
		})
	}
}

// TestAuthCancelFails has something else than a refusal follow the
// cancellation: the mechanism's error is still the one to report.
func TestAuthCancelFails(t *testing.T) {
	t.Parallel()
	for _, reply := range []string{"", "+OK\r\n", "+ \r\n", "what?\r\n"} {
		c, conn := openTLS(t, "+ \r\n", reply)
		if err := c.Auth(new(mechanism)); err != errMechanism {
			t.Errorf("Auth, reply %q: got %v, want %v", reply, err, errMechanism)
		}
		assertBroken(t, c, conn, c.Noop(), "AUTH: ")
	}
}

func TestLogin(t *testing.T) {
	t.Parallel()
	c, conn := openTLS(t, "+ \r\n", "-ERR no\r\n", "+OK\r\n", "+ \r\n", "+ bm8=\r\n", "-ERR\r\n")
	assertRefused(t, c, c.Login(&mechanism{initial: []byte("x")}), `AUTH: the server refuses: "no"`)
	if err := c.Login(&mechanism{initial: []byte("x")}); err != errMechanism {
		t.Errorf("Login: got %v, want %v", err, errMechanism)
	}
	if got := conn.sent(); strings.Contains(got, "*") {
		t.Errorf("sent %q, want no cancellation", got)
	}
	assertBroken(t, c, conn, c.Noop(), "AUTH: "+errMechanism.Error())
}

func TestAuthNames(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"PLAIN\r\nQUIT", "PLAIN eA==", "plain", "A\x00", strings.Repeat("A", 21)} {
		c, conn := openTLS(t, "+OK\r\n")
		if err := c.Auth(&mechanism{name: name}); err == nil || !strings.Contains(err.Error(), "is no name of a mechanism") {
			t.Errorf("Auth as %q: got error %v, want that this is no name", name, err)
		}
		if got := conn.sent(); got != "" {
			t.Errorf("Auth as %q: sent %q, want nothing", name, got)
		}
	}
}

// TestAuthPlaintext offers Auth connections that are none of TLS.
func TestAuthPlaintext(t *testing.T) {
	t.Parallel()
	conn := cannedConn(0, greeting, "+ \r\n", "+OK\r\n")
	for name, conn := range map[string]net.Conn{"plain": conn, "TLS that did not happen": unprotected{conn}} {
		c := newClient(t, conn)
		m := &mechanism{initial: []byte("secret")}
		if err := c.Auth(m); err == nil || !strings.Contains(err.Error(), "AUTH: refused on a connection that is not TLS") {
			t.Errorf("Auth, %s: got error %v, want a refusal", name, err)
		}
		if m.started {
			t.Errorf("Auth, %s: the mechanism was started, want not", name)
		}
		conn.(interface{ rewind() }).rewind()
	}
	if got := conn.sent(); got != "" {
		t.Errorf("sent %q, want nothing", got)
	}
}

// unprotected has the method of a TLS connection, and is none.
type unprotected struct{ *canned }

func (unprotected) ConnectionState() tls.ConnectionState { return tls.ConnectionState{} }

// rewind greets again.
func (c *canned) rewind() { c.unread = []byte(greeting) }

// newCertificate returns a certificate for localhost, and who trusts it.
func newCertificate(t testing.TB) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		DNSNames:     []string{"localhost"},
		NotAfter:     time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	trust := x509.NewCertPool()
	trust.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, trust
}

func TestStartTLS(t *testing.T) {
	t.Parallel()
	certificate, trust := newCertificate(t)
	client, server := net.Pipe()
	go func() {
		defer server.Close()
		play(t, server, "S: +OK ready", "C: CAPA", "S: +OK", "S: PIPELINING", "S: .", "C: STLS", "S: +OK")
		secure := tls.Server(server, &tls.Config{Certificates: []tls.Certificate{certificate}})
		play(t, secure, "C: CAPA", "S: -ERR", "C: LIST", "S: +OK", "S: .", "C: UIDL", "S: -ERR",
			"C: AUTH XTEST", "S: +", "C: eA==", "S: +OK", "C: QUIT", "S: +OK")
		if _, err := secure.Read(make([]byte, 1)); err == nil || !strings.Contains(err.Error(), "EOF") {
			t.Errorf("Read after QUIT: got error %v, want the end of the connection", err)
		}
	}()
	c := newClient(t, client)
	if caps, err := c.Capabilities(); err != nil || caps["PIPELINING"] != nil && len(caps) != 1 {
		t.Errorf("Capabilities: got %v, %v, want PIPELINING", caps, err)
	}
	if err := c.Auth(&mechanism{initial: []byte("x")}); err == nil {
		t.Error("Auth before STLS: got no error, want one")
	}
	err := c.StartTLS(func(conn *wire.Conn) error {
		secure := tls.Client(conn.Conn, &tls.Config{RootCAs: trust, ServerName: "localhost"})
		if err := conn.StartTLS(secure); err != nil {
			return err
		}
		return secure.HandshakeContext(context.Background())
	})
	if err != nil {
		t.Fatalf("StartTLS: got %v, want no error", err)
	}
	if _, err := c.List(); err != nil {
		t.Errorf("List after STLS: got %v, want no error, and capabilities asked for anew", err)
	}
	if err := c.Auth(&mechanism{initial: []byte("x")}); err != nil {
		t.Errorf("Auth after STLS: got %v, want no error", err)
	}
	if err := c.Quit(); err != nil {
		t.Errorf("Quit: got %v, want no error", err)
	}
}

func TestStartTLSFails(t *testing.T) {
	t.Parallel()
	upgrade := func(conn *wire.Conn) error { return conn.StartTLS(tls.Client(conn.Conn, new(tls.Config))) }
	c, _ := open(t, "-ERR not here\r\n", "+OK\r\n")
	assertRefused(t, c, c.StartTLS(upgrade), "STLS: the server refuses")

	c, conn := open(t, "+OK\r\n+OK injected\r\n")
	err := c.StartTLS(upgrade)
	assertBroken(t, c, conn, err, "STLS: ")
	if !errors.Is(err, wire.ErrPlaintextAfterStartTLS) {
		t.Errorf("plaintext behind the permission: got error %v, want %v", err, wire.ErrPlaintextAfterStartTLS)
	}
}
