package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/mail"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/xoauth2/go-xoauth2"
)

// device is the program.
type device struct {
	app     *xoauth2.App
	options *xoauth2.DialOptions
	user    string // the account; empty: the one that is signed in
	show    func(*oauth2.DeviceAuthResponse) error
	out     io.Writer
}

// showOn tells the user on a screen where to go.
func showOn(out io.Writer) func(*oauth2.DeviceAuthResponse) error {
	return func(code *oauth2.DeviceAuthResponse) error {
		_, err := fmt.Fprintf(out, "Open %s in a browser, on any machine, and enter the code %s\nuntil %s.\n",
			code.VerificationURI, code.UserCode, code.Expiry.Local().Format(time.TimeOnly))
		return err
	}
}

// signIn returns the account that signed in earlier, or lets the user sign in.
func (d *device) signIn(ctx context.Context) (*xoauth2.Account, error) {
	account, err := d.signedIn(ctx)
	if err == nil {
		fmt.Fprintf(d.out, "Signed in as %s, silently.\n", account.Username())
		return account, nil
	}
	if !errors.Is(err, xoauth2.ErrSignInRequired) {
		return nil, err // an outage, for example, which a sign-in would not help
	}
	account, err = d.app.DeviceLogin(ctx, d.show)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(d.out, "Signed in as %s.\n", account.Username())
	return account, nil
}

// signedIn returns the account that signed in earlier. The first token tells
// whether the sign-in still holds.
func (d *device) signedIn(ctx context.Context) (*xoauth2.Account, error) {
	user := d.user
	if user == "" {
		users, err := d.app.Accounts(ctx)
		switch {
		case err != nil:
			return nil, err
		case len(users) == 0:
			return nil, xoauth2.ErrSignInRequired
		case len(users) > 1:
			return nil, fmt.Errorf("several accounts are signed in (%s): which one? Set XOAUTH2_MAILBOX", strings.Join(users, ", "))
		}
		user = users[0]
	}
	account, err := d.app.Account(ctx, user)
	if err != nil {
		return nil, err
	}
	if _, err := account.TokenContext(ctx); err != nil {
		return nil, err
	}
	return account, nil
}

// send signs in, silently if it can, and sends a message, or a sample if it is
// nil, to the recipients, or to the user if there are none.
func (d *device) send(ctx context.Context, to []string, message []byte) error {
	account, err := d.signIn(ctx)
	if err != nil {
		return err
	}
	from := account.Username() // Exchange lets nobody send as somebody else
	if len(to) == 0 {
		to = []string{from}
	}
	if message == nil {
		message = sample(from, to, time.Now())
	}
	client, err := xoauth2.DialSMTP(ctx, from, account, d.options)
	if err != nil {
		return err
	}
	defer client.Close()
	stop := context.AfterFunc(ctx, func() { client.Close() }) // go-smtp knows no contexts
	defer stop()
	err = client.SendMail(from, to, bytes.NewReader(message))
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return fmt.Errorf("sending the message: %w", err)
	}
	fmt.Fprintf(d.out, "Sent %d octets to %s.\n", len(message), strings.Join(to, ", "))
	_ = client.Quit() // the message is sent, whatever comes of this
	return nil
}

// sample returns a message, for addresses that were checked.
func sample(from string, to []string, now time.Time) []byte {
	_, domain, _ := strings.Cut(from, "@")
	return []byte(strings.Join([]string{
		"From: <" + from + ">",
		"To: <" + strings.Join(to, ">, <") + ">",
		"Subject: Hello from a device",
		"Date: " + now.Format(time.RFC1123Z),
		"Message-ID: <" + rand.Text() + "@" + domain + ">",
		"MIME-Version: 1.0",
		"Content-Type: text/plain; charset=utf-8",
		"",
		"This device has no browser, and can send mail.",
		"",
	}, "\r\n"))
}

// parseAddresses returns the addresses of a list.
func parseAddresses(list string) ([]string, error) {
	if list == "" {
		return nil, nil
	}
	parsed, err := mail.ParseAddressList(list)
	if err != nil {
		return nil, err
	}
	var addresses []string
	for _, a := range parsed {
		addresses = append(addresses, a.Address)
	}
	return addresses, nil
}
