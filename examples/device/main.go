// Device sends a message over SMTP from a machine without a browser: the user
// signs in on another one, with a code that this one shows. The sign-in is kept
// in a file, and later starts are silent until it ends.
//
// Without a configuration it sends two messages with a fake Entra and a fake
// Exchange in its own process, and plays the person with the code:
//
//	go run ./examples/device
//
// With a configuration in the environment it sends real mail, to the user
// themself if -to does not say otherwise:
//
//	export XOAUTH2_CLIENT_ID=... XOAUTH2_TENANT=contoso.onmicrosoft.com
//	go run ./examples/device
//	go run ./examples/device -to ann@contoso.com -message report.eml
//
// The application is registered with "Allow public client flows" and the
// delegated permission SMTP.Send. Conditional Access often blocks device codes;
// Google has none for mail. See examples/desktop then.
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
	"strings"
	"syscall"

	"github.com/xoauth2/go-xoauth2"
)

const usage = `usage: device [flags]

Sends a message over SMTP, as the user who signs in on another machine with a
code that this one shows. Later starts are silent. Without flags and
configuration it shows what it does with a fake Exchange in its own process.

Environment:
  XOAUTH2_CLIENT_ID  Application (client) ID
  XOAUTH2_TENANT     directory id or domain; empty: any account
  XOAUTH2_MAILBOX    the user's address; not needed while one account is signed in
  XOAUTH2_PROVIDER   exchange (if empty), outlook, gcc-high, dod or china

The exit status is 0 if the message was sent, 1 if something failed, and 2 for
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
	flags := flag.NewFlagSet("device", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprint(stderr, usage)
		flags.PrintDefaults()
	}
	to := flags.String("to", "", "`addresses` to send to, with commas between them (default: the user's own)")
	file := flags.String("message", "", "`file` with the message, headers and all; - is standard input (default: a sample)")
	store := flags.String("store", "", "`folder` for the sign-in (default: in the user's configuration folder)")
	err := flags.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		return 2
	}
	if flags.NArg() > 0 {
		fmt.Fprintf(stderr, "device: unexpected argument %q; see device -h\n", flags.Arg(0))
		return 2
	}
	if flags.NFlag() == 0 && !configured(getenv) {
		return report(stderr, demonstrate(ctx, stdout))
	}
	d, err := configure(getenv, *store, stdout)
	if err != nil {
		fmt.Fprintln(stderr, "device:", err)
		return 2
	}
	recipients, err := parseAddresses(*to)
	if err != nil {
		fmt.Fprintln(stderr, "device: -to:", err)
		return 2
	}
	message, err := read(*file, stdin)
	if err != nil {
		fmt.Fprintln(stderr, "device:", err)
		return 2
	}
	return report(stderr, d.send(ctx, recipients, message))
}

// configured reports whether the environment has something for this program.
func configured(getenv func(string) string) bool {
	return cmp.Or(
		getenv("XOAUTH2_CLIENT_ID"),
		getenv("XOAUTH2_TENANT"),
		getenv("XOAUTH2_MAILBOX"),
		getenv("XOAUTH2_PROVIDER"),
	) != ""
}

// configure reads the environment.
func configure(getenv func(string) string, store string, out io.Writer) (*device, error) {
	if getenv("XOAUTH2_CLIENT_ID") == "" {
		return nil, errors.New("the environment lacks XOAUTH2_CLIENT_ID; see device -h")
	}
	name := getenv("XOAUTH2_PROVIDER")
	if name == "" {
		name = "exchange"
	}
	provider, ok := map[string]xoauth2.Provider{
		"exchange": xoauth2.Exchange, "outlook": xoauth2.Outlook, "gcc-high": xoauth2.ExchangeGCCHigh,
		"dod": xoauth2.ExchangeDoD, "china": xoauth2.ExchangeChina,
	}[name]
	if !ok {
		return nil, fmt.Errorf("XOAUTH2_PROVIDER is %q, which is none that device -h lists", name)
	}
	if store == "" {
		config, err := os.UserConfigDir()
		if err != nil {
			return nil, fmt.Errorf("%w: use -store", err)
		}
		store = filepath.Join(config, "xoauth2-device")
	}
	return &device{
		app: &xoauth2.App{
			Provider:  provider,
			Tenant:    getenv("XOAUTH2_TENANT"),
			ClientID:  getenv("XOAUTH2_CLIENT_ID"),
			Protocols: []xoauth2.Protocol{xoauth2.SMTP},
			Store:     xoauth2.FileStore(store),
		},
		options: &xoauth2.DialOptions{Provider: provider},
		user:    getenv("XOAUTH2_MAILBOX"),
		show:    showOn(out),
		out:     out,
	}, nil
}

// read returns the message in a file, or nil for the sample.
func read(file string, stdin io.Reader) (message []byte, err error) {
	switch file {
	case "":
		return nil, nil
	case "-":
		message, err = io.ReadAll(stdin)
	default:
		message, err = os.ReadFile(file)
	}
	if err == nil && strings.TrimSpace(string(message)) == "" {
		err = errors.New("the message is empty")
	}
	return message, err
}

// report says what is known about an error, and returns the exit status.
func report(w io.Writer, err error) int {
	if err == nil {
		return 0
	}
	fmt.Fprintln(w, "device:", err)
	for _, cause := range xoauth2.Diagnose(err).Causes {
		fmt.Fprintf(w, "\n%s\n  %s\n", cause.Problem, cause.Remedy)
		for _, command := range cause.Commands {
			fmt.Fprintf(w, "    %s\n", command)
		}
	}
	return 1
}
