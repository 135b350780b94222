package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/xoauth2/go-xoauth2"
	"github.com/xoauth2/go-xoauth2/exchangetest"
)

// demonstrate prints a token of a fake Entra.
func demonstrate(ctx context.Context, stdout, stderr io.Writer) error {
	folder, err := os.MkdirTemp("", "token-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	srv := exchangetest.NewServer()
	defer srv.Close()
	return play(ctx, stdout, stderr, srv, folder)
}

// play starts the program twice, for alice, who is played.
func play(ctx context.Context, stdout, stderr io.Writer, srv *exchangetest.Server, folder string) error {
	const alice = "alice@contoso.com"
	srv.AddMailbox(alice)
	registered := srv.App(&exchangetest.AppOptions{Public: true})
	// program does as a new process would: of the last start there are files.
	program := func(out io.Writer) *printer {
		return &printer{
			app: &xoauth2.App{
				Provider:   registered.Provider,
				Tenant:     registered.Tenant,
				ClientID:   registered.ClientID,
				HTTPClient: registered.HTTPClient,
				Store:      xoauth2.FileStore(filepath.Join(folder, "sign-in")),
			},
			user: alice, out: out, err: stderr,
		}
	}

	fmt.Fprintln(stderr, "# A fake Entra runs in this process.")
	fmt.Fprintln(stderr, "# token -browser: the person at the browser is played. This token is not shown.")
	srv.SignIn(alice)
	first := program(io.Discard)
	first.browser, first.open = true, srv.Browse
	if err := first.print(ctx); err != nil {
		return err
	}
	fmt.Fprintln(stderr, "# token -protocol imap: silent, as a mail program starts it. It opens nothing but the fake.")
	second := program(stdout)
	second.protocols = []xoauth2.Protocol{xoauth2.IMAP}
	return second.print(ctx)
}
