// Quickstart shows the whole of package xoauth2 in one run. It starts a fake
// Entra and a fake Exchange in the process, gets tokens by every grant, logs in
// over IMAP, POP3 and SMTP, sends a message, reads it back, and shows what went
// over the wire, without the credentials:
//
//	go run ./examples/quickstart
//
// With XOAUTH2_TENANT, XOAUTH2_CLIENT_ID, XOAUTH2_CLIENT_SECRET and
// XOAUTH2_MAILBOX set, it logs in to the real Exchange Online with client
// credentials instead, looks at the mailbox, and changes nothing.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"

	"golang.org/x/oauth2"

	"github.com/xoauth2/go-xoauth2"
	"github.com/xoauth2/go-xoauth2/exchangetest"
)

func main() {
	verbose := flag.Bool("v", false, "show the redacted transcripts of all three protocols")
	flag.Usage = usage
	flag.Parse()
	if flag.NArg() > 0 {
		exit(2, fmt.Errorf("unexpected argument %q; see quickstart -h", flag.Arg(0)))
	}
	real, err := fromEnvironment(os.Getenv)
	if err != nil {
		exit(2, err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if real == nil {
		err = demonstrate(ctx, os.Stdout, *verbose)
	} else {
		err = look(ctx, os.Stdout, real, *verbose)
	}
	if err != nil {
		exit(1, err)
	}
}

// exit ends the program with what is known of an error.
func exit(status int, err error) {
	fmt.Fprintln(os.Stderr, "quickstart:", err)
	explain(os.Stderr, err)
	os.Exit(status)
}

func usage() {
	fmt.Fprint(os.Stderr, `usage: quickstart [-v]

Logs in over IMAP, POP3 and SMTP, to a fake Exchange in this process. With
XOAUTH2_TENANT, XOAUTH2_CLIENT_ID, XOAUTH2_CLIENT_SECRET and XOAUTH2_MAILBOX set,
it logs in to Exchange Online instead, and changes nothing there.

`)
	flag.PrintDefaults()
}

// demonstrate shows everything with a fake Entra and a fake Exchange.
func demonstrate(ctx context.Context, out io.Writer, verbose bool) error {
	srv := exchangetest.NewServer()
	defer srv.Close()
	return play(ctx, out, srv, verbose)
}

func play(ctx context.Context, out io.Writer, srv *exchangetest.Server, verbose bool) error {
	srv.AddMailbox("alice@contoso.com")
	srv.AddMailbox("bob@contoso.com")
	fmt.Fprintln(out, "A fake Entra and a fake Exchange run in this process.")
	if err := getTokens(ctx, out, srv); err != nil {
		return err
	}
	return exchangeMail(ctx, out, srv, verbose)
}

// fromEnvironment returns the real mailbox to look at, or nil if the
// environment names none.
func fromEnvironment(getenv func(string) string) (*mailbox, error) {
	names := []string{"XOAUTH2_TENANT", "XOAUTH2_CLIENT_ID", "XOAUTH2_CLIENT_SECRET", "XOAUTH2_MAILBOX"}
	var missing []string
	for _, name := range names {
		if getenv(name) == "" {
			missing = append(missing, name)
		}
	}
	switch len(missing) {
	case len(names):
		return nil, nil
	case 0:
	default:
		return nil, fmt.Errorf("the environment lacks %s; see quickstart -h", strings.Join(missing, ", "))
	}
	app := &xoauth2.App{
		Tenant:     getenv("XOAUTH2_TENANT"),
		ClientID:   getenv("XOAUTH2_CLIENT_ID"),
		Credential: xoauth2.ClientSecret(getenv("XOAUTH2_CLIENT_SECRET")),
	}
	return &mailbox{address: getenv("XOAUTH2_MAILBOX"), source: app.ClientCredentials(), options: &xoauth2.DialOptions{}}, nil
}

// getTokens gets a token by every grant.
func getTokens(ctx context.Context, out io.Writer, srv *exchangetest.Server) error {
	fmt.Fprintln(out, "\nTokens, by every grant:")
	for _, grant := range grants(srv) {
		source, err := grant.source(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", grant.name, err)
		}
		token, err := xoauth2.Token(ctx, source)
		if err != nil {
			return fmt.Errorf("%s: %w", grant.name, err)
		}
		// What a token says of itself may be shown; the token may not.
		info := xoauth2.InspectToken(token.AccessToken)
		who, may := info.Username, info.Scopes
		if info.AppOnly {
			who, may = "the application", info.Roles
		}
		fmt.Fprintf(out, "  %-44s %s may use %s\n", grant.name, who, strings.Join(may, ", "))
	}
	return nil
}

// grant is one way to a token.
type grant struct {
	name   string
	source func(ctx context.Context) (oauth2.TokenSource, error)
}

func grants(srv *exchangetest.Server) []grant {
	appOnly := func(opts *exchangetest.AppOptions) func(context.Context) (oauth2.TokenSource, error) {
		return func(context.Context) (oauth2.TokenSource, error) { return srv.App(opts).ClientCredentials(), nil }
	}
	key, certificate := exchangetest.NewCertificate("quickstart")
	desktop := srv.App(&exchangetest.AppOptions{Public: true})
	return []grant{
		{"client credentials, secret", appOnly(nil)},
		{"client credentials, certificate", appOnly(&exchangetest.AppOptions{Certificate: certificate, Key: key})},
		{"client credentials, workload identity", appOnly(&exchangetest.AppOptions{WorkloadIdentity: true})},
		{"authorization code, web application", func(ctx context.Context) (oauth2.TokenSource, error) { return signInOnTheWeb(ctx, srv) }},
		{"authorization code, desktop and browser", func(ctx context.Context) (oauth2.TokenSource, error) {
			srv.SignIn("alice@contoso.com")
			return desktop.BrowserLogin(ctx, &xoauth2.BrowserOptions{Open: srv.Browse})
		}},
		{"silent, from the same sign-in, IMAP only", func(ctx context.Context) (oauth2.TokenSource, error) {
			account, err := desktop.Account(ctx, "Alice@contoso.com")
			if err != nil {
				return nil, err
			}
			return account.For(xoauth2.IMAP), nil
		}},
		{"device code", func(ctx context.Context) (oauth2.TokenSource, error) {
			return desktop.DeviceLogin(ctx, func(code *oauth2.DeviceAuthResponse) error {
				srv.SignIn("bob@contoso.com") // in place of a person who enters code.UserCode
				return nil
			})
		}},
	}
}
