package xoauth2_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-smtp"
	"golang.org/x/oauth2"

	"github.com/xoauth2/go-xoauth2"
)

// TestAuthenticateNeedsTLS has clients whose connections everybody can read.
func TestAuthenticateNeedsTLS(t *testing.T) {
	t.Parallel()
	offers := map[xoauth2.Protocol][]string{
		xoauth2.IMAP: {"AUTH=XOAUTH2 SASL-IR STARTTLS", "AUTH=XOAUTH2 starttls LOGINDISABLED"},
		xoauth2.POP3: {"XOAUTH2"},
		xoauth2.SMTP: {"XOAUTH2", "XOAUTH2 STARTTLS"},
	}
	for _, proto := range []xoauth2.Protocol{xoauth2.IMAP, xoauth2.POP3, xoauth2.SMTP} {
		for _, offer := range offers[proto] {
			t.Run(proto.String()+"/"+offer, func(t *testing.T) {
				t.Parallel()
				w := way{proto: proto}
				b := &butler{way: w, offers: offer, auth: []string{w.welcome()}}
				h := newMailHost(t, b.serve)
				conn, err := h.DialContext(t.Context(), "tcp", w.addr())
				if err != nil {
					t.Fatal(err)
				}
				client := w.newClient(t, conn)
				err = w.authenticate(t.Context(), client, testUser, canarySource())
				if err == nil || !strings.Contains(err.Error(), "not protected") && !strings.Contains(err.Error(), "not TLS") {
					t.Errorf("trap 8: got error %v, want that the connection is not protected", err)
				}
				h.assertClosed(t)
				h.finish(t)
				h.assertNoLogin(t)
				client.Close()
			})
		}
	}
}

// TestAuthenticateLoginDisabled has a server that says within TLS what matters
// to passwords only, as Dovecot may.
func TestAuthenticateLoginDisabled(t *testing.T) {
	t.Parallel()
	w := way{proto: xoauth2.IMAP}
	h := newMailHost(t, (&butler{way: w, offers: "LOGINDISABLED AUTH=XOAUTH2 SASL-IR", auth: []string{w.welcome()}}).script)
	client := w.connect(t, h)
	if err := w.authenticate(t.Context(), client, testUser, canarySource()); err != nil {
		t.Errorf("got error %v, want none", err)
	}
	client.Close()
	h.finish(t)
}

func TestAuthenticateNoClient(t *testing.T) {
	t.Parallel()
	for name, err := range map[string]error{
		"IMAP": xoauth2.AuthenticateIMAP(t.Context(), nil, testUser, canarySource()),
		"POP3": xoauth2.AuthenticatePOP3(t.Context(), nil, testUser, canarySource()),
		"SMTP": xoauth2.AuthenticateSMTP(t.Context(), nil, testUser, canarySource()),
	} {
		if err == nil || !strings.HasPrefix(err.Error(), "xoauth2: "+name+": ") {
			t.Errorf("%s: got error %v, want one", name, err)
		}
	}
}

// TestAuthenticateRefusesCredentials shows that nothing is said for a credential
// that would break the dialogue.
func TestAuthenticateRefusesCredentials(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, user, token, want string }{
		{"user with a line break", testUser + "\r\n", canaryToken, "line break"},
		{"no user", "", canaryToken, "empty user name"},
		{"token with a line break", testUser, canaryToken + "\n", "line break"},
		{"no token", testUser, "", "empty access token"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			callersWays(t, func(t *testing.T, w way) {
				h := newMailHost(t, (&butler{way: w, auth: []string{w.welcome()}}).script)
				client := w.connect(t, h)
				source := oauth2.StaticTokenSource(&oauth2.Token{AccessToken: tt.token})
				err := w.authenticate(t.Context(), client, tt.user, source)
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("got error %v, want %q", err, tt.want)
				}
				assertSecret(t, err)
				client.Close()
				h.finish(t)
				h.assertNoLogin(t)
			})
		})
	}
}

// TestAuthenticateDebugWriter shows that a caller's own log of the connection
// neither sees the token nor is lost.
func TestAuthenticateDebugWriter(t *testing.T) {
	t.Parallel()
	for name, auth := range map[string][]string{
		"accepted": {"235 2.7.0 welcome"},
		"refused":  {"535 5.7.3 no"},
		"document": {"+ eyJzdGF0dXMiOiI0MDAifQ==", "535 5.7.3 no"},
		"nonsense": {"nonsense"},
		"hangs up": {"!"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := way{proto: xoauth2.SMTP}
			h := newMailHost(t, (&butler{way: w, auth: auth}).script)
			client := w.connect(t, h).(*smtp.Client)
			var log bytes.Buffer
			client.DebugWriter = &log
			xoauth2.AuthenticateSMTP(t.Context(), client, testUser, canarySource())
			if client.DebugWriter != &log {
				t.Error("got another DebugWriter after the login, want the caller's")
			}
			client.Close()
			h.finish(t)
			assertNoCanary(t, "trap 8: the DebugWriter", log.String())
			if strings.Contains(log.String(), "dXNlcj1") || !strings.Contains(log.String(), "EHLO") {
				t.Errorf("got %q in the DebugWriter, want EHLO without the login", log.String())
			}
		})
	}
}

