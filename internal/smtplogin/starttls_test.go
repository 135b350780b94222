package smtplogin_test

import (
	"crypto/tls"
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/emersion/go-smtp"

	"github.com/xoauth2/go-xoauth2/internal/smtplogin"
	"github.com/xoauth2/go-xoauth2/internal/wire"
)

func TestGreeting(t *testing.T) {
	t.Parallel()
	tests := []struct{ greeting, text, err string }{
		{"220 mail.contoso.test ready\r\n", "mail.contoso.test ready", ""},
		{"220-mail.contoso.test\r\n220 ready\r\n", "mail.contoso.test\nready", ""},
		{"220  mail.contoso.test\r\n", "mail.contoso.test", ""},
		{"220\r\n", "", ""},
		{"220 ready\n", "ready", ""},
		{"554 5.3.2 no service\r\n", "", "no service"},
		{"421-4.3.2 busy\r\n421 4.3.2 go away\r\n", "", "busy\ngo away"},
		{"250 ready\r\n", "", "250"},
		{"220-a\r\n250 b\r\n", "", "unexpected"},
		{"220_a\r\n", "", "unexpected"},
		{"22\r\n", "", "unexpected"},
		{"999 a\r\n", "", "unexpected"},
		{"* OK ready\r\n", "", "unexpected"},
		{"\r\n", "", "unexpected"},
		{"220 rea", "", "EOF"},
		{"", "", "EOF"},
		{strings.Repeat("220-a\r\n", 1001), "", "longer than 1000 lines"},
		{strings.Repeat("220-"+strings.Repeat("a", 60_000)+"\r\n", 30), "", "bytes before the login"},
	}
	for _, tt := range tests {
		text, err := smtplogin.Greeting(wire.NewConn(newServer(tt.greeting), nil))
		if text != tt.text || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%.50q: got %q, error %v, want %q, %q", tt.greeting, text, err, tt.text, tt.err)
		}
	}
}

func TestStartTLS(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		replies []string
		heard   string
		code    int // of a refusal
		err     string
	}{
		{"agreed", []string{"250-hi\r\n250 STARTTLS\r\n", "220 begin\r\n"}, "EHLO client.example|STARTTLS", 0, ""},
		{"lower case", []string{"250-hi\r\n250-size 5\r\n250 starttls\r\n", "220 begin\r\n"}, "EHLO client.example|STARTTLS", 0, ""},
		{"refused", []string{"250-hi\r\n250 STARTTLS\r\n", "454 4.7.0 no\r\n"}, "EHLO client.example|STARTTLS", 454, "no"},
		{"not offered", []string{"250-STARTTLS\r\n250-XSTARTTLS\r\n250 X STARTTLS\r\n"}, "EHLO client.example", 0, "does not offer"},
		{"no extensions", []string{"250 STARTTLS\r\n"}, "EHLO client.example", 0, "does not offer"},
		{"EHLO refused", []string{"502 5.5.1 what\r\n"}, "EHLO client.example", 502, "what"},
		{"hangs up", []string{"250-hi\r\n250 STARTTLS\r\n"}, "EHLO client.example|STARTTLS", 0, "EOF"},
	}
	for _, tt := range tests {
		s := newServer(append([]string{"220 hi\r\n"}, tt.replies...)...)
		conn := wire.NewConn(s, nil)
		if _, err := smtplogin.Greeting(conn); err != nil {
			t.Fatal(err)
		}
		err := smtplogin.StartTLS(conn, "client.example")
		if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%s: got error %v, want %q", tt.name, err, tt.err)
		}
		if refusal, ok := errors.AsType[*smtp.SMTPError](err); ok != (tt.code > 0) || ok && refusal.Code != tt.code {
			t.Errorf("%s: got error %#v, want the code %d", tt.name, err, tt.code)
		}
		if got := strings.Join(s.heard, "|"); got != tt.heard {
			t.Errorf("%s: got %q from the client, want %q", tt.name, got, tt.heard)
		}
	}
}

// TestResume shows that go-smtp goes on with TLS, and that nothing of the past
// that it makes up gets to the server.
func TestResume(t *testing.T) {
	t.Parallel()
	near, far := net.Pipe()
	defer far.Close()
	client, err := smtp.NewClientStartTLS(smtplogin.Resume(near), &tls.Config{ServerName: "mail.contoso.test"})
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := client.TLSConnectionState(); !ok {
		t.Error("got a client without TLS")
	}
	done := make(chan error)
	go func() { done <- client.Hello("client.example") }()
	first := make([]byte, 3)
	if _, err := far.Read(first); err != nil || first[0] != 0x16 || first[1] != 3 {
		t.Errorf("got % x, error %v, from the client first, want a TLS handshake", first, err)
	}
	near.Close()
	if err := <-done; err == nil {
		t.Error("got no error from a connection that is closed")
	}
}
