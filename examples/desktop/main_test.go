package main

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/xoauth2/go-xoauth2"
	"github.com/xoauth2/go-xoauth2/exchangetest"
)

const alice = "alice@contoso.com"

func newServer(t *testing.T) *exchangetest.Server {
	t.Helper()
	srv := exchangetest.NewServer()
	t.Cleanup(srv.Close)
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
	folder := t.TempDir()
	var out bytes.Buffer
	if err := play(t.Context(), &out, srv, folder); err != nil {
		t.Fatalf("got error %v after\n%s", err, &out)
	}
	for _, want := range []string{
		"A sign-in is needed", "Signed in as alice@contoso.com.", "Messages in the mailbox: 2, new: 2.",
		"Signed in as alice@contoso.com, silently.", "Messages in the mailbox: 3, new: 1.",
	} {
		if strings.Count(out.String(), want) != 1 {
			t.Errorf("want %q once in the output:\n%s", want, &out)
		}
	}
	if got := srv.TokenRequests("authorization_code"); got != 1 {
		t.Errorf("got %d sign-ins, want the first start's", got)
	}
	files, err := filepath.Glob(filepath.Join(folder, "mail", alice, "*"))
	if err != nil || len(files) != 3 {
		t.Fatalf("got files %q, %v, want three messages", files, err)
	}
	for i, file := range files {
		got, err := os.ReadFile(file)
		if want := srv.Messages(alice)[i]; err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s holds %q, %v, want %q", file, got, err, want)
		}
	}
	checkSecrets(t, srv, out.String())
}

// program returns the program as alice starts it.
func program(t *testing.T, srv *exchangetest.Server, out io.Writer) *desktop {
	t.Helper()
	return &desktop{
		app:     srv.App(&exchangetest.AppOptions{Public: true}),
		options: srv.DialOptions(),
		browser: &xoauth2.BrowserOptions{Open: srv.Browse},
		mail:    t.TempDir(),
		out:     out,
	}
}

func TestPaste(t *testing.T) {
	t.Parallel()
	srv := newServer(t)
	srv.AddMailbox(alice, message("Hello"))
	srv.SignIn(alice)
	var out bytes.Buffer
	d := program(t, srv, &out)
	keyboard, person := io.Pipe()
	d.browser = pasting(keyboard, screen(func(text string) { go answer(t, srv, text, person) }))
	if err := d.fetch(t.Context()); err != nil {
		t.Fatal(err)
	}
	if want := "Messages in the mailbox: 1, new: 1."; !strings.Contains(out.String(), want) {
		t.Errorf("got %q, want %q", &out, want)
	}
	checkSecrets(t, srv, out.String())
}

// screen is read by a person.
type screen func(text string)

func (s screen) Write(p []byte) (int, error) {
	s(string(p))
	return len(p), nil
}

// answer signs in with a browser on another machine: it does not get to where
// the sign-in leads.
func answer(t *testing.T, srv *exchangetest.Server, text string, keyboard io.Writer) {
	_, text, _ = strings.Cut(text, "https://")
	page, _, _ := strings.Cut(text, "\n")
	browser := *srv.HTTPClient()
	browser.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	response, err := browser.Get("https://" + page)
	if err != nil {
		t.Error(err)
		return
	}
	_ = response.Body.Close()
	if _, err := io.WriteString(keyboard, response.Header.Get("Location")+"\n"); err != nil {
		t.Error(err)
	}
}

func TestDeclined(t *testing.T) {
	t.Parallel()
	srv := newServer(t)
	srv.DeclineSignIn()
	var out, stderr bytes.Buffer
	err := program(t, srv, &out).fetch(t.Context())
	if _, ok := errors.AsType[*xoauth2.TokenError](err); !ok {
		t.Fatalf("got %v, want a *TokenError", err)
	}
	if status := report(&stderr, err); status != 1 || !strings.Contains(stderr.String(), "AADSTS65004") {
		t.Errorf("got status %d and %q, want 1 and the reason", status, &stderr)
	}
}

