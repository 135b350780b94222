package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/xoauth2/go-xoauth2"
)

// printer is the program.
type printer struct {
	app       *xoauth2.App
	protocols []xoauth2.Protocol // what the token is for; none: all
	user      string             // the account; empty: the one that is signed in

	browser, paste, device bool                    // the ways to sign in
	open                   func(page string) error // nil: the system browser

	in       io.Reader
	out, err io.Writer
}

// print prints a token, after a sign-in if that is needed and allowed.
func (p *printer) print(ctx context.Context) error {
	token, err := p.token(ctx)
	if errors.Is(err, xoauth2.ErrSignInRequired) && (p.browser || p.device) {
		if err := p.signIn(ctx); err != nil {
			return err
		}
		token, err = p.token(ctx)
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(p.out, token.AccessToken)
	return err
}

// token returns a token of the account that signed in earlier, or
// ErrSignInRequired if there is none or its sign-in has ended.
func (p *printer) token(ctx context.Context) (*oauth2.Token, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute) // a mail program waits for it
	defer cancel()
	account, err := p.account(ctx)
	if err != nil {
		return nil, err
	}
	return account.For(p.protocols...).TokenContext(ctx)
}

func (p *printer) account(ctx context.Context) (*xoauth2.Account, error) {
	if p.user != "" {
		return p.app.Account(ctx, p.user)
	}
	users, err := p.app.Accounts(ctx)
	switch {
	case err != nil:
		return nil, err
	case len(users) == 0:
		return nil, xoauth2.ErrSignInRequired
	case len(users) > 1:
		return nil, fmt.Errorf("several accounts are signed in (%s): which one? Use -user", strings.Join(users, ", "))
	}
	return p.app.Account(ctx, users[0])
}

// signIn lets the user sign in, for all protocols at once.
func (p *printer) signIn(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, 5*time.Minute, errors.New("nobody signed in within five minutes"))
	defer cancel()
	account, err := p.login(ctx)
	if err != nil {
		return err
	}
	if p.user != "" && !strings.EqualFold(p.user, account.Username()) {
		// A mail program that logs in as p.user has no use for its token.
		return fmt.Errorf("%s signed in, and %s was asked for: sign in again, or use -user", account.Username(), p.user)
	}
	fmt.Fprintf(p.err, "Signed in as %s.\n", account.Username())
	p.user = account.Username()
	return nil
}

func (p *printer) login(ctx context.Context) (*xoauth2.Account, error) {
	if p.device {
		return p.app.DeviceLogin(ctx, func(code *oauth2.DeviceAuthResponse) error {
			_, err := fmt.Fprintf(p.err, "Open %s in a browser, on any machine, and enter the code %s\n", code.VerificationURI, code.UserCode)
			return err
		})
	}
	options := &xoauth2.BrowserOptions{LoginHint: p.user, Open: p.open}
	if p.paste {
		options.Paste = p.in
		options.Open = p.showPage
	}
	return p.app.BrowserLogin(ctx, options)
}

// showPage asks for a sign-in with a browser on another machine, where nothing
// listens at the address to which the sign-in leads.
func (p *printer) showPage(page string) error {
	_, err := fmt.Fprintf(p.err, `Open this page in a browser, on any machine, and sign in:

  %s

The browser then goes to an address that begins with http://localhost and may say
that it cannot connect: that is expected. Copy that address, whole, and paste it
here:
`, page)
	return err
}
