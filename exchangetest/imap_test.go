package exchangetest_test

import (
	"encoding/base64"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"github.com/xoauth2/go-xoauth2"
	"github.com/xoauth2/go-xoauth2/exchangetest"
)

func TestIMAPGreetsWithItsNameOnly(t *testing.T) {
	t.Parallel()
	s := dial(t, start(t), xoauth2.IMAP, false)
	greeting := s.line()
	const before = "* OK The Microsoft Exchange IMAP4 service is ready. ["
	if len(greeting) < len(before)+1 || greeting[:len(before)] != before {
		t.Fatalf("got %q, want %q and a name", greeting, before)
	}
	octets, err := base64.StdEncoding.DecodeString(greeting[len(before) : len(greeting)-1])
	if err != nil {
		t.Fatal(err)
	}
	var units []uint16
	for i := 0; i+1 < len(octets); i += 2 {
		units = append(units, uint16(octets[i])|uint16(octets[i+1])<<8)
	}
	if got, want := string(utf16.Decode(units)), "AM0PR06CA0126.eurprd06.prod.outlook.com"; got != want {
		t.Errorf("got the name %q, want %q", got, want)
	}
}

func TestIMAPDialogue(t *testing.T) {
	t.Parallel()
	srv := start(t, hello)
	good, bad := response(t, alice, userToken(t, srv, alice)), response(t, alice, "nonsense")
	s := dial(t, srv, xoauth2.IMAP, false)
	s.expect("* OK The Microsoft Exchange IMAP4 service is ready. […")
	s.exchange("a1 CAPABILITY",
		"* CAPABILITY IMAP4 IMAP4rev1 AUTH=PLAIN AUTH=XOAUTH2 SASL-IR UIDPLUS MOVE ID UNSELECT CHILDREN IDLE NAMESPACE LITERAL+",
		"a1 OK CAPABILITY completed.")
	s.exchange("a2 NOOP", "a2 OK NOOP completed.")
	s.exchange(`a3 ID NIL`, "* ID …", "a3 OK ID completed.")
	s.exchange("a4 SELECT INBOX", "a4 BAD Command received in Invalid state.")
	s.exchange("a5 LOGIN alice secret", "a5 NO LOGIN failed.")
	s.exchange("a6 AUTHENTICATE GSSAPI", "a6 BAD Command Argument Error. 12")
	s.exchange("a7 AUTHENTICATE XOAUTH2 "+bad, "a7 NO AUTHENTICATE failed.")
	s.exchange("a8 AUTHENTICATE XOAUTH2", "+ ")
	s.exchange("*", "a8 BAD AUTHENTICATE cancelled.")
	s.exchange("a9 AUTHENTICATE XOAUTH2", "+ ")
	s.exchange("!", "a9 NO AUTHENTICATE failed.")
	s.exchange("b1 AUTHENTICATE XOAUTH2", "+ ")
	s.exchange(good, "b1 OK AUTHENTICATE completed.")
	s.exchange("b2 EXAMINE INBOX", "* 1 EXISTS")
	if got, want := srv.Logins(xoauth2.IMAP), 1; got != want {
		t.Errorf("got %d logins, want %d", got, want)
	}
	if got, want := srv.RefusedLogins(), 1; got != want {
		t.Errorf("got %d refused logins, want %d", got, want)
	}
}

func TestIMAPStartTLS(t *testing.T) {
	t.Parallel()
	srv := start(t)
	s := dial(t, srv, xoauth2.IMAP, true)
	s.expect("* OK …")
	s.exchange("a1 CAPABILITY", "* CAPABILITY IMAP4 IMAP4rev1 SASL-IR UIDPLUS MOVE ID UNSELECT CHILDREN IDLE NAMESPACE LITERAL+ LOGINDISABLED STARTTLS", "a1 OK …")
	s.exchange("a2 AUTHENTICATE XOAUTH2 secret", "a2 BAD Command received in Invalid state.")
	s.exchange("a3 STARTTLS", "a3 OK Begin TLS negotiation now.")
	s.secure(srv)
	s.exchange("a4 STARTTLS", "a4 BAD Command received in Invalid state.")
	s.exchange("a5 AUTHENTICATE XOAUTH2 "+response(t, alice, userToken(t, srv, alice)), "a5 OK AUTHENTICATE completed.")
	s.exchange("a6 LOGOUT", "* BYE …", "a6 OK …")
	s.closed()
}

