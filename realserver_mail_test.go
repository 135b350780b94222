//go:build linux

package xoauth2_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-smtp"

	"github.com/xoauth2/go-xoauth2"
	"github.com/xoauth2/go-xoauth2/internal/realserver"
)

var (
	realIMAP = realService{xoauth2.IMAP, false, realserver.IMAPS}
	realPOP3 = realService{xoauth2.POP3, false, realserver.POP3S}
	realSMTP = realService{xoauth2.SMTP, false, realserver.SMTPS}
)

// TestRealServersMail does with the sessions what they are for.
func TestRealServersMail(t *testing.T) {
	t.Parallel()
	w := newRealWorld(t, realserver.Options{Mailboxes: []string{"carol@contoso.test", "dave@contoso.test"}})
	for name, test := range map[string]func(*testing.T){
		"sent, then read":  w.testSendAndRead,
		"to the outside":   w.testOutside,
		"1,000 messages":   w.testRetrAll,
		"IDLE":             w.testIdle,
		"mailbox verified": w.testVerifyMailbox,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t)
		})
	}
}

func (w *realWorld) dialIMAP(t *testing.T, user string, opts *imapclient.Options) *imapclient.Client {
	t.Helper()
	o := w.options(realIMAP)
	o.IMAP = opts
	c, err := xoauth2.DialIMAP(t.Context(), user, w.entra.TokenSource(user), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func (w *realWorld) dialPOP3(t *testing.T, user string) *xoauth2.POP3Client {
	t.Helper()
	c, err := xoauth2.DialPOP3(t.Context(), user, w.entra.TokenSource(user), w.options(realPOP3))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func (w *realWorld) dialSMTP(t *testing.T, user string, s realService) *smtp.Client {
	t.Helper()
	c, err := xoauth2.DialSMTP(t.Context(), user, w.entra.TokenSource(user), w.options(s))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// newMail returns a message with lines that the protocols treat specially, and
// no header missing that a server would add.
func newMail(from, to, subject string) string {
	return "From: <" + from + ">\r\nTo: <" + to + ">\r\nSubject: " + subject + "\r\n" +
		"Date: Sat, 21 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@fabrikam.test>\r\n" +
		"\r\n.\r\n..\r\n.dots\r\n\r\nCafé\r\n"
}

func (w *realWorld) testSendAndRead(t *testing.T) {
	for _, s := range realServices() {
		if s.proto != xoauth2.SMTP {
			continue
		}
		reader := map[bool]string{false: "carol@contoso.test", true: "dave@contoso.test"}[s.startTLS]
		mail := newMail(testUser, reader, s.String())
		c := w.dialSMTP(t, testUser, s)
		if err := c.SendMail(testUser, []string{reader}, strings.NewReader(mail)); err != nil {
			t.Fatal(err)
		}
		if err := c.Quit(); err != nil {
			t.Errorf("%v: got %v from QUIT", s, err)
		}
		if got := w.AwaitLog(t, "to=<"+reader+">"); !strings.Contains(got, "status=sent") {
			t.Errorf("%v: got %q, want the mail delivered", s, got)
		}
		if got := w.fetch(t, reader); len(got) != 1 || !strings.HasSuffix(got[0], mail) {
			t.Errorf("%v: got by IMAP %q, want one message that ends in %q", s, got, mail)
		}
		if got := w.retrieve(t, reader); len(got) != 1 || !strings.HasSuffix(got[0], mail) {
			t.Errorf("%v: got by POP3 %q, want one message that ends in %q", s, got, mail)
		}
	}
}

// fetch returns the messages of a mailbox by IMAP.
func (w *realWorld) fetch(t *testing.T, user string) (messages []string) {
	t.Helper()
	c := w.dialIMAP(t, user, nil)
	selected, err := c.Select("INBOX", nil).Wait()
	if err != nil {
		t.Fatal(err)
	}
	section := &imap.FetchItemBodySection{Peek: true}
	all := imap.SeqSet{{Start: 1, Stop: selected.NumMessages}}
	fetched, err := c.Fetch(all, &imap.FetchOptions{BodySection: []*imap.FetchItemBodySection{section}}).Collect()
	if err != nil {
		t.Fatal(err)
	}
	for _, message := range fetched {
		messages = append(messages, string(message.FindBodySection(section)))
	}
	if err := c.Logout().Wait(); err != nil {
		t.Errorf("got %v from LOGOUT", err)
	}
	return messages
}

// retrieve returns the messages of a mailbox by POP3.
func (w *realWorld) retrieve(t *testing.T, user string) (messages []string) {
	t.Helper()
	c := w.dialPOP3(t, user)
	err := c.RetrAll(nil, func(_ int, r io.Reader) error {
		message, err := io.ReadAll(r)
		messages = append(messages, string(message))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Quit(); err != nil {
		t.Errorf("got %v from QUIT", err)
	}
	return messages
}

// testOutside makes sure that the harness is harmless.
func (w *realWorld) testOutside(t *testing.T) {
	err := w.dialSMTP(t, testUser, realSMTP).SendMail(testUser, []string{"erin@fabrikam.test"}, strings.NewReader("\r\n"))
	if err == nil || !strings.Contains(err.Error(), "nothing leaves this machine") {
		t.Errorf("got %v for a foreign address, want that it is refused", err)
	}
}

func (w *realWorld) testRetrAll(t *testing.T) {
	const user, count = "collector@contoso.test", 1000
	mails := make([][]byte, count)
	for i := range mails {
		body := strings.Repeat(".a line that begins with a dot\r\n", i%50)
		mails[i] = []byte(newMail(testUser, user, fmt.Sprintf("message %d", i+1)) + body)
	}
	w.Deliver(t, user, mails...)
	c := w.dialPOP3(t, user)
	listed, err := c.List()
	if err != nil || len(listed) != count || listed[count-1].UID == "" {
		t.Fatalf("got %d messages, error %v, want %d with unique ids", len(listed), err, count)
	}
	next := 0
	err = c.RetrAll(nil, func(n int, r io.Reader) error {
		got, err := io.ReadAll(r)
		if n != next+1 || !bytes.Equal(got, mails[next]) {
			return fmt.Errorf("got as number %d %q, want as number %d %q", n, got, next+1, mails[next])
		}
		next++
		return err
	})
	if err != nil || next != count {
		t.Errorf("got %d messages, error %v, want %d", next, err, count)
	}
	if err := c.Quit(); err != nil {
		t.Errorf("got %v from QUIT", err)
	}
}

// testIdle uses what go-imap can do only if it knows the capabilities, and has
// the connection to itself.
func (w *realWorld) testIdle(t *testing.T) {
	const user = "idler@contoso.test"
	arrived := make(chan struct{}, 1)
	c := w.dialIMAP(t, user, &imapclient.Options{UnilateralDataHandler: &imapclient.UnilateralDataHandler{
		Mailbox: func(data *imapclient.UnilateralDataMailbox) {
			if data.NumMessages != nil && *data.NumMessages == 1 { // at first, Dovecot may tell that it is 0
				arrived <- struct{}{}
			}
		},
	}})
	if caps := c.Caps(); !caps.Has(imap.CapIdle) || !caps.Has(imap.CapMove) {
		t.Errorf("got capabilities %v, want those of after the login", caps)
	}
	if got := c.State(); got != imap.ConnStateAuthenticated {
		t.Errorf("got state %v, want authenticated", got)
	}
	if _, err := c.Select("INBOX", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	idle, err := c.Idle()
	if err != nil {
		t.Fatal(err)
	}
	w.Deliver(t, user, []byte(newMail(testUser, user, "wake up")))
	select {
	case <-arrived:
	case <-time.After(time.Minute):
		t.Error("got no news of the message")
	}
	if err := idle.Close(); err != nil {
		t.Fatal(err)
	}
	if err := idle.Wait(); err != nil {
		t.Fatal(err)
	}
	fetched, err := c.Fetch(imap.SeqSetNum(1), &imap.FetchOptions{Envelope: true}).Collect()
	if err != nil || len(fetched) != 1 || fetched[0].Envelope.Subject != "wake up" {
		t.Errorf("got %d messages, error %v, want the new one", len(fetched), err)
	}
}

func (w *realWorld) testVerifyMailbox(t *testing.T) {
	const locked = "locked@contoso.test"
	w.Lock(t, locked)
	for _, s := range realServices() {
		if s.proto == xoauth2.SMTP {
			continue
		}
		opts := w.options(s)
		opts.VerifyMailbox = true
		session, err := s.dial(t.Context(), testUser, w.entra.TokenSource(testUser), opts)
		if err != nil {
			t.Errorf("%v: got %v for an open mailbox, want success", s, err)
			continue
		}
		if err := session.noop(); err != nil {
			t.Errorf("%v: got %v from the session, want it usable", s, err)
		}
		session.Close()
		_, err = s.dial(t.Context(), locked, w.entra.TokenSource(locked), opts)
		var refused *xoauth2.AuthError
		switch {
		case err == nil:
			t.Errorf("%v: got success for a locked mailbox", s)
		case s.proto == xoauth2.IMAP:
			if !errors.As(err, &refused) || realReply(err) != "NO SERVERBUG" {
				t.Errorf("%v: got %v for a locked mailbox, want an AuthError with SERVERBUG", s, err)
			}
		case !strings.Contains(err.Error(), "-ERR [SYS/TEMP]"):
			// Dovecot says so unasked, before or after it is sent STAT.
			t.Errorf("%v: got %v for a locked mailbox, want SYS/TEMP", s, err)
		}
	}
}
