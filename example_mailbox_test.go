package xoauth2_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"strings"

	"github.com/xoauth2/go-xoauth2"
	"github.com/xoauth2/go-xoauth2/exchangetest"
)

// Gmail, and every provider but Exchange Online worldwide, is named twice: for
// the tokens, and for the servers.
func ExampleDialIMAP_gmail() {
	app := &xoauth2.App{
		Provider:   xoauth2.Gmail,
		ClientID:   os.Getenv("CLIENT_ID"),
		Credential: xoauth2.ClientSecret(os.Getenv("CLIENT_SECRET")), // Google gives desktop programs one too
	}
	account, err := app.BrowserLogin(context.Background(), nil)
	if err != nil {
		log.Fatal(err)
	}
	client, err := xoauth2.DialIMAP(context.Background(), account.Username(), account, &xoauth2.DialOptions{Provider: xoauth2.Gmail})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
}

// A user sends as a shared mailbox: the login is the user's, the sender the
// shared address, for which an administrator has granted Send As.
func ExampleDialSMTP_sharedMailbox() {
	srv := exchangetest.NewServer() // in place of Exchange Online
	defer srv.Close()
	srv.AddMailbox("alice@contoso.com")
	srv.AddMailbox("sales@contoso.com")
	srv.GrantSendAs("sales@contoso.com", "alice@contoso.com")
	app := srv.App(&exchangetest.AppOptions{Public: true})
	srv.SignIn("alice@contoso.com")
	account, err := app.BrowserLogin(context.Background(), &xoauth2.BrowserOptions{Open: srv.Browse})
	if err != nil {
		log.Fatal(err)
	}

	client, err := xoauth2.DialSMTP(context.Background(), account.Username(), account, srv.DialOptions())
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	message := strings.NewReader("From: sales@contoso.com\r\nTo: bob@contoso.com\r\nSubject: Your order\r\n\r\nThank you.\r\n")
	if err := client.SendMail("sales@contoso.com", []string{"bob@contoso.com"}, message); err != nil {
		log.Fatal(err)
	}
	fmt.Println("Bob has", len(srv.Messages("bob@contoso.com")), "message")
	// Output: Bob has 1 message
}

// A program takes the messages away: what it has kept is deleted when the
// session ends, and not before.
func ExamplePOP3Client_RetrAll() {
	srv := exchangetest.NewServer() // in place of Exchange Online
	defer srv.Close()
	srv.AddMailbox("alice@contoso.com", []byte("Subject: One\r\n\r\n"), []byte("Subject: Two\r\n\r\n"))
	client, err := xoauth2.DialPOP3(context.Background(), "alice@contoso.com", srv.App(nil).ClientCredentials(), srv.DialOptions())
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	var kept []int
	err = client.RetrAll(nil, func(number int, message io.Reader) error {
		_, err := io.Copy(io.Discard, message) // into a file
		kept = append(kept, number)
		return err
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, number := range kept {
		if err := client.Dele(number); err != nil {
			log.Fatal(err)
		}
	}
	if err := client.Quit(); err != nil {
		log.Fatal(err)
	}
	fmt.Println("taken:", len(kept), "left:", len(srv.Messages("alice@contoso.com")))
	// Output: taken: 2 left: 0
}
