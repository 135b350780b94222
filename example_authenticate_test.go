package xoauth2_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"log"

	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-smtp"

	"github.com/xoauth2/go-xoauth2"
	"github.com/xoauth2/go-xoauth2/exchangetest"
)

// A client that the program has made itself, for options that DialIMAP does not
// have.
func ExampleAuthenticateIMAP() {
	srv := exchangetest.NewServer() // in place of Exchange Online
	defer srv.Close()
	srv.AddMailbox("alice@contoso.com")

	client, err := imapclient.DialTLS(srv.Addr(xoauth2.IMAP, false), &imapclient.Options{TLSConfig: srv.TLSConfig()})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	if err := xoauth2.AuthenticateIMAP(context.Background(), client, "alice@contoso.com", srv.App(nil).ClientCredentials()); err != nil {
		log.Fatal(err)
	}
	fmt.Println("logged in")
	// Output: logged in
}

func ExampleAuthenticatePOP3() {
	srv := exchangetest.NewServer() // in place of Exchange Online
	defer srv.Close()
	srv.AddMailbox("alice@contoso.com")

	conn, err := tls.Dial("tcp", srv.Addr(xoauth2.POP3, false), srv.TLSConfig())
	if err != nil {
		log.Fatal(err)
	}
	client, err := xoauth2.NewPOP3Client(conn)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	if err := xoauth2.AuthenticatePOP3(context.Background(), client, "alice@contoso.com", srv.App(nil).ClientCredentials()); err != nil {
		log.Fatal(err)
	}
	count, size, err := client.Stat()
	fmt.Println(count, size, err)
	// Output: 0 0 <nil>
}

func ExampleAuthenticateSMTP() {
	srv := exchangetest.NewServer() // in place of Exchange Online
	defer srv.Close()
	srv.AddMailbox("alice@contoso.com")

	client, err := smtp.DialStartTLS(srv.Addr(xoauth2.SMTP, true), srv.TLSConfig())
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	if err := xoauth2.AuthenticateSMTP(context.Background(), client, "alice@contoso.com", srv.App(nil).ClientCredentials()); err != nil {
		log.Fatal(err)
	}
	fmt.Println("logged in")
	// Output: logged in
}

// The mechanism alone, for a library that takes a sasl.Client.
func ExampleNewSASLClient() {
	client := xoauth2.NewSASLClient("alice@contoso.com", "EwBAAl3BAAU")
	mechanism, response, err := client.Start()
	fmt.Printf("%s %q %v\n", mechanism, response, err)
	answer, err := client.Next([]byte(`{"status":"401","schemes":"Bearer","scope":"mail"}`))
	fmt.Printf("%q %v\n", answer, err)
	fmt.Println(client.ServerError().Status)
	// Output:
	// XOAUTH2 "user=alice@contoso.com\x01auth=Bearer EwBAAl3BAAU\x01\x01" <nil>
	// "" <nil>
	// 401
}

// A program with several users lists those who are signed in, and signs one out.
func ExampleAccount_SignOut() {
	srv := exchangetest.NewServer() // in place of Microsoft's Entra
	defer srv.Close()
	app := srv.App(&exchangetest.AppOptions{Public: true})
	ctx := context.Background()
	for _, user := range []string{"bob@contoso.com", "alice@contoso.com"} {
		srv.SignIn(user)
		if _, err := app.BrowserLogin(ctx, &xoauth2.BrowserOptions{Open: srv.Browse}); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println(app.Accounts(ctx))
	account, err := app.Account(ctx, "bob@contoso.com")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(account.SignOut(ctx))
	fmt.Println(app.Accounts(ctx))
	// Output:
	// [alice@contoso.com bob@contoso.com] <nil>
	// <nil>
	// [alice@contoso.com] <nil>
}
