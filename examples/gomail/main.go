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
	"fmt"
	"log"
	"net"
	netsmtp "net/smtp"
	"os"
	"strconv"

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

func main() {
	if err := run(context.Background()); err != nil {
		log.Fatal("gomail: ", err)
	}
}

func run(ctx context.Context) error {
	if os.Getenv("XOAUTH2_MAILBOX") == "" {
		return demonstrate(ctx)
	}
	app := &xoauth2.App{
		Tenant:     os.Getenv("XOAUTH2_TENANT"),
		ClientID:   os.Getenv("XOAUTH2_CLIENT_ID"),
		Credential: xoauth2.ClientSecret(os.Getenv("XOAUTH2_CLIENT_SECRET")),
	}
	mailbox := os.Getenv("XOAUTH2_MAILBOX")
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
