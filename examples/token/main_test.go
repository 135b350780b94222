package main

import (
	"bytes"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/oauth2"

	"github.com/xoauth2/go-xoauth2"
	"github.com/xoauth2/go-xoauth2/exchangetest"
)

const alice = "alice@contoso.com"

func newServer(t *testing.T) *exchangetest.Server {
	t.Helper()
	srv := exchangetest.NewServer()
	t.Cleanup(srv.Close)
	srv.AddMailbox(alice)
	return srv
}

// checkSecrets checks that no output holds a secret.
func checkSecrets(t *testing.T, srv *exchangetest.Server, output string) {
	t.Helper()
	for _, secret := range srv.Secrets() {
		if strings.Contains(output, secret) {
			t.Errorf("the output holds a secret of %d characters", len(secret))
		}
	}
}

func TestDemonstration(t *testing.T) {
	t.Parallel()
	srv := newServer(t)
	var stdout, stderr bytes.Buffer
	if err := play(t.Context(), &stdout, &stderr, srv, t.TempDir()); err != nil {
		t.Fatalf("got error %v after\n%s", err, &stderr)
	}
	token, ok := strings.CutSuffix(stdout.String(), "\n")
	if !ok || strings.ContainsAny(token, " \r\n") {
		t.Errorf("standard output is not one token and a line break, but %d bytes", stdout.Len())
	}
	// Among all that is secret, it is an access token, the only one that was
	// printed, good for IMAP, and for nothing else.
	if !slices.Contains(srv.Secrets(), token) {
		t.Error("the token is not the server's")
	}
	if scopes := xoauth2.InspectToken(token).Scopes; len(scopes) != 1 || scopes[0] != "IMAP.AccessAsUser.All" {
		t.Errorf("the token is for %q", scopes)
	}
	source := oauth2.StaticTokenSource(&oauth2.Token{AccessToken: token})
	client, err := xoauth2.DialIMAP(t.Context(), alice, source, srv.DialOptions())
	if err != nil {
		t.Fatal(err)
	}
	_ = client.Close()
	if got := srv.TokenRequests("authorization_code"); got != 1 {
		t.Errorf("got %d sign-ins, want the first start's", got)
	}
	if want := "Signed in as alice@contoso.com."; strings.Count(stderr.String(), want) != 1 {
		t.Errorf("want %q once on standard error:\n%s", want, &stderr)
	}
	checkSecrets(t, srv, stderr.String()+strings.ReplaceAll(stdout.String(), token, ""))
}

func TestSilence(t *testing.T) {
	t.Parallel()
	srv := newServer(t)
	var stdout, stderr bytes.Buffer
	p := &printer{app: srv.App(&exchangetest.AppOptions{Public: true}), user: alice, out: &stdout, err: &stderr}
	for _, step := range []struct {
		name    string
		prepare func()
		status  int
		want    string // on standard error
	}{
		{"nobody signed in", func() {}, 1, "token -browser"},
		{"sign-in by device code", func() { p.device = true; srv.SignIn(alice) }, 0, "enter the code"},
		{"silent", func() { p.device = false }, 0, ""},
		{"sessions revoked", func() { srv.RevokeSessions(alice); p.protocols = []xoauth2.Protocol{xoauth2.SMTP} }, 1, "token -browser"},
	} {
		stdout.Reset()
		stderr.Reset()
		step.prepare()
		if status := report(&stderr, p.print(t.Context())); status != step.status {
			t.Errorf("%s: got status %d, want %d", step.name, status, step.status)
		}
		if printed := stdout.Len() > 0; printed != (step.status == 0) {
			t.Errorf("%s: got %d bytes on standard output", step.name, stdout.Len())
		}
		if !strings.Contains(stderr.String(), step.want) || step.want == "" && stderr.Len() > 0 {
			t.Errorf("%s: got %q on standard error, want %q", step.name, &stderr, step.want)
		}
		checkSecrets(t, srv, stderr.String())
	}
}

func TestWrongAccount(t *testing.T) {
	t.Parallel()
	srv := newServer(t)
	srv.SignIn("bob@contoso.com")
	var stdout bytes.Buffer
	p := &printer{
		app: srv.App(&exchangetest.AppOptions{Public: true}), user: alice, browser: true, open: srv.Browse, out: &stdout, err: io.Discard,
	}
	if err := p.print(t.Context()); err == nil || !strings.Contains(err.Error(), "bob@contoso.com signed in") {
		t.Errorf("got %v, want the mistake", err)
	}
	if stdout.Len() > 0 {
		t.Error("a token was printed")
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
		{"half a configuration", nil, map[string]string{"XOAUTH2_MAILBOX": alice}, 2, "lacks XOAUTH2_CLIENT_ID"},
		{"no configuration", []string{"-user", alice}, nil, 2, "lacks XOAUTH2_CLIENT_ID"},
		{"unknown provider", nil, map[string]string{"XOAUTH2_CLIENT_ID": "c", "XOAUTH2_PROVIDER": "aol"}, 2, "aol"},
		{"unknown protocol", []string{"-protocol", "jmap"}, configured, 2, "jmap"},
		{"two ways", []string{"-browser", "-device"}, configured, 2, "-device"},
		{"paste alone", []string{"-paste"}, configured, 2, "-browser -paste"},
		{"nobody signed in", []string{"-store", store}, configured, 1, "token -browser"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var stdout, stderr bytes.Buffer
			getenv := func(name string) string { return test.env[name] }
			if got := run(t.Context(), test.args, getenv, strings.NewReader(""), &stdout, &stderr); got != test.status {
				t.Errorf("got status %d, want %d", got, test.status)
			}
			if !strings.Contains(stderr.String(), test.want) {
				t.Errorf("got %q, want it to contain %q", &stderr, test.want)
			}
			if stdout.Len() > 0 {
				t.Errorf("got %q on standard output", &stdout)
			}
		})
	}
}
