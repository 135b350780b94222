//go:build linux

package xoauth2_test

import (
	"context"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/xoauth2/go-xoauth2"
	"github.com/xoauth2/go-xoauth2/exchangetest"
	"github.com/xoauth2/go-xoauth2/internal/realserver"
)

// chromium is a real browser without a window.
type chromium struct{ program string }

// visit opens a page, and returns the document at which it ends up.
func (c chromium) visit(t *testing.T, page string) (string, error) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, c.program,
		"--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync",
		"--ignore-certificate-errors", "--user-data-dir="+t.TempDir(), "--dump-dom", page)
	document, err := command.Output() // what it says on the other stream is about the machine
	return string(document), err
}

// TestBrowserChromium lets a real browser take the answer to the listener, and
// looks at the page that it shows then.
func TestBrowserChromium(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts a browser")
	}
	browser := chromium{realserver.Program(t, "chromium", "chromium")}
	tests := []struct {
		name, mode string
		start      func(*exchangetest.Server)
		code       string // of the refusal; empty: none
		shown      []string
	}{
		{"by GET", "query", func(srv *exchangetest.Server) { srv.SignIn(ada) }, "", []string{"<h1>Signed in</h1>"}},
		{"by form_post", "form_post", func(srv *exchangetest.Server) { srv.SignIn(ada) }, "", []string{"<h1>Signed in</h1>"}},
		{"refusal", "query", (*exchangetest.Server).DeclineSignIn, "access_denied", []string{"<h1>Sign-in failed</h1>", "access_denied", "AADSTS65004"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			srv := newExchange(t)
			tt.start(srv)
			documents := make(chan string, 1)
			open := func(page string) error {
				document, err := browser.visit(t, withParameter(t, page, "response_mode", tt.mode))
				documents <- document
				return err
			}
			account, err := publicApp(srv).BrowserLogin(t.Context(), &xoauth2.BrowserOptions{Open: open})
			if tt.code == "" && (err != nil || account.Username() != ada) {
				t.Errorf("got %v, want %s", err, ada)
			}
			if tt.code != "" && wantTokenError(t, err).Code != tt.code {
				t.Errorf("got %v, want %s", err, tt.code)
			}
			checkLandingPage(t, srv, <-documents, tt.shown)
		})
	}
}

// checkLandingPage looks for what the page must show, and for what it must not:
// secrets, and anything that a browser would load or run.
func checkLandingPage(t *testing.T, srv *exchangetest.Server, document string, shown []string) {
	t.Helper()
	for _, words := range shown {
		if !strings.Contains(document, words) {
			t.Errorf("the page lacks %q:\n%s", words, document)
		}
	}
	for _, secret := range srv.Secrets() {
		if strings.Contains(document, secret) {
			t.Error("the page shows a secret")
		}
	}
	for _, word := range []string{"<script", "<img", "<link", "<form", "src=", "href=", "@import", "url("} {
		if strings.Contains(document, word) {
			t.Errorf("the page holds %q", word)
		}
	}
}
