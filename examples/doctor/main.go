// Doctor finds out why a program cannot log in to a mailbox with OAuth, and
// says what to do. It walks the whole way, one step after the other:
// configuration, clock, token, its claims, and for each protocol DNS, TCP, TLS,
// capabilities, login, and the mailbox (IMAP, POP3) or the sender (SMTP). It
// changes nothing, and sends nothing except to the fake server of its
// demonstration.
//
//	go run ./examples/doctor -tenant contoso.com -client-id ID -mailbox ann@contoso.com
//
// The application's secret is in XOAUTH2_CLIENT_SECRET, or its certificate in
// the file that -certificate names; with -signin browser or -signin device a
// user signs in; with -token-stdin an access token is read from standard input.
// Without a configuration doctor examines a fake Exchange in its own process,
// where -scenario breaks something. With -setup it connects to nothing and
// prints what an administrator has to set up for this application and mailbox.
//
// The exit status is 0 if all is well, warnings included, 1 if a step failed,
// and 2 for wrong usage.
//
// # JSON
//
// -json writes one object. Its members, and those of the objects in it, keep
// their names:
//
//	ok                 no step failed
//	steps              in the order in which they were taken:
//	  name             such as "token" or "imap.login"
//	  status           "ok", "warning", "failed" or "skipped"
//	  duration_ms
//	  detail           what was found, or why it was skipped
//	  error            what went wrong
//	  class            "unknown", "configuration", "sign-in", "identity", "throttled" or "temporary"
//	  retry_after_ms   how long to wait; absent if nobody said
//	  trace            what Microsoft's support asks for
//	  causes           most likely first:
//	    certain        it follows from the token's claims
//	    problem, remedy, commands, reference
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
)

// Exit statuses.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	status := run(ctx, streams{os.Stdin, os.Stdout, os.Stderr}, os.Getenv, os.Args[1:])
	stop()
	os.Exit(status)
}

// streams are where a run reads and writes.
type streams struct {
	in  io.Reader
	out io.Writer
	err io.Writer
}

func run(ctx context.Context, std streams, getenv func(string) string, args []string) int {
	o, err := parse(args, getenv, std.err)
	if errors.Is(err, flag.ErrHelp) {
		return exitOK
	}
	if err != nil {
		fmt.Fprintln(std.err, "doctor:", err)
		return exitUsage
	}
	switch {
	case o.setup:
		fmt.Fprint(std.out, o.script())
		return exitOK
	case o.scenario == "list":
		fmt.Fprint(std.out, scenarioList())
		return exitOK
	}
	p, closePatient, err := o.patient(ctx, std)
	if err != nil {
		fmt.Fprintln(std.err, "doctor:", err)
		return exitUsage
	}
	defer closePatient()
	d := &doctor{patient: p, report: newReport(std.out, o.json, getenv)}
	d.examine(ctx)
	if !d.report.finish() {
		return exitFailed
	}
	return exitOK
}
