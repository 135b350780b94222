package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"os"
	"path/filepath"

	"github.com/xoauth2/go-xoauth2"
	"github.com/xoauth2/go-xoauth2/exchangetest"
)

const alice, bob = "alice@contoso.com", "bob@contoso.com"

// demonstrate lets two played people use the application.
func demonstrate(ctx context.Context, out io.Writer) error {
	folder, err := os.MkdirTemp("", "webapp-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	srv := exchangetest.NewServer()
	defer srv.Close()
	return play(ctx, out, srv, folder)
}

// serveFake serves the fake's mailboxes to people with browsers.
func serveFake(ctx context.Context, addr string, stderr io.Writer) error {
	folder, err := os.MkdirTemp("", "webapp-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	srv := exchangetest.NewServer()
	defer srv.Close()
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	defer listener.Close()
	base, err := publicURL("", listener.Addr())
	if err != nil {
		return err
	}
	fmt.Fprintf(stderr, `# A fake Entra and a fake Exchange run in this process. Open %s,
# sign in as %s or %s, and let the browser go on when it warns of
# the certificate of the fake sign-in page.
`, base, alice, bob)
	return serve(ctx, newFakeSite(srv, base, folder, slog.New(slog.NewTextHandler(stderr, nil))), base, listener)
}

// newFakeSite returns the application as it is registered with the fake, with
// some mail.
func newFakeSite(srv *exchangetest.Server, base, folder string, log *slog.Logger) *site {
	srv.AddMailbox(alice,
		mail("Carol <carol@contoso.com>", "Lunch?", "Mon, 02 Nov 2026 09:15:00 +0000"),
		mail("Dave <dave@contoso.com>", "=?utf-8?q?Caf=C3=A9_receipts?=", "Tue, 03 Nov 2026 16:40:00 +0000"),
		mail("eve@example.com", "<script>alert(1)</script>", "Wed, 04 Nov 2026 03:33:00 +0000"))
	srv.AddMailbox(bob, mail("Carol <carol@contoso.com>", "Minutes of Monday's meeting", "Mon, 02 Nov 2026 11:00:00 +0000"))
	var key [32]byte
	_, _ = rand.Read(key[:]) // never fails, by its documentation
	app := srv.App(&exchangetest.AppOptions{Name: "Mail", RedirectURL: base + redirectPath})
	app.Protocols = []xoauth2.Protocol{xoauth2.IMAP}
	app.Store = xoauth2.EncryptedStore(xoauth2.FileStore(filepath.Join(folder, "sign-ins")), key)
	return newSite(app, srv.DialOptions(), log)
}

func mail(from, subject, date string) []byte {
	return []byte("From: " + from + "\r\nDate: " + date + "\r\nSubject: " + subject + "\r\n\r\nHello.\r\n")
}

// play is a visit by alice and bob.
func play(ctx context.Context, out io.Writer, srv *exchangetest.Server, folder string) error {
	server := httptest.NewUnstartedServer(nil)
	base := "https://" + server.Listener.Addr().String()
	handler, err := newFakeSite(srv, base, folder, slog.New(slog.DiscardHandler)).handler(base)
	if err != nil {
		return err
	}
	server.Config.Handler = handler
	server.StartTLS()
	defer server.Close()

	fmt.Fprintln(out, "# A fake Entra, a fake Exchange, and the application run in this process. The people are played.")
	people := make(map[string]*person)
	for _, name := range []string{alice, bob} {
		if people[name], err = newPerson(ctx, out, name, server, srv.TLSConfig()); err != nil {
			return err
		}
		defer people[name].client.CloseIdleConnections()
	}
	for _, step := range []struct {
		note, who, method, path string
	}{
		{"", alice, http.MethodGet, "/"},
		{alice + " presses the button, and signs in at Entra.", alice, http.MethodPost, "/sign-in"},
		{bob + " does so too, with another browser.", bob, http.MethodPost, "/sign-in"},
		{"Each sees their own mail.", alice, http.MethodGet, "/"},
		{alice + " signs out, " + bob + " stays.", alice, http.MethodPost, "/sign-out"},
		{"", bob, http.MethodGet, "/"},
		{"", bob, http.MethodPost, "/sign-out"},
	} {
		if step.note != "" {
			fmt.Fprintln(out, "#", step.note)
		}
		if step.path == "/sign-in" {
			srv.SignIn(step.who)
		}
		if err := people[step.who].visit(step.method, step.path); err != nil {
			return err
		}
	}
	fmt.Fprintln(out, "# With -listen localhost:8080 the application waits for your browser.")
	return nil
}

// newPerson returns a person with a browser of their own, which trusts the
// application's and the fake Entra's certificates.
func newPerson(ctx context.Context, out io.Writer, name string, server *httptest.Server, trust *tls.Config) (*person, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	trust.RootCAs = trust.RootCAs.Clone()
	trust.RootCAs.AddCert(server.Certificate())
	client := &http.Client{Jar: jar, Transport: &http.Transport{TLSClientConfig: trust}}
	return &person{ctx: ctx, out: out, name: name, client: client, base: server.URL}, nil
}
