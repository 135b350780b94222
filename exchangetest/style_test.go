package exchangetest_test

import (
	"encoding/base64"
	"testing"

	"github.com/xoauth2/go-xoauth2"
	"github.com/xoauth2/go-xoauth2/exchangetest"
)

func encoded(document string) string { return base64.StdEncoding.EncodeToString([]byte(document)) }

// TestDocuments checks the error document, how it has to be dismissed, and that
// a good token succeeds afterwards.
func TestDocuments(t *testing.T) {
	t.Parallel()
	srv := start(t)
	srv.SetStyle(exchangetest.Dovecot)
	document := encoded(`{"status":"401","schemes":"bearer","scope":"mail"}`)
	bad, good := response(t, alice, "nonsense"), response(t, alice, userToken(t, srv, alice))

	imap := dial(t, srv, xoauth2.IMAP, false)
	imap.expect("* OK [CAPABILITY IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE LITERAL+ AUTH=XOAUTH2 AUTH=OAUTHBEARER] Dovecot ready.")
	imap.exchange("a1 AUTHENTICATE XOAUTH2 "+bad, "+ "+document)
	imap.exchange("", "a1 NO [AUTHENTICATIONFAILED] Authentication failed.")
	imap.exchange("a2 AUTHENTICATE XOAUTH2 "+bad, "+ "+document)
	imap.exchange("=", "a2 NO [AUTHENTICATIONFAILED] Authentication failed.")
	imap.exchange("a3 AUTHENTICATE XOAUTH2 "+bad, "+ "+document)
	imap.exchange("*", "a3 BAD Authentication aborted by client.")
	imap.exchange("a4 AUTHENTICATE OAUTHBEARER "+bearer(alice, "nonsense"), "+ "+document)
	imap.exchange("AQ==", "a4 NO [AUTHENTICATIONFAILED] Authentication failed.")
	imap.exchange("a5 AUTHENTICATE OAUTHBEARER "+bearer(alice, userToken(t, srv, alice)), "a5 OK [CAPABILITY …")

	pop3 := dial(t, srv, xoauth2.POP3, false)
	pop3.expect("+OK Dovecot ready.")
	pop3.exchange("CAPA", "+OK", "CAPA", "TOP", "UIDL", "RESP-CODES", "PIPELINING", "AUTH-RESP-CODE", "SASL XOAUTH2 OAUTHBEARER", ".")
	pop3.exchange("AUTH XOAUTH2", "+ ")
	pop3.exchange(bad, "+ "+document)
	pop3.exchange("", "-ERR [AUTH] Authentication failed.")
	pop3.exchange("AUTH XOAUTH2 "+good, "+OK Logged in.")

	smtp := dial(t, srv, xoauth2.SMTP, false)
	smtp.expect("220 localhost ESMTP Postfix")
	smtp.exchange("EHLO client.example", "250-localhost", "250-PIPELINING", "250-SIZE 157286400", "250-AUTH XOAUTH2 OAUTHBEARER",
		"250-ENHANCEDSTATUSCODES", "250-8BITMIME", "250-DSN", "250-SMTPUTF8", "250 CHUNKING")
	smtp.exchange("AUTH XOAUTH2 "+bad, "334 "+document)
	smtp.exchange("", "535 5.7.8 Error: authentication failed: (reason unavailable)")
	smtp.exchange("AUTH XOAUTH2 "+good, "235 2.7.0 Authentication successful")
}

func TestGmailIsStrict(t *testing.T) {
	t.Parallel()
	srv := start(t)
	srv.SetStyle(exchangetest.Gmail)
	s := dial(t, srv, xoauth2.IMAP, false)
	s.expect("* OK Gimap ready …")
	document := encoded(`{"status":"400","schemes":"Bearer","scope":"https://mail.google.com/"}`)
	s.exchange("a1 AUTHENTICATE XOAUTH2 "+response(t, alice, "nonsense"), "+ "+document)
	s.exchange("=", "a1 BAD Invalid SASL argument.")
	s.exchange("a2 AUTHENTICATE XOAUTH2 "+response(t, alice, "nonsense"), "+ "+document)
	s.exchange("", "a2 NO [AUTHENTICATIONFAILED] Invalid credentials (Failure)")
	s.exchange("a3 AUTHENTICATE XOAUTH2 "+encoded("user=alice"), "a3 BAD Invalid SASL argument.")
}

func TestOfferMechanisms(t *testing.T) {
	t.Parallel()
	srv := start(t)
	srv.OfferMechanisms("OAUTHBEARER")
	s := dial(t, srv, xoauth2.POP3, false)
	s.expect("+OK …")
	s.exchange("CAPA", "+OK", "TOP", "UIDL", "SASL PLAIN OAUTHBEARER", "USER", ".")
	s.exchange("AUTH XOAUTH2", "-ERR Authentication type is not supported.")
	check(t, srv, alice, srv.TokenSource(alice))

	srv.OfferMechanisms()
	for _, protocol := range []xoauth2.Protocol{xoauth2.IMAP, xoauth2.POP3, xoauth2.SMTP} {
		if err := tryLogin(t, srv, protocol, alice, srv.TokenSource(alice)); err == nil {
			t.Errorf("%v: no mechanism: got success", protocol)
		}
	}
}

func TestStyleHasAName(t *testing.T) {
	t.Parallel()
	for style, want := range map[exchangetest.Style]string{exchangetest.Exchange: "Exchange", exchangetest.Dovecot: "Dovecot", 9: "Style(9)"} {
		if got := style.String(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	for moment, want := range map[exchangetest.Moment]string{exchangetest.AtAccept: "AtAccept", exchangetest.AfterLogin: "AfterLogin", 99: "Moment(99)"} {
		if got := moment.String(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
