package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/emersion/go-imap/v2"
	"golang.org/x/oauth2"

	"github.com/xoauth2/go-xoauth2"
	"github.com/xoauth2/go-xoauth2/exchangetest"
)

// mailbox is a mailbox and how to get into it.
type mailbox struct {
	address string
	source  oauth2.TokenSource
	options *xoauth2.DialOptions
}

// traced returns the options with a trace to w.
func (m *mailbox) traced(w io.Writer) *xoauth2.DialOptions {
	options := *m.options
	options.Trace = w
	return &options
}

// exchangeMail sends a message from alice to bob, and reads it over IMAP and
// POP3. One application may do it all.
func exchangeMail(ctx context.Context, out io.Writer, srv *exchangetest.Server, verbose bool) error {
	source := srv.App(nil).ClientCredentials()
	alice := &mailbox{"alice@contoso.com", source, srv.DialOptions()}
	bob := &mailbox{"bob@contoso.com", source, srv.DialOptions()}

	fmt.Fprintln(out, "\nMail:")
	var traces [3]bytes.Buffer
	const text = "From: alice@contoso.com\r\nTo: bob@contoso.com\r\nSubject: Hello from quickstart\r\n\r\nIt works.\r\n"
	if err := send(ctx, alice, bob.address, text, &traces[0]); err != nil {
		return err
	}
	fmt.Fprintln(out, "  SMTP: alice sent a message to bob")
	subject, err := readIMAP(ctx, bob, &traces[1])
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "  IMAP: bob has %q\n", subject)
	body, err := readPOP3(ctx, bob, &traces[2])
	if err != nil {
		return err
	}
	if !strings.HasSuffix(body, text) {
		return fmt.Errorf("the message came back as %q", body)
	}
	fmt.Fprintf(out, "  POP3: bob has it in full, %d octets\n", len(body))

	show := traces[1:2]
	if verbose {
		show = traces[:]
	}
	for i := range show {
		fmt.Fprintf(out, "\nThe login, as DialOptions.Trace writes it:\n\n%s", indent(show[i].String()))
	}
	if !verbose {
		fmt.Fprintln(out, "\n-v shows those of POP3 and SMTP too.")
	}
	return nil
}

func indent(text string) string {
	return "  " + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n  ") + "\n"
}

func send(ctx context.Context, from *mailbox, to, text string, trace io.Writer) error {
	client, err := xoauth2.DialSMTP(ctx, from.address, from.source, from.traced(trace))
	if err != nil {
		return err
	}
	defer client.Close()
	if err := client.SendMail(from.address, []string{to}, strings.NewReader(text)); err != nil {
		return err
	}
	return client.Quit()
}

// readIMAP returns the subject of the newest message.
func readIMAP(ctx context.Context, m *mailbox, trace io.Writer) (string, error) {
	client, err := xoauth2.DialIMAP(ctx, m.address, m.source, m.traced(trace))
	if err != nil {
		return "", err
	}
	defer client.Close()
	inbox, err := client.Select("INBOX", &imap.SelectOptions{ReadOnly: true}).Wait()
	if err != nil {
		return "", err
	}
	newest := imap.SeqSetNum(inbox.NumMessages)
	messages, err := client.Fetch(newest, &imap.FetchOptions{Envelope: true}).Collect()
	if err != nil {
		return "", err
	}
	if len(messages) != 1 {
		return "", fmt.Errorf("got %d messages, want the newest one", len(messages))
	}
	return messages[0].Envelope.Subject, client.Logout().Wait()
}

// readPOP3 returns the newest message.
func readPOP3(ctx context.Context, m *mailbox, trace io.Writer) (string, error) {
	client, err := xoauth2.DialPOP3(ctx, m.address, m.source, m.traced(trace))
	if err != nil {
		return "", err
	}
	defer client.Close()
	count, _, err := client.Stat()
	if err != nil {
		return "", err
	}
	message, err := client.Retr(count)
	if err != nil {
		return "", err
	}
	body, err := io.ReadAll(message)
	if err != nil {
		return "", err
	}
	return string(body), client.Quit()
}

// look logs in to a real mailbox over all protocols, and changes nothing.
func look(ctx context.Context, out io.Writer, m *mailbox, verbose bool) error {
	var trace io.Writer
	if verbose {
		trace = out
	}
	fmt.Fprintf(out, "Exchange Online, as %s:\n", m.address)
	imapClient, err := xoauth2.DialIMAP(ctx, m.address, m.source, m.traced(trace))
	if err != nil {
		return err
	}
	defer imapClient.Close()
	inbox, err := imapClient.Select("INBOX", &imap.SelectOptions{ReadOnly: true}).Wait()
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "  IMAP: %d messages in the inbox\n", inbox.NumMessages)
	pop3Client, err := xoauth2.DialPOP3(ctx, m.address, m.source, m.traced(trace))
	if err != nil {
		return err
	}
	defer pop3Client.Close()
	count, size, err := pop3Client.Stat()
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "  POP3: %d messages, %d octets\n", count, size)
	smtpClient, err := xoauth2.DialSMTP(ctx, m.address, m.source, m.traced(trace))
	if err != nil {
		return err
	}
	defer smtpClient.Close()
	if err := smtpClient.Noop(); err != nil {
		return err
	}
	fmt.Fprintln(out, "  SMTP: logged in; nothing was sent")
	return nil
}

// explain says what is known about a failure.
func explain(w io.Writer, err error) {
	for _, cause := range xoauth2.Diagnose(err).Causes {
		fmt.Fprintf(w, "\n%s\n  %s\n", cause.Problem, cause.Remedy)
		for _, command := range cause.Commands {
			fmt.Fprintf(w, "    %s\n", command)
		}
	}
}
