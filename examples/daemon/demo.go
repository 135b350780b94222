package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/xoauth2/go-xoauth2/exchangetest"
)

// demonstrate shows the daemon at work with a fake Exchange.
func demonstrate(ctx context.Context, out io.Writer) error {
	srv := exchangetest.NewServer()
	defer srv.Close()
	return play(ctx, out, srv)
}

// play watches two mailboxes of srv, and is everybody else meanwhile.
func play(ctx context.Context, out io.Writer, srv *exchangetest.Server) error {
	const alice, bob = "alice@contoso.com", "bob@contoso.com"
	srv.AddMailbox(alice, message("an old message"))
	srv.AddMailbox(bob)
	srv.SetTokenLifetime(4 * time.Second) // instead of an hour

	key, certificate := exchangetest.NewCertificate("daemon")
	c := &config{
		app:       srv.App(&exchangetest.AppOptions{Certificate: certificate, Key: key}),
		mailboxes: []string{alice, bob},
		options:   srv.DialOptions(),
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	screen := &screen{w: out, grown: make(chan struct{})}
	fmt.Fprintln(screen, "# A fake Entra and a fake Exchange run in this process. Tokens last four seconds.")

	done := make(chan error, 1)
	go func() {
		defer cancel()
		done <- watchAll(ctx, c, slog.New(slog.NewTextHandler(screen, nil)))
	}()
	err := script(ctx, screen, srv, alice, bob)
	cancel()
	if watchErr := <-done; watchErr != nil {
		return watchErr
	}
	return err
}

// script is what happens to the daemon.
func script(ctx context.Context, s *screen, srv *exchangetest.Server, alice, bob string) error {
	if err := s.await(ctx, "msg=watching", 2); err != nil {
		return err
	}
	fmt.Fprintln(s, "# A message to alice arrives.")
	srv.AddMailbox(alice, message("Lunch?"))
	if err := s.await(ctx, `subject=Lunch?`, 1); err != nil {
		return err
	}
	fmt.Fprintln(s, "# The tokens end, and with them the sessions. For the next two logins the server is throttling.")
	srv.ThrottleIMAP(1500 * time.Millisecond).Times(2)
	if err := s.await(ctx, "Suggested Backoff Time", 2); err != nil {
		return err
	}
	fmt.Fprintln(s, "# While nobody watches, a message to bob arrives.")
	srv.AddMailbox(bob, message("Sent in between"))
	if err := s.await(ctx, `subject="Sent in between"`, 1); err != nil {
		return err
	}
	fmt.Fprintln(s, "# It was not missed. The demonstration ends the daemon, as an interrupt does.")
	return nil
}

func message(subject string) []byte {
	return []byte("From: carol@contoso.com\r\nSubject: " + subject + "\r\n\r\nHello.\r\n")
}

// screen is where the daemon and the script write, and the script looks.
type screen struct {
	mu    sync.Mutex
	w     io.Writer
	text  strings.Builder
	grown chan struct{} // closed, and replaced, by Write
}

// Write implements io.Writer.
func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text.Write(p)
	close(s.grown)
	s.grown = make(chan struct{})
	return s.w.Write(p)
}

// await waits until text was written so many times.
func (s *screen) await(ctx context.Context, text string, times int) error {
	for {
		s.mu.Lock()
		count, grown := strings.Count(s.text.String(), text), s.grown
		s.mu.Unlock()
		if count >= times {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %q: %w", text, context.Cause(ctx))
		case <-grown:
		}
	}
}