func TestSignOut(t *testing.T) {
	t.Parallel()
	srv := newServer(t)
	srv.AddMailbox(alice)
	srv.SignIn(alice)
	var out bytes.Buffer
	d := program(t, srv, &out)
	for _, step := range []struct {
		name string
		do   func() error
		want string
	}{
		{"sign in", func() error { _, err := d.signIn(t.Context()); return err }, "Signed in as alice@contoso.com.\n"},
		{"silently", func() error { _, err := d.signIn(t.Context()); return err }, "Signed in as alice@contoso.com, silently.\n"},
		{"sign out", func() error { return d.signOut(t.Context()) }, "alice@contoso.com is signed out.\n"},
		{"again", func() error { return d.signOut(t.Context()) }, "Nobody is signed in.\n"},
	} {
		out.Reset()
		if err := step.do(); err != nil || !strings.HasSuffix(out.String(), step.want) {
			t.Errorf("%s: got %q, %v, want %q", step.name, &out, err, step.want)
		}
	}
}

func TestSeveralAccounts(t *testing.T) {
	t.Parallel()
	srv := newServer(t)
	d := program(t, srv, io.Discard)
	for _, user := range []string{alice, "bob@contoso.com"} {
		srv.SignIn(user)
		if _, err := d.app.BrowserLogin(t.Context(), d.browser); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := d.signIn(t.Context()); err == nil || !strings.Contains(err.Error(), "Use -user") {
		t.Errorf("got %v, want a question", err)
	}
	d.user = "Bob@contoso.com"
	account, err := d.signIn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := account.Username(); got != "bob@contoso.com" {
		t.Errorf("got %s, want bob", got)
	}
}

func TestHostileNames(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	hostile := []xoauth2.POP3Message{{Number: 1, UID: "../../x"}, {Number: 2, UID: ".."}, {Number: 3, UID: `..\x:<>*`}}
	_, files, err := missing(hostile, folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range hostile {
		if file := files[m.Number]; filepath.Dir(file) != folder || strings.ContainsAny(filepath.Base(file), `\:<>*`) {
			t.Errorf("the UID %q leads to %s", m.UID, file)
		}
	}
	if _, _, err := missing([]xoauth2.POP3Message{{Number: 1}}, folder); err == nil {
		t.Error("got no error for a message without UID")
	}
	if folder, err := (&desktop{mail: folder}).folder(".."); err == nil {
		t.Errorf("got the folder %s for a user named ..", folder)
	}
}

func TestHalfAMessage(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	broken := io.MultiReader(strings.NewReader("From: "), iotest.ErrReader(io.ErrUnexpectedEOF))
	if _, err := write(filepath.Join(folder, "1.eml"), broken); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %v, want the reader's error", err)
	}
	if left, err := os.ReadDir(folder); err != nil || len(left) != 0 {
		t.Errorf("got %v, %v, want no file", left, err)
	}
}

func TestUsage(t *testing.T) {
	t.Parallel()
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
		{"no configuration", []string{"-paste"}, nil, 2, "lacks XOAUTH2_CLIENT_ID"},
		{"unknown provider", nil, map[string]string{"XOAUTH2_CLIENT_ID": "c", "XOAUTH2_PROVIDER": "aol"}, 2, "aol"},
		{
			"sign out", []string{"-sign-out", "-store", filepath.Join(t.TempDir(), "none")},
			map[string]string{"XOAUTH2_CLIENT_ID": "c", "XOAUTH2_PROVIDER": "gmail", "XOAUTH2_CLIENT_SECRET": "s"}, 0, "Nobody is signed in",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			getenv := func(name string) string { return test.env[name] }
			if got := run(t.Context(), test.args, getenv, strings.NewReader(""), &out, &out); got != test.status {
				t.Errorf("got status %d, want %d", got, test.status)
			}
			if !strings.Contains(out.String(), test.want) {
				t.Errorf("got %q, want it to contain %q", &out, test.want)
			}
		})
	}
}
