package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/xoauth2/go-xoauth2"
	"github.com/xoauth2/go-xoauth2/exchangetest"
)

// demonstrate shows two starts of the program with a fake Exchange.
func demonstrate(ctx context.Context, out io.Writer) error {
	folder, err := os.MkdirTemp("", "desktop-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	srv := exchangetest.NewServer()
	defer srv.Close()
	return play(ctx, out, srv, folder)
}

// play starts the program twice, as alice, who is played.
func play(ctx context.Context, out io.Writer, srv *exchangetest.Server, folder string) error {
	const alice = "alice@contoso.com"
	registered := srv.App(&exchangetest.AppOptions{Public: true})
	// start does as a new process would: of the last start there are files.
	start := func(open func(page string) error) error {
		d := &desktop{
			app: &xoauth2.App{
				Provider:   registered.Provider,
				Tenant:     registered.Tenant,
				ClientID:   registered.ClientID,
				HTTPClient: registered.HTTPClient,
				Protocols:  []xoauth2.Protocol{xoauth2.POP3},
				Store:      xoauth2.FileStore(filepath.Join(folder, "sign-in")),
			},
			options: srv.DialOptions(),
			browser: &xoauth2.BrowserOptions{Open: open},
			mail:    filepath.Join(folder, "mail"),
			out:     out,
		}
		return d.fetch(ctx)
	}

	fmt.Fprintln(out, "# A fake Entra and a fake Exchange run in this process.")
	fmt.Fprintln(out, "# The first start. The person at the browser is played: alice signs in.")
	srv.AddMailbox(alice, message("First"), message("Second"))
	srv.SignIn(alice)
	if err := start(srv.Browse); err != nil {
		return err
	}
	fmt.Fprintln(out, "\n# The second start, after a message has come in. Nobody is at the browser.")
	srv.AddMailbox(alice, message("Third"))
	return start(func(string) error { return errors.New("the second start was to be silent") })
}

func message(subject string) []byte {
	return []byte("From: bob@contoso.com\r\nTo: alice@contoso.com\r\nSubject: " + subject + "\r\n\r\nHello.\r\n")
}
