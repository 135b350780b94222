// Gomail sends a message with go-mail, whose own XOAUTH2 takes a token that
// never changes. The adapter below gives it xoauth2.NewSMTPAuth instead: the
// token renews itself, and plaintext is refused. This is a module of its own,
// so that go-mail does not reach those who use package xoauth2:
//
//	cd examples/gomail && go run .
//
// It sends to a fake Exchange in this process. With XOAUTH2_TENANT,
// XOAUTH2_CLIENT_ID, XOAUTH2_CLIENT_SECRET and XOAUTH2_MAILBOX set, it sends a
// message from that mailbox to itself.
package main

import (
	"context"
	"crypto/tls"
	"flag"
	"fmt"
	"log"
	"net"
	netsmtp "net/smtp"
	"os"
	"strconv"
	"strings"

	"github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"
	"golang.org/x/oauth2"

	"github.com/xoauth2/go-xoauth2"
	"github.com/xoauth2/go-xoauth2/exchangetest"
)

// auth makes an Auth of net/smtp one of go-mail, which has a ServerInfo of its
// own.
type auth struct{ netsmtp.Auth }

func (a auth) Start(server *smtp.ServerInfo) (string, []byte, error) {
	return a.Auth.Start(&netsmtp.ServerInfo{Name: server.Name, TLS: server.TLS, Auth: server.Auth})
}

const usage = `usage: gomail

Sends a message with go-mail to a fake Exchange in this process. With
XOAUTH2_TENANT, XOAUTH2_CLIENT_ID, XOAUTH2_CLIENT_SECRET and XOAUTH2_MAILBOX set,
it sends one from that mailbox to itself.
`

func main() {
	log.SetFlags(0)
	log.SetPrefix("gomail: ")
	flag.Usage = func() { fmt.Fprint(os.Stderr, usage) }
	flag.Parse()
	if flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	if err := run(context.Background(), os.Getenv); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, getenv func(string) string) error {
	var values, missing []string
	for _, name := range []string{"XOAUTH2_TENANT", "XOAUTH2_CLIENT_ID", "XOAUTH2_CLIENT_SECRET", "XOAUTH2_MAILBOX"} {
		values = append(values, getenv(name))
		if getenv(name) == "" {
			missing = append(missing, name)
		}
	}
	switch len(missing) {
	case len(values):
		return demonstrate(ctx)
	case 0:
	default:
		return fmt.Errorf("the environment lacks %s", strings.Join(missing, ", "))
	}
	app := &xoauth2.App{Tenant: values[0], ClientID: values[1], Credential: xoauth2.ClientSecret(values[2])}
	mailbox := values[3]
	return send(ctx, xoauth2.Exchange.SMTP.Addr, nil, mailbox, mailbox, app.ClientCredentials())
}

func demonstrate(ctx context.Context) error {
	srv := exchangetest.NewServer()
	defer srv.Close()
	srv.AddMailbox("alice@contoso.com")
	srv.AddMailbox("bob@contoso.com")
	source := srv.App(nil).ClientCredentials()
	if err := send(ctx, srv.Addr(xoauth2.SMTP, true), srv.TLSConfig(), "alice@contoso.com", "bob@contoso.com", source); err != nil {
		return err
	}
	fmt.Printf("bob has %d message\n", len(srv.Messages("bob@contoso.com")))
	return nil
}

func send(ctx context.Context, addr string, config *tls.Config, from, to string, source oauth2.TokenSource) error {
	message := mail.NewMsg()
	if err := message.From(from); err != nil {
		return err
	}
	if err := message.To(to); err != nil {
		return err
	}
	message.Subject("Hello from go-mail")
	message.SetBodyString(mail.TypeTextPlain, "It works.\n")

	host, portName, err := net.SplitHostPort(addr)
	if err != nil {
		return err
	}
	port, err := strconv.Atoi(portName)
	if err != nil {
		return err
	}
	options := []mail.Option{
		mail.WithPort(port),
		mail.WithTLSPolicy(mail.TLSMandatory),
		mail.WithSMTPAuthCustom(auth{xoauth2.NewSMTPAuth(from, source)}),
	}
	if config != nil {
		config.ServerName = host
		options = append(options, mail.WithTLSConfig(config))
	}
	client, err := mail.NewClient(host, options...)
	if err != nil {
		return err
	}
	return client.DialAndSendWithContext(ctx, message)
}
