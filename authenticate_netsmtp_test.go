package xoauth2_test

import (
	"crypto/tls"
	"errors"
	"net/smtp"
	"net/textproto"
	"strings"
	"sync"
	"testing"

	"golang.org/x/oauth2"

	"github.com/xoauth2/go-xoauth2"
)

// connectNetSMTP makes a client of net/smtp, which said EHLO.
func connectNetSMTP(t *testing.T, h *mailHost, startTLS bool) *smtp.Client {
	t.Helper()
	conn, err := h.DialContext(t.Context(), "tcp", "")
	if err != nil {
		t.Fatal(err)
	}
	config := authority().client()
	config.ServerName = hostOf
	if !startTLS {
		conn = tls.Client(conn, config)
	}
	client, err := smtp.NewClient(conn, hostOf)
	if err == nil && startTLS {
		err = client.StartTLS(config)
	}
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func TestNetSMTP(t *testing.T) {
	t.Parallel()
	const document = "+ eyJzdGF0dXMiOiI0MDAiLCJzY2hlbWVzIjoiQmVhcmVyIn0="
	tests := []struct {
		name  string
		token string
		auth  []string
		code  int // of the refusal; 0: success
	}{
		{"inline", canaryToken, []string{"235 2.7.0 welcome"}, 0},
		{"two steps", strings.Repeat(canary, 100), []string{"+ ", "235 2.7.0 welcome"}, 0},
		{"refused", canaryToken, []string{"535 5.7.3 no", "501 5.5.1 what"}, 535},
		{"refused with a document", canaryToken, []string{document, "535 5.7.8 no", "501 5.5.1 what"}, 535},
		{"refused in two steps", strings.Repeat(canary, 100), []string{"+ ", "535 5.7.3 no"}, 535},
		{"refused in two steps with a document", strings.Repeat(canary, 100), []string{"+ ", document, "535 5.7.8 no"}, 535},
		{"temporary", canaryToken, []string{"454 4.7.0 later"}, 454},
	}
	for _, tt := range tests {
		for _, startTLS := range []bool{false, true} {
			w := way{xoauth2.SMTP, startTLS}
			t.Run(w.String()+"/"+tt.name, func(t *testing.T) {
				t.Parallel()
				h := newMailHost(t, (&butler{way: w, auth: tt.auth}).script)
				client := connectNetSMTP(t, h, startTLS)
				source := oauth2.StaticTokenSource(&oauth2.Token{AccessToken: tt.token})
				err := client.Auth(xoauth2.NewSMTPAuth(testUser, source))
				refusal, ok := errors.AsType[*textproto.Error](err)
				if (err == nil) != (tt.code == 0) || err != nil && (!ok || refusal.Code != tt.code) {
					t.Errorf("trap 4: got error %v, want the code %d", err, tt.code)
				}
				if err != nil {
					assertSecret(t, err)
				}
				client.Close()
				h.finish(t)
				for _, line := range h.lines() {
					if len(line) > 510 && strings.HasPrefix(line, "AUTH") {
						t.Errorf("got a command line of %d bytes, want at most 510", len(line))
					}
				}
			})
		}
	}
}

func TestNetSMTPNeedsTLS(t *testing.T) {
	t.Parallel()
	for _, name := range []string{hostOf, "localhost", "127.0.0.1"} {
		h := newMailHost(t, (&butler{way: way{proto: xoauth2.SMTP}, auth: []string{"235 welcome"}}).serve)
		conn, err := h.DialContext(t.Context(), "tcp", "")
		if err != nil {
			t.Fatal(err)
		}
		client, err := smtp.NewClient(conn, name)
		if err != nil {
			t.Fatal(err)
		}
		if err := client.Auth(xoauth2.NewSMTPAuth(testUser, canarySource())); err == nil || !strings.Contains(err.Error(), "not protected by TLS") {
			t.Errorf("%s: got error %v, want that TLS is missing", name, err)
		}
		client.Close()
		h.finish(t)
		h.assertNoLogin(t)
	}
}

// TestNetSMTPManyLogins shares one Auth among logins at once.
func TestNetSMTPManyLogins(t *testing.T) {
	t.Parallel()
	source := oauth2.StaticTokenSource(&oauth2.Token{AccessToken: strings.Repeat(canary, 100)})
	auth := xoauth2.NewSMTPAuth(testUser, source)
	var logins sync.WaitGroup
	for i := range 30 {
		logins.Go(func() {
			accepted := i%3 > 0
			replies := []string{"+ ", "235 2.7.0 welcome"}
			if !accepted {
				replies = []string{"+ ", "+ eyJzdGF0dXMiOiI0MDAifQ==", "535 5.7.8 no"}
			}
			h := newMailHost(t, (&butler{way: way{proto: xoauth2.SMTP}, auth: replies}).script)
			client := connectNetSMTP(t, h, false)
			if err := client.Auth(auth); (err == nil) != accepted {
				t.Errorf("got error %v, want success: %v", err, accepted)
			}
			client.Close()
			h.finish(t)
		})
	}
	logins.Wait()
}
