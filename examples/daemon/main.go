// Daemon watches mailboxes and reports every new message, for as long as it
// runs: over IMAP with IDLE, with tokens of the application itself, which an
// administrator has let into the mailboxes. When a session ends, as Exchange
// Online's do with their token, it connects again, and misses nothing in
// between; when it is refused, it does what the class of the error asks for.
//
// Without a configuration it watches two mailboxes of a fake Exchange in its
// own process, where messages arrive, tokens end, and the server is throttling,
// and ends by itself:
//
//	go run ./examples/daemon
//
// With a configuration in the environment it watches real ones until it is
// interrupted:
//
//	export XOAUTH2_TENANT=contoso.onmicrosoft.com XOAUTH2_CLIENT_ID=...
//	export XOAUTH2_CERTIFICATE=daemon.pem            # or XOAUTH2_CLIENT_SECRET=...
//	export XOAUTH2_MAILBOXES=ann@contoso.com,sales@contoso.com
//	go run ./examples/daemon
//
// What the administrator has to set up is printed by
// "go run ./examples/doctor -setup".
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"golang.org/x/oauth2"

	"github.com/xoauth2/go-xoauth2"
)

const usage = `usage: daemon

Watches mailboxes and reports every new message. Without a configuration it
shows what it does with a fake Exchange in its own process.

Environment:
  XOAUTH2_TENANT                directory id or domain
  XOAUTH2_CLIENT_ID             Application (client) ID
  XOAUTH2_CLIENT_SECRET         the application's secret, or
  XOAUTH2_CERTIFICATE           a file with its key and certificate, PEM or PKCS #12
  XOAUTH2_CERTIFICATE_PASSWORD  for PKCS #12
  XOAUTH2_MAILBOXES             addresses, with commas between them
  XOAUTH2_PROVIDER              exchange (if empty), gcc-high, dod or china

The exit status is 0 after an interrupt, 1 if a mailbox could not be watched,
and 2 for wrong usage.
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("daemon", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() { fmt.Fprint(stderr, usage) }
	err := flags.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		return 2
	}
	if flags.NArg() > 0 {
		fmt.Fprintf(stderr, "daemon: unexpected argument %q; see daemon -h\n", flags.Arg(0))
		return 2
	}
	c, err := configure(getenv)
	switch {
	case err != nil:
		fmt.Fprintln(stderr, "daemon:", err)
		return 2
	case c == nil:
		err = demonstrate(ctx, stdout)
	default:
		err = watchAll(ctx, c, slog.New(slog.NewTextHandler(stdout, nil)))
	}
	if err != nil {
		explain(stderr, err)
		return 1
	}
	return 0
}

// watchAll watches all mailboxes until ctx ends or none is left that can be
// watched. Its error joins those of the mailboxes.
func watchAll(ctx context.Context, c *config, log *slog.Logger) error {
	var source oauth2.TokenSource = c.app.ClientCredentials() // one for all mailboxes
	errs := make([]error, len(c.mailboxes))
	var watchers sync.WaitGroup
	for i, mailbox := range c.mailboxes {
		watchers.Go(func() {
			w := &watcher{mailbox: mailbox, source: source, options: c.options, log: log.With("mailbox", mailbox)}
			errs[i] = w.watch(ctx)
		})
	}
	watchers.Wait()
	return errors.Join(errs...)
}

// explain says what is known about each of the errors that were joined.
func explain(w io.Writer, err error) {
	errs := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		errs = joined.Unwrap()
	}
	for _, err := range errs {
		fmt.Fprintln(w, "daemon:", err)
		for _, cause := range xoauth2.Diagnose(err).Causes {
			fmt.Fprintf(w, "\n%s\n  %s\n", cause.Problem, cause.Remedy)
			for _, command := range cause.Commands {
				fmt.Fprintf(w, "    %s\n", command)
			}
		}
	}
}
