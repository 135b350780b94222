package exchangetest_test

import (
	"errors"
	"fmt"
	"net"
	netsmtp "net/smtp"
	"net/textproto"
	"strings"
	"testing"

	"github.com/emersion/go-smtp"

	"github.com/xoauth2/go-xoauth2"
	"github.com/xoauth2/go-xoauth2/exchangetest"
)

const capabilities = "250-SIZE 157286400|250-PIPELINING|250-DSN|250-ENHANCEDSTATUSCODES|%s|250-8BITMIME|250-BINARYMIME|250-CHUNKING|250 SMTPUTF8"

func hellos(line string) []string {
	return append([]string{"250-AM0PR06CA0126.eurprd06.prod.outlook.com Hello [127.0.0.1]"}, strings.Split(fmt.Sprintf(capabilities, line), "|")...)
}

func TestSMTPDialogue(t *testing.T) {
	t.Parallel()
	srv := start(t)
	s := dial(t, srv, xoauth2.SMTP, true)
	s.expect("220 AM0PR06CA0126.eurprd06.prod.outlook.com Microsoft ESMTP MAIL Service ready at …")
	s.exchange("EHLO client.example", hellos("250-STARTTLS")...)
	s.exchange("MAIL FROM:<alice@contoso.com>", "451 5.7.3 STARTTLS is required to send mail […")
	s.exchange("AUTH XOAUTH2 secret", "504 5.7.4 Unrecognized authentication type […")
	s.exchange("EHLO under_score", "501 5.5.4 Invalid domain name […")
	s.exchange("STARTTLS", "220 2.0.0 SMTP server ready")
	s.secure(srv)
	s.exchange("STARTTLS", "503 5.5.2 …")
	s.exchange("EHLO client.example", hellos("250-AUTH LOGIN XOAUTH2")...)
	s.exchange("MAIL FROM:<alice@contoso.com>", "530 5.7.57 Client not authenticated to send mail. [AM0PR06CA0126.eurprd06.prod.outlook.com 20…")
	s.exchange("AUTH PLAIN AGEAYg==", "504 5.7.4 …")
	s.exchange("AUTH LOGIN", "334 VXNlcm5hbWU6")
	s.exchange("YWxpY2U=", "334 UGFzc3dvcmQ6")
	s.exchange("c2VjcmV0", "550 5.7.30 Basic authentication is not supported for Client Submission. […")
	s.exchange("AUTH XOAUTH2 "+response(t, alice, "nonsense"), "535 5.7.3 Authentication unsuccessful [AM0PR06CA0126.eurprd06.prod.outlook.com 20…")
	s.exchange("AUTH XOAUTH2", "334 ")
	s.exchange("*", "501 5.7.0 …")
	s.exchange("NOOP", "250 2.0.0 OK")
	s.exchange("WHAT", "500 5.3.3 Unrecognized command 'WHAT' […")
	s.exchange("AUTH XOAUTH2", "334 ")
	s.exchange(response(t, alice, userToken(t, srv, alice)), "235 2.7.0 Authentication successful")
	s.exchange("MAIL FROM:<alice@contoso.com>", "250 …")
	s.exchange("RCPT TO:<bob@contoso.com>", "250 …")
	s.exchange("DATA", "354 …")
	s.exchange("..dot\r\n.", "250 …")
	s.exchange("QUIT", "221 …")
	s.closed()
	if got, want := srv.Messages(bob), ".dot\r\n"; len(got) != 1 || string(got[0]) != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := srv.SentMessages(), 1; got != want {
		t.Errorf("got %d sent messages, want %d", got, want)
	}
}

func TestSMTPLimitsAuthLines(t *testing.T) {
	t.Parallel()
	srv := start(t)
	srv.LimitAuthLine(512)
	s := dial(t, srv, xoauth2.SMTP, false)
	s.expect("220 …")
	s.exchange("EHLO client.example", hellos("250-AUTH LOGIN XOAUTH2")...)
	good := response(t, alice, userToken(t, srv, alice))
	s.exchange("AUTH XOAUTH2 "+good, "500 5.5.2 Line too long")
	s.exchange("AUTH XOAUTH2", "334 ")
	s.exchange(good, "235 2.7.0 Authentication successful")
}