func TestIMAPTakesLongTokens(t *testing.T) {
	t.Parallel()
	srv := start(t)
	srv.IssueLongTokens(20_000)
	token := userToken(t, srv, alice)
	if len(token) < 20_000 {
		t.Fatalf("got a token of %d characters", len(token))
	}
	s := dial(t, srv, xoauth2.IMAP, false)
	s.expect("* OK …")
	s.exchange("a1 AUTHENTICATE XOAUTH2 "+response(t, alice, token), "a1 OK AUTHENTICATE completed.")
}

// connect returns a go-imap client whose login was done by hand.
func connect(t *testing.T, srv *exchangetest.Server, options *imapclient.Options) *imapclient.Client {
	t.Helper()
	client, err := xoauth2.DialIMAP(t.Context(), alice, srv.TokenSource(alice), withIMAP(srv, options))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func withIMAP(srv *exchangetest.Server, options *imapclient.Options) *xoauth2.DialOptions {
	o := srv.DialOptions()
	o.IMAP = options
	return o
}

func TestIMAPIdleReportsNewMail(t *testing.T) {
	t.Parallel()
	srv := start(t, hello)
	counts := make(chan uint32, 10)
	client := connect(t, srv, &imapclient.Options{UnilateralDataHandler: &imapclient.UnilateralDataHandler{
		Mailbox: func(data *imapclient.UnilateralDataMailbox) {
			if data.NumMessages != nil {
				counts <- *data.NumMessages
			}
		},
	}})
	if _, err := client.Select("INBOX", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	for len(counts) > 0 {
		<-counts // what SELECT said
	}
	// One message comes before IDLE, one during it.
	srv.AddMailbox(alice, []byte(hello))
	idle, err := client.Idle()
	if err != nil {
		t.Fatal(err)
	}
	if got, want := <-counts, uint32(2); got != want {
		t.Errorf("got %d messages, want %d", got, want)
	}
	srv.AddMailbox(alice, []byte(hello))
	if got, want := <-counts, uint32(3); got != want {
		t.Errorf("got %d messages, want %d", got, want)
	}
	if err := idle.Close(); err != nil {
		t.Fatal(err)
	}
	if err := idle.Wait(); err != nil {
		t.Fatal(err)
	}
}

func TestIMAPSessionEndsWithItsToken(t *testing.T) {
	t.Parallel()
	srv := start(t)
	var ahead atomic.Int64
	begin := time.Now()
	srv.SetClock(func() time.Time { return begin.Add(time.Duration(ahead.Load())) })
	srv.SetTokenLifetime(5 * time.Second)
	s := dial(t, srv, xoauth2.IMAP, false)
	s.expect("* OK …")
	s.exchange("a1 AUTHENTICATE XOAUTH2 "+response(t, alice, userToken(t, srv, alice)), "a1 OK AUTHENTICATE completed.")
	s.exchange("a2 SELECT INBOX", "* 0 EXISTS")
	ahead.Store(int64(time.Minute))
	for line := s.line(); line != "* BYE Session invalidated - AccessTokenExpired"; line = s.line() {
	}
	s.closed()
}

func TestIMAPFolders(t *testing.T) {
	t.Parallel()
	srv := start(t, hello, hello, hello)
	client := connect(t, srv, nil)
	if _, err := client.Select("INBOX", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Move(imap.SeqSetNum(1), "Deleted Items").Wait(); err != nil {
		t.Fatal(err)
	}
	if got, want := len(srv.Messages(alice)), 2; got != want {
		t.Errorf("after MOVE: got %d messages, want %d", got, want)
	}
	if _, err := client.Copy(imap.SeqSetNum(1), "Sent Items").Wait(); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Select("Sent Items", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Copy(imap.SeqSetNum(1), "INBOX").Wait(); err != nil {
		t.Fatal(err)
	}
	appended := "Subject: appended\r\n\r\n\r\n"
	command := client.Append("INBOX", int64(len(appended)), nil)
	if _, err := command.Write([]byte(appended)); err != nil {
		t.Fatal(err)
	}
	if err := command.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := command.Wait(); err != nil {
		t.Fatal(err)
	}
	var got string
	for _, m := range srv.Messages(alice) {
		got += string(m)
	}
	if want := hello + hello + hello + appended; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	deleted := &imap.StoreFlags{Op: imap.StoreFlagsAdd, Flags: []imap.Flag{imap.FlagDeleted}}
	if _, err := client.Select("INBOX", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	if err := client.Store(imap.SeqSetNum(1, 2, 3), deleted, nil).Close(); err != nil {
		t.Fatal(err)
	}
	if err := client.Expunge().Close(); err != nil {
		t.Fatal(err)
	}
	if got, want := len(srv.Messages(alice)), 1; got != want {
		t.Errorf("after EXPUNGE: got %d messages, want %d", got, want)
	}
}
