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

	"github.com/cli/browser"

	"github.com/xoauth2/go-xoauth2"
)

const usage = `usage: token [flags]

Prints an access token for a mail program, and nothing else, on standard output.
With -browser or -device it lets the user sign in if that is needed; without, it
is silent or fails. The documentation of this program has configuration lines for
mutt, msmtp, isync, fetchmail and git send-email. Without flags and configuration
it prints a token of a fake Entra in its own process.

Environment:
  XOAUTH2_CLIENT_ID      Application (client) ID
  XOAUTH2_TENANT         directory id or domain; empty: any account
  XOAUTH2_CLIENT_SECRET  for Google, which gives desktop programs one too
  XOAUTH2_MAILBOX        the user's address, if -user is not given
  XOAUTH2_PROVIDER       exchange (if empty), outlook, gcc-high, dod, china, gmail
                         or yahoo

The exit status is 0 if a token was printed, 1 if not, and 2 for wrong usage.

Flags:
`

func main() {
	browser.Stdout = os.Stderr // standard output is for the token alone
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := run(ctx, os.Args[1:], os.Getenv, os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

func run(ctx context.Context, args []string, getenv func(string) string, stdin io.Reader, stdout, stderr io.Writer) int {
	p := &printer{in: stdin, out: stdout, err: stderr}
	flags := flag.NewFlagSet("token", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprint(stderr, usage)
		flags.PrintDefaults()
	}
	flags.StringVar(&p.user, "user", getenv("XOAUTH2_MAILBOX"), "`address` to sign in with; not needed while one account is signed in")
	flags.BoolVar(&p.browser, "browser", false, "let the user sign in with a browser")
	flags.BoolVar(&p.paste, "paste", false, "with -browser: the browser is on another machine")
	flags.BoolVar(&p.device, "device", false, "let the user sign in with a code on another machine")
	protocol := flags.String("protocol", "", "the `protocol` that the token is for: imap, pop3 or smtp (default: all of them)")
	store := flags.String("store", "", "`folder` for the sign-in (default: in the user's configuration folder)")
	err := flags.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		return 2
	}
	if flags.NArg() > 0 {
		fmt.Fprintf(stderr, "token: unexpected argument %q; see token -h\n", flags.Arg(0))
		return 2
	}
	if flags.NFlag() == 0 && !configured(getenv) {
		return report(stderr, demonstrate(ctx, stdout, stderr))
	}
	if err := p.configure(getenv, *protocol, *store); err != nil {
		fmt.Fprintln(stderr, "token:", err)
		return 2
	}
	return report(stderr, p.print(ctx))
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

// configure reads the environment and checks the flags.
func (p *printer) configure(getenv func(string) string, protocol, store string) error {
	if getenv("XOAUTH2_CLIENT_ID") == "" {
		return errors.New("the environment lacks XOAUTH2_CLIENT_ID; see token -h")
	}
	if p.browser && p.device || p.paste && !p.browser {
		return errors.New("want -browser, -browser -paste, or -device")
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
		return fmt.Errorf("XOAUTH2_PROVIDER is %q, which is none that token -h lists", name)
	}
	if protocol != "" {
		wanted, ok := map[string]xoauth2.Protocol{"imap": xoauth2.IMAP, "pop3": xoauth2.POP3, "smtp": xoauth2.SMTP}[protocol]
		if !ok {
			return fmt.Errorf("-protocol is %q: want imap, pop3 or smtp", protocol)
		}
		p.protocols = []xoauth2.Protocol{wanted}
	}
	if store == "" {
		config, err := os.UserConfigDir()
		if err != nil {
			return fmt.Errorf("%w: use -store", err)
		}
		store = filepath.Join(config, "xoauth2-token")
	}
	p.app = &xoauth2.App{
		Provider: provider,
		Tenant:   getenv("XOAUTH2_TENANT"),
		ClientID: getenv("XOAUTH2_CLIENT_ID"),
		Store:    xoauth2.FileStore(store),
	}
	if secret := getenv("XOAUTH2_CLIENT_SECRET"); secret != "" {
		p.app.Credential = xoauth2.ClientSecret(secret)
	}
	return nil
}

// report says what is known about an error, and returns the exit status.
func report(w io.Writer, err error) int {
	if err == nil {
		return 0
	}
	fmt.Fprintln(w, "token:", err)
	if errors.Is(err, xoauth2.ErrSignInRequired) {
		fmt.Fprintln(w, "token: sign in with token -browser or token -device, in a terminal")
		return 1
	}
	for _, cause := range xoauth2.Diagnose(err).Causes {
		fmt.Fprintf(w, "\n%s\n  %s\n", cause.Problem, cause.Remedy)
		for _, command := range cause.Commands {
			fmt.Fprintf(w, "    %s\n", command)
		}
	}
	return 1
}
