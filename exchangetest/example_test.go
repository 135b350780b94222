package exchangetest_test

import (
	"context"
	"fmt"
	"log"
	"strings"

	"github.com/xoauth2/go-xoauth2"
	"github.com/xoauth2/go-xoauth2/exchangetest"
)

// A daemon sends a message to a mailbox and finds it there.
func Example() {
	srv := exchangetest.NewServer()
	defer srv.Close()
	srv.AddMailbox("alice@contoso.com")

	ctx := context.Background()
	app := srv.App(nil)
	sender, err := xoauth2.DialSMTP(ctx, "alice@contoso.com", app.ClientCredentials(), srv.DialOptions())
	if err != nil {
		log.Fatal(err)
	}
	message := "From: alice@contoso.com\r\nTo: alice@contoso.com\r\nSubject: Hello\r\n\r\nHello, Alice.\r\n"
	if err := sender.SendMail("alice@contoso.com", []string{"alice@contoso.com"}, strings.NewReader(message)); err != nil {
		log.Fatal(err)
	}
	if err := sender.Quit(); err != nil {
		log.Fatal(err)
	}

	reader, err := xoauth2.DialIMAP(ctx, "alice@contoso.com", app.ClientCredentials(), srv.DialOptions())
	if err != nil {
		log.Fatal(err)
	}
	inbox, err := reader.Select("INBOX", nil).Wait()
	if err != nil {
		log.Fatal(err)
	}
	if err := reader.Logout().Wait(); err != nil {
		log.Fatal(err)
	}
	fmt.Println(inbox.NumMessages, "message")
	fmt.Println(srv.TokenRequests(), "token request")
	// Output:
	// 1 message
	// 1 token request
}

// A person signs in, by a browser that the server plays.
func ExampleServer_SignIn() {
	srv := exchangetest.NewServer()
	defer srv.Close()
	srv.AddMailbox("alice@contoso.com")

	app := srv.App(&exchangetest.AppOptions{Public: true})
	srv.SignIn("alice@contoso.com")
	account, err := app.BrowserLogin(context.Background(), &xoauth2.BrowserOptions{Open: srv.Browse})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(account.Username())
	// Output: alice@contoso.com
}

// An administrator has switched SMTP AUTH off.
func ExampleServer_DisableSMTPForTenant() {
	srv := exchangetest.NewServer()
	defer srv.Close()
	srv.AddMailbox("alice@contoso.com")
	fault := srv.DisableSMTPForTenant()

	_, err := xoauth2.DialSMTP(context.Background(), "alice@contoso.com", srv.TokenSource("alice@contoso.com"), srv.DialOptions())
	fmt.Println(strings.Contains(err.Error(), "SmtpClientAuthentication is disabled for the Tenant"))
	fmt.Println(fault.Count())
	// Output:
	// true
	// 1
}
