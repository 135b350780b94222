// Desktop downloads a mailbox over POP3, as the user who signs in with a
// browser. The first start opens the browser; after that the sign-in is in a
// file, and starts are silent until it ends. Each message becomes a file, and
// those that are there already are not fetched again.
//
// Without a configuration it starts twice, with a fake Entra and a fake
// Exchange in its own process, and plays the person at the browser:
//
//	go run ./examples/desktop
//
// With a configuration in the environment it downloads a real mailbox, and
// changes nothing there:
//
//	export XOAUTH2_CLIENT_ID=...
//	go run ./examples/desktop -mail ~/mail
//	go run ./examples/desktop -mail ~/mail -paste     # over SSH
//
// The application is registered for mobile and desktop applications, with the
// redirect URI http://localhost and the delegated permission POP.AccessAsUser.All.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/xoauth2/go-xoauth2"
)

const usage = `usage: desktop [flags]

Downloads the messages of a mailbox over POP3 into files, as the user who signs
in with a browser. Later starts are silent. Without flags and configuration it
shows what it does with a fake Exchange in its own process.

Environment:
  XOAUTH2_CLIENT_ID      Application (client) ID
  XOAUTH2_TENANT         directory id or domain; empty: any account
  XOAUTH2_CLIENT_SECRET  for Google, which gives desktop programs one too
  XOAUTH2_MAILBOX        the user's address, if -user is not given
  XOAUTH2_PROVIDER       exchange (if empty), outlook, gcc-high, dod, china, gmail
                         or yahoo

The exit status is 0 if all messages are there, 1 if something failed, and 2 for
wrong usage.

Flags:
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := run(ctx, os.Args[1:], os.Getenv, os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

func run(ctx context.Context, args []string, getenv func(string) string, stdin io.Reader, stdout, stderr io.Writer) int {
	d := &desktop{browser: &xoauth2.BrowserOptions{}, out: stdout}
	flags := flag.NewFlagSet("desktop", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprint(stderr, usage)
		flags.PrintDefaults()
	}
	flags.StringVar(&d.user, "user", getenv("XOAUTH2_MAILBOX"), "`address` to sign in with; not needed while one account is signed in")
	flags.StringVar(&d.mail, "mail", "mail", "`folder` for the messages")
	store := flags.String("store", "", "`folder` for the sign-in (default: in the user's configuration folder)")
	paste := flags.Bool("paste", false, "open no browser: print the page's address, and read the one it leads to")
	signOut := flags.Bool("sign-out", false, "forget the sign-in, and download nothing")
	err := flags.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		return 2
	}
	if flags.NArg() > 0 {
		fmt.Fprintf(stderr, "desktop: unexpected argument %q; see desktop -h\n", flags.Arg(0))
		return 2
	}
	if flags.NFlag() == 0 && !configured(getenv) {
		return report(stderr, demonstrate(ctx, stdout))
	}
	if err := d.configure(getenv, *store); err != nil {
		fmt.Fprintln(stderr, "desktop:", err)
		return 2
	}
	if *paste {
		d.browser = pasting(stdin, stdout)
	}
	if *signOut {
		return report(stderr, d.signOut(ctx))
	}
	return report(stderr, d.fetch(ctx))
}

// configured reports whether the environment has something for this program.
func configured(getenv func(string) string) bool {
	return cmp.Or(
		getenv("XOAUTH2_CLIENT_ID"),
		getenv("XOAUTH2_TENANT"),
		getenv("XOAUTH2_CLIENT_SECRET"),
		getenv("XOAUTH2_MAILBOX"),
		getenv("XOAUTH2_PROVIDER"),
	) != ""
}

// configure reads the environment.
func (d *desktop) configure(getenv func(string) string, store string) error {
	if getenv("XOAUTH2_CLIENT_ID") == "" {
		return errors.New("the environment lacks XOAUTH2_CLIENT_ID; see desktop -h")
	}
	name := getenv("XOAUTH2_PROVIDER")
	if name == "" {
		name = "exchange"
	}
	provider, ok := map[string]xoauth2.Provider{
		"exchange": xoauth2.Exchange, "outlook": xoauth2.Outlook, "gcc-high": xoauth2.ExchangeGCCHigh,
		"dod": xoauth2.ExchangeDoD, "china": xoauth2.ExchangeChina, "gmail": xoauth2.Gmail, "yahoo": xoauth2.Yahoo,
	}[name]
	if !ok {
		return fmt.Errorf("XOAUTH2_PROVIDER is %q, which is none that desktop -h lists", name)
	}
	if store == "" {
		config, err := os.UserConfigDir()
		if err != nil {
			return fmt.Errorf("%w: use -store", err)
		}
		store = filepath.Join(config, "xoauth2-desktop")
	}
	d.app = &xoauth2.App{
		Provider:  provider,
		Tenant:    getenv("XOAUTH2_TENANT"),
		ClientID:  getenv("XOAUTH2_CLIENT_ID"),
		Protocols: []xoauth2.Protocol{xoauth2.POP3},
		Store:     xoauth2.FileStore(store),
	}
	if secret := getenv("XOAUTH2_CLIENT_SECRET"); secret != "" {
		d.app.Credential = xoauth2.ClientSecret(secret)
	}
	d.options = &xoauth2.DialOptions{Provider: provider}
	return nil
}

// report says what is known about an error, and returns the exit status.
func report(w io.Writer, err error) int {
	if err == nil {
		return 0
	}
	fmt.Fprintln(w, "desktop:", err)
	for _, cause := range xoauth2.Diagnose(err).Causes {
		fmt.Fprintf(w, "\n%s\n  %s\n", cause.Problem, cause.Remedy)
		for _, command := range cause.Commands {
			fmt.Fprintf(w, "    %s\n", command)
		}
	}
	return 1
}
