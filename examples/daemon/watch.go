package main

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"golang.org/x/oauth2"

	"github.com/xoauth2/go-xoauth2"
)

// watcher reports the new messages of one mailbox.
type watcher struct {
	mailbox string
	source  oauth2.TokenSource
	options *xoauth2.DialOptions
	log     *slog.Logger

	// Where the reports stand is kept from one session to the next, so that
	// what arrives between them is not missed.
	validity uint32   // of the UIDs; 0: the mailbox was never opened
	next     imap.UID // the first one that was not reported
}

// watch holds one session after the other until ctx ends, and then returns nil.
// It returns an error if the mailbox cannot be opened and time alone will not
// help.
func (w *watcher) watch(ctx context.Context) error {
	for failures := 0; ; {
		began := time.Now()
		err := w.session(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if failures++; time.Since(began) > time.Minute {
			failures = 1 // it has worked in the meantime
		}
		diagnosis := xoauth2.Diagnose(err)
		if w.validity == 0 && needsPeople(diagnosis.Class) {
			return fmt.Errorf("%s: %w", w.mailbox, err)
		}
		wait := pause(diagnosis, failures)
		w.log.Warn("session ended", "error", err, "again_in", wait.Round(time.Millisecond))
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
	}
}

// needsPeople reports whether errors of a class stay until somebody changes the
// configuration. A token that was refused is none: the next one is new.
func needsPeople(class xoauth2.Class) bool {
	return class == xoauth2.ClassConfiguration || class == xoauth2.ClassIdentity
}

// pause returns how long to wait after so many failures in a row: twice as long
// each time, at random so that not all mailboxes come back at once, and not
// less than the server asks for. A permission may take Exchange half an hour to
// know of.
func pause(d *xoauth2.Diagnosis, failures int) time.Duration {
	const longest = 5 * time.Minute
	wait := longest
	if doublings := failures - 1; doublings < 9 && !needsPeople(d.Class) {
		wait = min(time.Second<<doublings, longest)
	}
	wait -= rand.N(wait / 2)
	return max(wait, d.RetryAfter)
}

// session connects, reports what is new, and what comes in from then on. It
// returns why the session ended.
func (w *watcher) session(ctx context.Context) error {
	changed := make(chan struct{}, 1) // there may be new messages
	options := *w.options
	options.IMAP = &imapclient.Options{
		UnilateralDataHandler: &imapclient.UnilateralDataHandler{
			Mailbox: func(data *imapclient.UnilateralDataMailbox) {
				select {
				case changed <- struct{}{}:
				default:
				}
			},
		},
	}
	client, err := xoauth2.DialIMAP(ctx, w.mailbox, w.source, &options)
	if err != nil {
		return err
	}
	defer client.Close()
	stop := context.AfterFunc(ctx, func() { client.Close() }) // go-imap knows no contexts
	defer stop()
	return w.follow(client, changed)
}

// follow reports new messages until the session ends.
func (w *watcher) follow(client *imapclient.Client, changed <-chan struct{}) error {
	inbox, err := client.Select("INBOX", &imap.SelectOptions{ReadOnly: true}).Wait()
	if err != nil {
		return err
	}
	if inbox.UIDValidity != w.validity { // this is the beginning, or the server has numbered anew
		w.validity, w.next = inbox.UIDValidity, inbox.UIDNext
	}
	w.log.Info("watching", "messages", inbox.NumMessages)
	for {
		if err := w.report(client); err != nil {
			return err
		}
		if err := idle(client, changed); err != nil {
			return err
		}
	}
}

// report reports the messages that were not reported yet.
func (w *watcher) report(client *imapclient.Client) error {
	first := w.next
	newer := imap.UIDSet{imap.UIDRange{Start: first}} // and all behind it
	messages, err := client.Fetch(newer, &imap.FetchOptions{UID: true, Envelope: true}).Collect()
	if err != nil {
		return err
	}
	for _, m := range messages {
		// "n:*" also names the newest message if that is before n (RFC 9051,
		// section 9).
		if m.UID < first || m.Envelope == nil {
			continue
		}
		from := "nobody"
		if len(m.Envelope.From) > 0 {
			from = m.Envelope.From[0].Addr()
		}
		w.log.Info("new message", "from", from, "subject", m.Envelope.Subject)
		w.next = max(w.next, m.UID+1)
	}
	return nil
}

// idle waits until there may be new messages, or the session ends. go-imap
// renews IDLE in time for servers that limit it.
func idle(client *imapclient.Client, changed <-chan struct{}) error {
	command, err := client.Idle()
	if err != nil {
		return err
	}
	select {
	case <-changed:
	case <-client.Closed():
		return client.Close() // knows why
	}
	if err := command.Close(); err != nil {
		return err
	}
	return command.Wait()
}