// TestAuthenticateHandshakeFails has go-smtp clients that began STARTTLS for a
// name, or for none, that the certificate does not have. go-smtp keeps that to itself.
func TestAuthenticateHandshakeFails(t *testing.T) {
	t.Parallel()
	w := way{xoauth2.SMTP, true}
	for _, name := range []string{"", "mail.evil.test"} {
		h := newMailHost(t, (&butler{way: w, auth: []string{w.welcome()}}).script)
		conn, err := h.DialContext(t.Context(), "tcp", w.addr())
		if err != nil {
			t.Fatal(err)
		}
		config := authority().client()
		config.ServerName = name
		client, err := smtp.NewClientStartTLS(conn, config)
		if err != nil {
			t.Fatal(err)
		}
		err = xoauth2.AuthenticateSMTP(t.Context(), client, testUser, canarySource())
		if err == nil || errors.Is(err, xoauth2.ErrNotAdvertised) || name != "" && !errors.As(err, new(x509.HostnameError)) {
			t.Errorf("trap 7: got error %v for the name %q, want what TLS says", err, name)
		}
		h.assertClosed(t)
		h.finish(t)
		h.assertNoLogin(t)
	}
}

// TestSMTPClientAfterLogin shows that a client is whole after a login, and after
// a refused one.
func TestSMTPClientAfterLogin(t *testing.T) {
	t.Parallel()
	for _, startTLS := range []bool{false, true} {
		w := way{xoauth2.SMTP, startTLS}
		t.Run(w.String()+"/dialled", func(t *testing.T) {
			t.Parallel()
			h := newMailHost(t, (&butler{way: w, auth: []string{w.welcome()}}).script)
			client, err := xoauth2.DialSMTP(t.Context(), testUser, canarySource(), w.options(h))
			if err != nil {
				t.Fatal(err)
			}
			checkSMTPClient(t, h, client)
		})
		for _, reply := range []string{w.welcome(), w.no(), "535-5.7.8 no\r\n535 5.7.8 no", "454 4.7.0 later", "554"} {
			t.Run(w.String()+"/"+reply, func(t *testing.T) {
				t.Parallel()
				h := newMailHost(t, (&butler{way: w, auth: []string{reply}}).script)
				client := w.connect(t, h).(*smtp.Client)
				err := xoauth2.AuthenticateSMTP(t.Context(), client, testUser, canarySource())
				if (err == nil) != (reply == w.welcome()) || err != nil && !isAuthError(err) {
					t.Errorf("got error %v for %q", err, reply)
				}
				checkSMTPClient(t, h, client)
			})
		}
	}
}

func checkSMTPClient(t *testing.T, h *mailHost, client *smtp.Client) {
	t.Helper()
	if state, ok := client.TLSConnectionState(); !ok || !state.HandshakeComplete || state.Version < tls.VersionTLS12 {
		t.Errorf("got the TLS state %v, %v, want TLS 1.2 or newer", state.Version, ok)
	}
	if client.DebugWriter != nil {
		t.Error("got a DebugWriter, want none")
	}
	message := strings.NewReader("Subject: x\r\n\r\n.dot\r\n")
	if err := client.SendMail(testUser, []string{"bob@contoso.test"}, message); err != nil {
		t.Errorf("SendMail: got error %v, want none", err)
	}
	if err := client.Noop(); err != nil {
		t.Errorf("Noop: got error %v, want none", err)
	}
	if err := client.Quit(); err != nil {
		t.Errorf("Quit: got error %v, want none", err)
	}
	h.finish(t)
	for _, line := range h.lines() {
		if line == "*" {
			t.Error(`trap 5: got a stray "*" from the client`)
		}
	}
}

// TestAuthenticateSMTPBounded has a server that never ends its reply to EHLO,
// which a caller's client has not said yet.
func TestAuthenticateSMTPBounded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := way{proto: xoauth2.SMTP}
		h := newPipeHost(t, func(p *peer) {
			p.handshake()
			p.say("220 ready")
			p.expect("EHLO")
			p.flood(strings.Repeat("250-hi\r\n", 1000))
		})
		h.growth = newGrowth()
		client := w.connect(t, h)
		err := w.authenticate(t.Context(), client, testUser, canarySource())
		if !isOtherError(err) {
			t.Errorf("got error %v, want one about the reply", err)
		}
		h.assertClosed(t)
		h.finish(t)
		h.growth.assertBounded(t)
	})
}

// TestAuthenticateIMAPWire shows that go-imap's own exchange gets past the error
// document.
func TestAuthenticateIMAPWire(t *testing.T) {
	t.Parallel()
	w := way{proto: xoauth2.IMAP}
	for _, offers := range []string{"AUTH=XOAUTH2 SASL-IR", "AUTH=XOAUTH2"} {
		t.Run(offers, func(t *testing.T) {
			t.Parallel()
			auth := []string{"+ eyJzdGF0dXMiOiI0MDAifQ==", w.no()}
			if !strings.Contains(offers, "SASL-IR") {
				auth = append([]string{"+ "}, auth...)
			}
			h := newMailHost(t, (&butler{way: w, offers: offers, auth: auth}).script)
			client := w.connect(t, h).(*imapclient.Client)
			err := xoauth2.AuthenticateIMAP(context.Background(), client, testUser, canarySource())
			if refused, ok := errors.AsType[*xoauth2.AuthError](err); !ok || refused.Server == nil || refused.Server.Status != "400" {
				t.Errorf("got error %v, want an AuthError with the document", err)
			}
			client.Close()
			h.finish(t)
			if lines := h.lines(); lines[len(lines)-1] != "AQ==" {
				t.Errorf(`trap 1: got %q in answer to the document, want "AQ=="`, lines[len(lines)-1])
			}
		})
	}
}
