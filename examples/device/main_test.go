package main

import (
	"bytes"
	"io"
	"net/mail"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/xoauth2/go-xoauth2/exchangetest"
)

const (
	alice = "alice@contoso.com"
	bob   = "bob@contoso.com"
)

func newServer(t *testing.T) *exchangetest.Server {
	t.Helper()
	srv := exchangetest.NewServer()
	t.Cleanup(srv.Close)
	srv.AddMailbox(alice)
	srv.AddMailbox(bob)
	return srv
}

func checkSecrets(t *testing.T, srv *exchangetest.Server, output string) {
	t.Helper()
	secrets := srv.Secrets()
	if len(secrets) == 0 {
		t.Error("the server saw no secrets")
	}
	for _, secret := range secrets {
		if strings.Contains(output, secret) {
			t.Errorf("the output holds a secret of %d characters", len(secret))
		}
	}
}

func TestDemonstration(t *testing.T) {
	t.Parallel()
	srv := newServer(t)
	var out bytes.Buffer
	if err := play(t.Context(), &out, srv, t.TempDir()); err != nil {
		t.Fatalf("got error %v after\n%s", err, &out)
	}
	for _, want := range []string{
		"/devicelogin in a browser", "Signed in as alice@contoso.com.", "# Messages in bob's mailbox: 1.",
		"Signed in as alice@contoso.com, silently.", "# Messages in bob's mailbox: 2.",
	} {
		if strings.Count(out.String(), want) != 1 {
			t.Errorf("want %q once in the output:\n%s", want, &out)
		}
	}
	for _, message := range srv.Messages(bob) {
		checkMessage(t, message)
	}
	checkSecrets(t, srv, out.String())
}

// checkMessage checks that a message came as it should be.
func checkMessage(t *testing.T, octets []byte) {
	t.Helper()
	message, err := mail.ReadMessage(bytes.NewReader(octets))
	if err != nil {
		t.Error(err)
		return
	}
	if _, err := message.Header.Date(); err != nil {
		t.Errorf("got %v for the date", err)
	}
	for header, want := range map[string]string{"From": "<" + alice + ">", "To": "<" + bob + ">", "Subject": "Hello from a device"} {
		if got := message.Header.Get(header); got != want {
			t.Errorf("%s is %q, want %q", header, got, want)
		}
	}
}

func TestGivenMessage(t *testing.T) {
	t.Parallel()
	srv := newServer(t)
	const text = "From: alice@contoso.com\nSubject: Report\n\n.\nAll is well.\n"
	file := filepath.Join(t.TempDir(), "report.eml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, from := range []string{file, "-"} {
		message, err := read(from, strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		d := &device{app: srv.App(&exchangetest.AppOptions{Public: true}), options: srv.DialOptions(), show: showOn(&out), out: &out}
		srv.SignIn(alice)
		if err := d.send(t.Context(), nil, message); err != nil {
			t.Fatal(err)
		}
	}
	got := srv.Messages(alice) // to herself
	want := strings.ReplaceAll(text, "\n", "\r\n")
	if len(got) != 2 || !strings.HasSuffix(string(got[0]), want) || !strings.HasSuffix(string(got[1]), want) {
		t.Errorf("got %q, want two messages that end in %q", got, want)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		prepare func(*exchangetest.Server)
		want    string
	}{
		{"declined", func(s *exchangetest.Server) { s.DeclineSignIn() }, "authorization_declined"},
		{"Conditional Access", func(s *exchangetest.Server) { s.SignIn(alice); s.FailDeviceCode(53003) }, "BrowserLogin"},
		{"no Send As", func(s *exchangetest.Server) { s.SignIn(alice); s.DenySendAs() }, "Add-RecipientPermission"},
		{"SMTP is off", func(s *exchangetest.Server) { s.SignIn(alice); s.DisableSMTPForMailbox() }, "Set-CASMailbox"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			srv := newServer(t)
			test.prepare(srv)
			d := &device{app: srv.App(&exchangetest.AppOptions{Public: true}), options: srv.DialOptions(), show: showOn(io.Discard), out: io.Discard}
			var stderr bytes.Buffer
			if status := report(&stderr, d.send(t.Context(), []string{bob}, nil)); status != 1 || !strings.Contains(stderr.String(), test.want) {
				t.Errorf("got status %d and %q, want 1 and %q", status, &stderr, test.want)
			}
			if got := srv.SentMessages(); got != 0 {
				t.Errorf("got %d sent messages", got)
			}
			for _, secret := range srv.Secrets() {
				if strings.Contains(stderr.String(), secret) {
					t.Error("the explanation holds a secret")
				}
			}
		})
	}
}

func TestSample(t *testing.T) {
	t.Parallel()
	checkMessage(t, sample(alice, []string{bob}, time.Now()))
	message, err := mail.ReadMessage(bytes.NewReader(sample(alice, []string{bob, alice}, time.Now())))
	if err != nil {
		t.Fatal(err)
	}
	if to, err := message.Header.AddressList("To"); err != nil || len(to) != 2 {
		t.Errorf("got recipients %v, %v, want two", to, err)
	}
}

func TestUsage(t *testing.T) {
	t.Parallel()
	configured := map[string]string{"XOAUTH2_CLIENT_ID": "c"}
	store := filepath.Join(t.TempDir(), "none")
	for _, test := range []struct {
		name   string
		args   []string
		env    map[string]string
		status int
		want   string
	}{
		{"help", []string{"-h"}, nil, 0, "XOAUTH2_CLIENT_ID"},
		{"unknown flag", []string{"-x"}, nil, 2, "-x"},
		{"argument", []string{"x"}, nil, 2, `unexpected argument "x"`},
		{"half a configuration", nil, map[string]string{"XOAUTH2_TENANT": "t"}, 2, "lacks XOAUTH2_CLIENT_ID"},
		{"no configuration", []string{"-to", bob}, nil, 2, "lacks XOAUTH2_CLIENT_ID"},
		{"no device flow", nil, map[string]string{"XOAUTH2_CLIENT_ID": "c", "XOAUTH2_PROVIDER": "gmail"}, 2, "gmail"},
		{"no address", []string{"-to", "bob", "-store", store}, configured, 2, "-to"},
		{"no file", []string{"-message", "no-such-file", "-store", store}, configured, 2, "no-such-file"},
		{"empty message", []string{"-message", "-", "-store", store}, configured, 2, "empty"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			getenv := func(name string) string { return test.env[name] }
			if got := run(t.Context(), test.args, getenv, strings.NewReader(" \n"), &out, &out); got != test.status {
				t.Errorf("got status %d, want %d", got, test.status)
			}
			if !strings.Contains(out.String(), test.want) {
				t.Errorf("got %q, want it to contain %q", &out, test.want)
			}
		})
	}
}
