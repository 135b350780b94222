package main

import (
	"context"
	"slices"
	"time"

	"github.com/emersion/go-imap/v2"

	"github.com/xoauth2/go-xoauth2"
)

// newest is how many messages a page shows.
const newest = 25

// mailbox is what a page shows of a mailbox.
type mailbox struct {
	User     string
	Total    uint32
	Messages []message // newest first
}

type message struct {
	From, Subject string
	Date          time.Time
	Unread        bool
}

// open reads the newest messages of the account's INBOX, and changes nothing.
func (s *site) open(ctx context.Context, account *xoauth2.Account) (*mailbox, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	client, err := xoauth2.DialIMAP(ctx, account.Username(), account.For(xoauth2.IMAP), s.options)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	stop := context.AfterFunc(ctx, func() { client.Close() }) // go-imap knows no contexts
	defer stop()

	inbox, err := client.Select("INBOX", &imap.SelectOptions{ReadOnly: true}).Wait()
	if err != nil {
		return nil, err
	}
	m := &mailbox{User: account.Username(), Total: inbox.NumMessages}
	if m.Total == 0 {
		return m, nil
	}
	var latest imap.SeqSet
	latest.AddRange(max(m.Total, newest)-newest+1, m.Total)
	fetched, err := client.Fetch(latest, &imap.FetchOptions{Envelope: true, Flags: true}).Collect()
	if err != nil {
		return nil, err
	}
	for _, f := range slices.Backward(fetched) {
		if f.Envelope == nil { // news of another message
			continue
		}
		shown := message{Subject: f.Envelope.Subject, Date: f.Envelope.Date, Unread: !slices.Contains(f.Flags, imap.FlagSeen)}
		if len(f.Envelope.From) > 0 {
			shown.From = f.Envelope.From[0].Name
			if shown.From == "" {
				shown.From = f.Envelope.From[0].Addr()
			}
		}
		m.Messages = append(m.Messages, shown)
	}
	return m, nil
}
