package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/xoauth2/go-xoauth2"
)

// desktop is the program.
type desktop struct {
	app     *xoauth2.App
	options *xoauth2.DialOptions
	browser *xoauth2.BrowserOptions
	user    string // the account; empty: the one that is signed in
	mail    string // the folder of the accounts' folders
	out     io.Writer
}

// fetch signs in, silently if it can, and downloads what is new.
func (d *desktop) fetch(ctx context.Context) error {
	account, err := d.signIn(ctx)
	if err != nil {
		return err
	}
	return d.download(ctx, account)
}

// signIn returns the account that signed in earlier, or lets the user sign in.
func (d *desktop) signIn(ctx context.Context) (*xoauth2.Account, error) {
	account, err := d.signedIn(ctx)
	if err == nil {
		fmt.Fprintf(d.out, "Signed in as %s, silently.\n", account.Username())
		return account, nil
	}
	if !errors.Is(err, xoauth2.ErrSignInRequired) {
		return nil, err // an outage, for example, which a sign-in would not help
	}
	fmt.Fprintln(d.out, "A sign-in is needed, with a browser.")
	ctx, cancel := context.WithTimeoutCause(ctx, 5*time.Minute, errors.New("nobody signed in within five minutes"))
	defer cancel()
	options := *d.browser
	options.LoginHint = d.user
	account, err = d.app.BrowserLogin(ctx, &options)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(d.out, "Signed in as %s.\n", account.Username())
	return account, nil
}

// signedIn returns the account that signed in earlier. The first token tells
// whether the sign-in still holds.
func (d *desktop) signedIn(ctx context.Context) (*xoauth2.Account, error) {
	account, err := d.stored(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := account.TokenContext(ctx); err != nil {
		return nil, err
	}
	return account, nil
}

func (d *desktop) stored(ctx context.Context) (*xoauth2.Account, error) {
	if d.user != "" {
		return d.app.Account(ctx, d.user)
	}
	users, err := d.app.Accounts(ctx)
	switch {
	case err != nil:
		return nil, err
	case len(users) == 0:
		return nil, xoauth2.ErrSignInRequired
	case len(users) > 1:
		return nil, fmt.Errorf("several accounts are signed in (%s): which one? Use -user", strings.Join(users, ", "))
	}
	return d.app.Account(ctx, users[0])
}

// signOut forgets the account.
func (d *desktop) signOut(ctx context.Context) error {
	account, err := d.stored(ctx)
	if errors.Is(err, xoauth2.ErrSignInRequired) {
		fmt.Fprintln(d.out, "Nobody is signed in.")
		return nil
	}
	if err != nil {
		return err
	}
	if err := account.SignOut(ctx); err != nil {
		return err
	}
	fmt.Fprintf(d.out, "%s is signed out.\n", account.Username())
	return nil
}

// pasting is for SSH sessions: the browser is on another machine, where nothing
// listens at the address to which the sign-in leads.
func pasting(in io.Reader, out io.Writer) *xoauth2.BrowserOptions {
	return &xoauth2.BrowserOptions{
		Paste: in,
		Open: func(page string) error {
			_, err := fmt.Fprintf(out, `Open this page in a browser, on any machine, and sign in:

  %s

The browser then goes to an address that begins with http://localhost and may say
that it cannot connect: that is expected. Copy that address, whole, and paste it
here:
`, page)
			return err
		},
	}
}
