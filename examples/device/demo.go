package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/oauth2"

	"github.com/xoauth2/go-xoauth2"
	"github.com/xoauth2/go-xoauth2/exchangetest"
)

// demonstrate shows two starts of the program with a fake Exchange.
func demonstrate(ctx context.Context, out io.Writer) error {
	folder, err := os.MkdirTemp("", "device-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	srv := exchangetest.NewServer()
	defer srv.Close()
	return play(ctx, out, srv, folder)
}

// play starts the program twice, for alice, who is played.
func play(ctx context.Context, out io.Writer, srv *exchangetest.Server, folder string) error {
	const alice, bob = "alice@contoso.com", "bob@contoso.com"
	srv.AddMailbox(alice)
	srv.AddMailbox(bob)
	registered := srv.App(&exchangetest.AppOptions{Public: true})
	// start does as a new process would: of the last start there are files.
	start := func(show func(*oauth2.DeviceAuthResponse) error) error {
		d := &device{
			app: &xoauth2.App{
				Provider:   registered.Provider,
				Tenant:     registered.Tenant,
				ClientID:   registered.ClientID,
				HTTPClient: registered.HTTPClient,
				Protocols:  []xoauth2.Protocol{xoauth2.SMTP},
				Store:      xoauth2.FileStore(filepath.Join(folder, "sign-in")),
			},
			options: srv.DialOptions(),
			show:    show,
			out:     out,
		}
		if err := d.send(ctx, []string{bob}, nil); err != nil {
			return err
		}
		fmt.Fprintf(out, "# Messages in bob's mailbox: %d.\n", len(srv.Messages(bob)))
		return nil
	}

	fmt.Fprintln(out, "# A fake Entra and a fake Exchange run in this process.")
	fmt.Fprintln(out, "# The first start.")
	err := start(func(code *oauth2.DeviceAuthResponse) error {
		if err := showOn(out)(code); err != nil {
			return err
		}
		fmt.Fprintln(out, "# The person with the code is played: alice enters it, on another machine.")
		srv.SignIn(alice)
		return nil
	})
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "\n# The second start. Nobody is asked.")
	return start(func(*oauth2.DeviceAuthResponse) error { return errors.New("the second start was to be silent") })
}
