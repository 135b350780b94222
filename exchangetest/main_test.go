package exchangetest_test

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime"
	"runtime/pprof"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/xoauth2/go-xoauth2"
	"github.com/xoauth2/go-xoauth2/exchangetest"
)

const (
	alice  = "alice@contoso.com"
	bob    = "bob@contoso.com"
	shared = "shared@contoso.com"
)

const hello = "From: alice@contoso.com\r\nSubject: hello\r\n\r\nHello.\r\n"

func TestMain(m *testing.M) {
	code := m.Run()
	http.DefaultClient.CloseIdleConnections()
	if code == 0 && !settled() {
		fmt.Fprintln(os.Stderr, "goroutines are left over:")
		_ = pprof.Lookup("goroutine").WriteTo(os.Stderr, 1)
		code = 1
	}
	os.Exit(code)
}

// settled waits until no goroutine but the test's own is left.
func settled() bool {
	for range 500 {
		if runtime.NumGoroutine() <= 2 {
			return true
		}
		time.Sleep(20 * time.Millisecond)
	}
	return false
}

// start returns a server with Alice's mailbox, in which messages are.
func start(t *testing.T, messages ...string) *exchangetest.Server {
	t.Helper()
	srv := exchangetest.NewServer()
	t.Cleanup(srv.Close)
	octets := make([][]byte, len(messages))
	for i, m := range messages {
		octets[i] = []byte(m)
	}
	srv.AddMailbox(alice, octets...)
	return srv
}

// session is a mail session by hand.
type session struct {
	t    *testing.T
	conn net.Conn
	r    *bufio.Reader
}

// dial connects to a protocol, over TLS unless it begins with STARTTLS.
func dial(t *testing.T, srv *exchangetest.Server, protocol xoauth2.Protocol, startTLS bool) *session {
	t.Helper()
	conn, err := net.Dial("tcp", srv.Addr(protocol, startTLS))
	if err != nil {
		t.Fatal(err)
	}
	s := &session{t: t, conn: conn, r: bufio.NewReader(conn)}
	t.Cleanup(func() { _ = s.conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if !startTLS {
		s.secure(srv)
	}
	return s
}

func (s *session) secure(srv *exchangetest.Server) {
	s.t.Helper()
	config := srv.TLSConfig()
	config.ServerName = "127.0.0.1"
	conn := tls.Client(s.conn, config)
	if err := conn.Handshake(); err != nil {
		s.t.Fatal(err)
	}
	s.conn, s.r = conn, bufio.NewReader(conn)
}

func (s *session) send(line string) {
	s.t.Helper()
	if _, err := s.conn.Write([]byte(line + "\r\n")); err != nil {
		s.t.Fatal(err)
	}
}

func (s *session) line() string {
	s.t.Helper()
	line, err := s.r.ReadString('\n')
	if err != nil {
		s.t.Fatalf("read: %v, after %q", err, line)
	}
	return strings.TrimSuffix(line, "\r\n")
}

// expect reads a line for each pattern: a beginning if it ends in "…".
func (s *session) expect(patterns ...string) {
	s.t.Helper()
	for _, want := range patterns {
		got := s.line()
		if beginning, ok := strings.CutSuffix(want, "…"); ok && strings.HasPrefix(got, beginning) {
			continue
		}
		if got != want {
			s.t.Fatalf("the server says %q, want %q", got, want)
		}
	}
}

// exchange sends a line and expects others.
func (s *session) exchange(line string, patterns ...string) {
	s.t.Helper()
	s.send(line)
	s.expect(patterns...)
}

// closed expects the server to hang up.
func (s *session) closed() {
	s.t.Helper()
	if line, err := s.r.ReadString('\n'); err == nil || line != "" {
		s.t.Fatalf("the server says %q, want the end", line)
	}
}

// response returns XOAUTH2's initial response in base64.
func response(t *testing.T, username, token string) string {
	t.Helper()
	return base64.StdEncoding.EncodeToString([]byte("user=" + username + "\x01auth=Bearer " + token + "\x01\x01"))
}

// bearer returns OAUTHBEARER's initial response in base64.
func bearer(username, token string) string {
	return base64.StdEncoding.EncodeToString([]byte("n,a=" + username + ",\x01host=localhost\x01port=993\x01auth=Bearer " + token + "\x01\x01"))
}

// userToken returns an access token of a user.
func userToken(t *testing.T, srv *exchangetest.Server, username string) string {
	t.Helper()
	token, err := srv.TokenSource(username).Token()
	if err != nil {
		t.Fatal(err)
	}
	return token.AccessToken
}

// waitFor waits until something holds that takes a moment to.
func waitFor(t *testing.T, holds func() bool) {
	t.Helper()
	for range 500 {
		if holds() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("it does not come to hold")
}

// fixed returns a source of one token.
func fixed(token string) oauth2.TokenSource {
	return oauth2.StaticTokenSource(&oauth2.Token{AccessToken: token})
}
