package exchangetest_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/xoauth2/go-xoauth2"
	"github.com/xoauth2/go-xoauth2/exchangetest"
)

// pop3Login logs Alice in by hand.
func pop3Login(t *testing.T, srv *exchangetest.Server) *session {
	t.Helper()
	s := dial(t, srv, xoauth2.POP3, false)
	s.expect("+OK …")
	s.exchange("AUTH XOAUTH2", "+ ")
	s.exchange(response(t, alice, userToken(t, srv, alice)), "+OK User successfully authenticated.")
	return s
}

func TestPOP3Dialogue(t *testing.T) {
	t.Parallel()
	srv := start(t)
	s := dial(t, srv, xoauth2.POP3, false)
	s.expect("+OK The Microsoft Exchange POP3 service is ready. […")
	s.exchange("CAPA", "+OK", "TOP", "UIDL", "SASL PLAIN XOAUTH2", "USER", ".")
	s.exchange("STAT", "-ERR Command is not valid in this state.")
	s.exchange("USER alice", "+OK")
	s.exchange("PASS secret", "-ERR Authentication failure: unknown user name or bad password.")
	s.exchange("AUTH KERBEROS_V4", "-ERR …")
	s.exchange("AUTH XOAUTH2", "+ ")
	s.exchange(response(t, alice, "nonsense"), "-ERR Authentication failure: unknown user name or bad password.")
	s.exchange("AUTH XOAUTH2", "+ ")
	s.exchange("*", "-ERR Authentication cancelled.")
	s.exchange("QUIT", "+OK Microsoft Exchange Server POP3 server signing off.")
	s.closed()
}

func TestPOP3ProtocolErrors(t *testing.T) {
	t.Parallel()
	srv := start(t)
	good := response(t, alice, userToken(t, srv, alice))
	srv.IssueLongTokens(5000)
	long := response(t, alice, userToken(t, srv, alice))
	const protocolError = "-ERR Protocol error. Connection is closed. 10"
	tests := map[string]func(*session){
		"one line": func(s *session) { s.exchange("AUTH XOAUTH2 "+good, protocolError) },
		"too long": func(s *session) {
			s.exchange("AUTH XOAUTH2", "+ ")
			s.exchange(long, protocolError)
		},
		"pipelining": func(s *session) { s.exchange("CAPA\r\nCAPA", protocolError) },
	}
	for name, do := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := dial(t, srv, xoauth2.POP3, false)
			s.expect("+OK …")
			do(s)
			s.closed()
		})
	}
}

func TestPOP3StartTLS(t *testing.T) {
	t.Parallel()
	srv := start(t)
	s := dial(t, srv, xoauth2.POP3, true)
	s.expect("+OK …")
	s.exchange("CAPA", "+OK", "TOP", "UIDL", "STLS", ".")
	s.exchange("AUTH XOAUTH2", "-ERR Command is not valid in this state.")
	s.exchange("STLS", "+OK Begin TLS negotiation.")
	s.secure(srv)
	s.exchange("CAPA", "+OK", "TOP", "UIDL", "SASL PLAIN XOAUTH2", "USER", ".")
}

func TestPOP3Maildrop(t *testing.T) {
	t.Parallel()
	dots := "Subject: dots\r\n\r\n.\r\n..\r\nend"
	srv := start(t, hello, dots)
	s := pop3Login(t, srv)
	s.exchange("STAT", "+OK 2 78")
	s.exchange("LIST", "+OK 2 78", "1 51", "2 27", ".")
	s.exchange("LIST 2", "+OK 2 27")
	s.exchange("UIDL", "+OK 2 78", "1 1.1", "2 1.2", ".")
	s.exchange("RETR 2", "+OK", "Subject: dots", "", "..", "...", "end", ".")
	s.exchange("TOP 1 0", "+OK", "From: alice@contoso.com", "Subject: hello", "", ".")
	s.exchange("TOP 2 1", "+OK", "Subject: dots", "", "..", ".")
	s.exchange("RETR 3", "-ERR The specified message is not available.")
	s.exchange("RETR 99999999999999999999", "-ERR …")
	s.exchange("TOP 1", "-ERR …")
	s.exchange("DELE 1", "+OK")
	s.exchange("DELE 1", "-ERR …")
	s.exchange("RSET", "+OK")
	s.exchange("DELE 2", "+OK")
	s.exchange("STAT", "+OK 1 51")
	s.exchange("NOOP", "+OK")
	s.exchange("XTND", "-ERR …")
	s.exchange("", "-ERR …")
	if got, want := len(srv.Messages(alice)), 2; got != want {
		t.Errorf("before QUIT: got %d messages, want %d", got, want)
	}
	s.exchange("QUIT", "+OK …")
	s.closed()
	if got, want := len(srv.Messages(alice)), 1; got != want {
		t.Errorf("after QUIT: got %d messages, want %d", got, want)
	}
	// A deleted message's id is not used again.
	srv.AddMailbox(alice, []byte(hello))
	again := pop3Login(t, srv)
	again.exchange("UIDL 2", "+OK 2 1.3")
}

func TestPOP3KeepsWhatIsNotQuit(t *testing.T) {
	t.Parallel()
	srv := start(t, hello)
	s := pop3Login(t, srv)
	s.exchange("DELE 1", "+OK")
	_ = s.conn.Close()
	again := pop3Login(t, srv)
	again.exchange("STAT", "+OK 1 51")
}

func TestPOP3Pipelining(t *testing.T) {
	t.Parallel()
	srv := start(t, hello, hello)
	srv.OfferPipelining(true)
	s := dial(t, srv, xoauth2.POP3, false)
	s.expect("+OK …")
	s.exchange("CAPA", "+OK", "TOP", "UIDL", "SASL PLAIN XOAUTH2", "USER", "PIPELINING", ".")
	s.exchange("AUTH XOAUTH2", "+ ")
	s.exchange(response(t, alice, userToken(t, srv, alice)), "+OK …")
	s.send(strings.Join(slices.Repeat([]string{"NOOP"}, 100), "\r\n"))
	for range 100 {
		s.expect("+OK")
	}
}