// TestSMTPWithNetSMTP drives the server with a client that is not ours.
func TestSMTPWithNetSMTP(t *testing.T) {
	t.Parallel()
	srv := start(t)
	addr := srv.Addr(xoauth2.SMTP, true)
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	client, err := netsmtp.NewClient(conn, "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	config := srv.TLSConfig()
	config.ServerName = "127.0.0.1"
	if err := client.StartTLS(config); err != nil {
		t.Fatal(err)
	}
	if err := client.Auth(xoauth2.NewSMTPAuth(alice, srv.TokenSource(alice))); err != nil {
		t.Fatal(err)
	}
	if err := client.Mail(alice); err != nil {
		t.Fatal(err)
	}
	if err := client.Rcpt("nobody@example.net"); err != nil {
		t.Fatal(err)
	}
	w, err := client.Data()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte(hello)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := client.Quit(); err != nil {
		t.Fatal(err)
	}
	if got := srv.Messages("nobody@example.net"); len(got) != 1 || string(got[0]) != hello {
		t.Errorf("got %q, want %q", got, hello)
	}
}

// submit sends a message by a new connection, and returns the refusal.
func submit(t *testing.T, srv *exchangetest.Server, from, header string) *smtp.SMTPError {
	t.Helper()
	client := dialSMTP(t, srv)
	err := client.SendMail(from, []string{bob}, strings.NewReader(header+"\r\n"))
	var refusal *smtp.SMTPError
	if err != nil && !errors.As(err, &refusal) {
		t.Fatal(err)
	}
	return refusal
}

func dialSMTP(t *testing.T, srv *exchangetest.Server) *smtp.Client {
	t.Helper()
	client, err := xoauth2.DialSMTP(t.Context(), alice, srv.TokenSource(alice), srv.DialOptions())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func TestSMTPSendAs(t *testing.T) {
	t.Parallel()
	srv := start(t)
	denied := "SendAsDenied; " + alice + " not allowed to send as " + shared + ";"
	for _, sender := range []struct{ from, header string }{{shared, ""}, {alice, "From: Shared <" + shared + ">\r\n"}} {
		refusal := submit(t, srv, sender.from, sender.header)
		if refusal == nil || refusal.Code != 554 || refusal.EnhancedCode != (smtp.EnhancedCode{5, 2, 252}) || !strings.HasPrefix(refusal.Message, denied) {
			t.Errorf("%+v: got %+v, want 554 5.2.252 %s", sender, refusal, denied)
		}
	}
	srv.GrantSendAs(shared, alice)
	if refusal := submit(t, srv, shared, "From: "+shared+"\r\n"); refusal != nil {
		t.Errorf("with SendAs: got %+v", refusal)
	}
}

func TestSMTPSubmissionLimits(t *testing.T) {
	t.Parallel()
	srv := start(t)
	clients := []*smtp.Client{dialSMTP(t, srv), dialSMTP(t, srv), dialSMTP(t, srv), dialSMTP(t, srv)}
	send := func(c *smtp.Client) string {
		err := c.SendMail(alice, []string{bob}, strings.NewReader("\r\n"))
		var refusal *smtp.SMTPError
		if errors.As(err, &refusal) {
			return fmt.Sprint(refusal.Code, refusal.EnhancedCode, strings.Fields(refusal.Message)[0])
		}
		return ""
	}
	if got, want := send(clients[0]), "432 [4 3 2]Concurrent"; got != want {
		t.Errorf("with four connections: got %q, want %q", got, want)
	}
	if err := clients[3].Quit(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { return srv.OpenConnections(xoauth2.SMTP) == 3 })
	for i := range 30 {
		if got := send(clients[0]); got != "" {
			t.Fatalf("message %d: got %q", i, got)
		}
	}
	if got, want := send(clients[0]), "432 [4 3 2]STOREDRV.ClientSubmit;"; got != want {
		t.Errorf("the 31st message: got %q, want %q", got, want)
	}
	srv.LimitSubmission(0, 0)
	if got := send(clients[0]); got != "" {
		t.Errorf("without limits: got %q", got)
	}
}

func TestSMTPClosesAfterQuit(t *testing.T) {
	t.Parallel()
	srv := start(t)
	conn, err := textproto.Dial("tcp", srv.Addr(xoauth2.SMTP, true))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, _, err := conn.ReadResponse(220); err != nil {
		t.Fatal(err)
	}
	if err := conn.PrintfLine("QUIT"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := conn.ReadResponse(221); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { return srv.OpenConnections() == 0 })
}
