// Webapp is a web application for several users: each signs in with the
// provider, and sees the subjects of their mailbox, read over IMAP with tokens
// of their own. Sign-ins are kept on disk, encrypted, until the user signs out;
// the sessions of browsers are kept in memory.
//
// Without flags and configuration it serves itself: two played people sign in
// at a fake Entra in this process, look at their mail, and sign out:
//
//	go run ./examples/webapp
//
// With -listen alone it serves the fake's mailboxes to whoever comes; the
// browser warns of the certificate of the fake sign-in page:
//
//	go run ./examples/webapp -listen localhost:8080
//
// With a configuration in the environment it serves real ones:
//
//	export XOAUTH2_CLIENT_ID=... XOAUTH2_CLIENT_SECRET=... XOAUTH2_TENANT=contoso.onmicrosoft.com
//	export XOAUTH2_STORE_KEY="$(openssl rand -base64 32)"      # once, and kept
//	go run ./examples/webapp -url https://mail.contoso.com
//
// The application is registered for the web platform, with the redirect URI
// https://mail.contoso.com/signed-in (or http://localhost:8080/signed-in without
// -url) and the delegated permission IMAP.AccessAsUser.All. This program speaks
// plain HTTP, for a reverse proxy on the same machine that speaks HTTPS to the
// world.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

const usage = `usage: webapp [flags]

Serves a web application in which each user signs in and sees their mailbox.
Without flags and configuration two played people use it, with a fake Entra and a
fake Exchange in this process. With -listen alone it serves the fake's mailboxes.

Environment:
  XOAUTH2_CLIENT_ID             Application (client) ID
  XOAUTH2_TENANT                directory id or domain; empty: any account
  XOAUTH2_CLIENT_SECRET         the application's secret, or
  XOAUTH2_CERTIFICATE           a file with its key and certificate, PEM or PKCS #12
  XOAUTH2_CERTIFICATE_PASSWORD  for PKCS #12
  XOAUTH2_STORE_KEY             32 random bytes in base64, which seal the sign-ins
  XOAUTH2_PROVIDER              exchange (if empty), outlook, gcc-high, dod, china,
                                gmail or yahoo

The exit status is 0 after an interrupt, 1 if something failed, and 2 for wrong
usage.

Flags:
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("webapp", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprint(stderr, usage)
		flags.PrintDefaults()
	}
	addr := flags.String("listen", "localhost:8080", "`address` to serve at")
	base := flags.String("url", "", "`URL` at which browsers see the application (default: http://localhost and the port)")
	store := flags.String("store", "", "`folder` for the sign-ins (default: in the user's configuration folder)")
	err := flags.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		return 2
	}
	if flags.NArg() > 0 {
		fmt.Fprintf(stderr, "webapp: unexpected argument %q; see webapp -h\n", flags.Arg(0))
		return 2
	}
	switch configured := configured(getenv); {
	case !configured && flags.NFlag() == 0:
		err = demonstrate(ctx, stdout)
	case !configured && *base == "" && *store == "":
		err = serveFake(ctx, *addr, stderr)
	default:
		err = serveReal(ctx, *addr, *base, *store, getenv, stderr)
	}
	if err != nil {
		fmt.Fprintln(stderr, "webapp:", err)
	}
	if _, ok := errors.AsType[usageError](err); ok {
		return 2
	}
	if err != nil {
		return 1
	}
	return 0
}

// usageError is a mistake in the configuration.
type usageError struct{ error }

func serveReal(ctx context.Context, addr, base, store string, getenv func(string) string, stderr io.Writer) error {
	app, options, err := configure(getenv, store)
	if err != nil {
		return usageError{err}
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	defer listener.Close()
	base, err = publicURL(base, listener.Addr())
	if err != nil {
		return usageError{err}
	}
	app.RedirectURL = base + redirectPath
	s := newSite(app, options, slog.New(slog.NewTextHandler(stderr, nil)))
	return serve(ctx, s, base, listener)
}

// serve serves until ctx ends, and then lets requests finish for a while.
func serve(ctx context.Context, s *site, base string, listener net.Listener) error {
	handler, err := s.handler(base)
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      time.Minute,
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
	}
	s.log.Info("serving", "url", base, "redirect_uri", s.app.RedirectURL)
	stopped := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		stopped <- server.Shutdown(ctx)
	})
	if err := server.Serve(listener); stop() { // it was not asked to end
		return err
	}
	return <-stopped
}
