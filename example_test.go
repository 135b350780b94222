package xoauth2_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/smtp"
	"os"
	"strings"

	"github.com/emersion/go-imap/v2"
	"golang.org/x/oauth2"

	"github.com/xoauth2/go-xoauth2"
	"github.com/xoauth2/go-xoauth2/exchangetest"
)

// A daemon reads a mailbox of its organization. An administrator has granted the
// application IMAP.AccessAsApp, and Exchange lets it into this mailbox.
func Example() {
	app := &xoauth2.App{
		Tenant:     os.Getenv("TENANT_ID"),
		ClientID:   os.Getenv("CLIENT_ID"),
		Credential: xoauth2.ClientSecret(os.Getenv("CLIENT_SECRET")),
	}
	client, err := xoauth2.DialIMAP(context.Background(), "alice@contoso.com", app.ClientCredentials(), nil)
	if err != nil {
		for _, cause := range xoauth2.Diagnose(err).Causes {
			log.Println(cause.Problem, cause.Remedy, cause.Commands)
		}
		log.Fatal(err)
	}
	defer client.Close()
	inbox, err := client.Select("INBOX", nil).Wait()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(inbox.NumMessages, "messages")
}

func ExampleDialIMAP() {
	srv := exchangetest.NewServer() // in place of Exchange Online
	defer srv.Close()
	srv.AddMailbox("alice@contoso.com", []byte("Subject: Hello\r\n\r\nHow are you?\r\n"))
	app, options := srv.App(nil), srv.DialOptions() // nil options are right for Exchange Online

	client, err := xoauth2.DialIMAP(context.Background(), "alice@contoso.com", app.ClientCredentials(), options)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	if _, err := client.Select("INBOX", nil).Wait(); err != nil {
		log.Fatal(err)
	}
	messages, err := client.Fetch(imap.SeqSetNum(1), &imap.FetchOptions{Envelope: true}).Collect()
	if err != nil {
		log.Fatal(err)
	}
	for _, message := range messages {
		fmt.Println(message.Envelope.Subject)
	}
	// Output: Hello
}

func ExampleDialPOP3() {
	srv := exchangetest.NewServer() // in place of Exchange Online
	defer srv.Close()
	srv.AddMailbox("alice@contoso.com", []byte("Subject: Hello\r\n\r\nHow are you?\r\n"))
	app, options := srv.App(nil), srv.DialOptions() // nil options are right for Exchange Online

	client, err := xoauth2.DialPOP3(context.Background(), "alice@contoso.com", app.ClientCredentials(), options)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	err = client.RetrAll(nil, func(number int, message io.Reader) error {
		data, err := io.ReadAll(message)
		fmt.Printf("message %d: %d octets\n", number, len(data))
		return err
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := client.Quit(); err != nil {
		log.Fatal(err)
	}
	// Output: message 1: 32 octets
}

func ExampleDialSMTP() {
	srv := exchangetest.NewServer() // in place of Exchange Online
	defer srv.Close()
	srv.AddMailbox("alice@contoso.com")
	app, options := srv.App(nil), srv.DialOptions() // nil options are right for Exchange Online

	client, err := xoauth2.DialSMTP(context.Background(), "alice@contoso.com", app.ClientCredentials(), options)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	message := strings.NewReader("From: alice@contoso.com\r\nTo: bob@contoso.com\r\nSubject: Hello\r\n\r\nHow are you?\r\n")
	if err := client.SendMail("alice@contoso.com", []string{"bob@contoso.com"}, message); err != nil {
		log.Fatal(err)
	}
	if err := client.Quit(); err != nil {
		log.Fatal(err)
	}
	fmt.Println("Bob has", len(srv.Messages("bob@contoso.com")), "message")
	// Output: Bob has 1 message
}

// The Auth serves net/smtp and every library that takes its Auth.
func ExampleNewSMTPAuth() {
	srv := exchangetest.NewServer() // in place of Exchange Online
	defer srv.Close()
	srv.AddMailbox("alice@contoso.com")
	app, config := srv.App(nil), srv.TLSConfig()

	client, err := smtp.Dial(srv.Addr(xoauth2.SMTP, true)) // smtp.office365.com:587
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	config.ServerName = "127.0.0.1" // smtp.office365.com
	if err := client.StartTLS(config); err != nil {
		log.Fatal(err)
	}
	if err := client.Auth(xoauth2.NewSMTPAuth("alice@contoso.com", app.ClientCredentials())); err != nil {
		log.Fatal(err)
	}
	fmt.Println("logged in")
	if err := client.Quit(); err != nil {
		log.Fatal(err)
	}
	// Output: logged in
}

// A server's side: of go-imap, of go-smtp, or of any other that takes a
// sasl.Server.
func ExampleNewSASLServer() {
	server := xoauth2.NewSASLServer(func(username, accessToken string) error {
		if username == "alice@contoso.com" && accessToken == "the one that the token endpoint gave her" {
			return nil
		}
		return &xoauth2.ServerError{Status: "400", Schemes: "Bearer", Scope: "https://mail.contoso.com/"}
	})
	client := xoauth2.NewSASLClient("alice@contoso.com", "EwBAAl3BAAU")

	_, response, err := client.Start()
	if err != nil {
		log.Fatal(err)
	}
	challenge, _, err := server.Next(response)
	if err != nil {
		log.Fatal(err)
	}
	answer, err := client.Next(challenge)
	if err != nil {
		log.Fatal(err)
	}
	_, done, err := server.Next(answer)
	fmt.Println(done, err)
	fmt.Println(client.ServerError())
	// Output:
	// true xoauth2: the server refuses the token with status "400", schemes "Bearer", scope "https://mail.contoso.com/"
	// xoauth2: the server refuses the token with status "400", schemes "Bearer", scope "https://mail.contoso.com/"
}

func ExampleInitialResponse() {
	payload, err := xoauth2.InitialResponse("alice@contoso.com", "EwBAAl3BAAU")
	fmt.Printf("%q %v\n", payload, err)
	_, err = xoauth2.InitialResponse("alice@contoso.com\n", "EwBAAl3BAAU")
	fmt.Println(err)
	// Output:
	// "user=alice@contoso.com\x01auth=Bearer EwBAAl3BAAU\x01\x01" <nil>
	// xoauth2: user name: byte 18 of 18 is a line break: was it read from a file and not trimmed?
}

func ExampleDiagnose() {
	srv := exchangetest.NewServer() // in place of Exchange Online
	defer srv.Close()
	srv.AddMailbox("alice@contoso.com")
	srv.DisableSMTPForTenant()

	client, err := xoauth2.DialSMTP(context.Background(), "alice@contoso.com", srv.App(nil).ClientCredentials(), srv.DialOptions())
	if err == nil {
		defer client.Close()
		return
	}
	cause := xoauth2.Diagnose(err).Causes[0]
	fmt.Println(cause.Problem)
	for _, command := range cause.Commands {
		fmt.Println(command)
	}
	// Output:
	// SMTP AUTH is switched off for the whole organization; that applies to OAuth too
	// Set-CASMailbox -Identity 'alice@contoso.com' -SmtpClientAuthenticationDisabled $false
	// Set-TransportConfig -SmtpClientAuthenticationDisabled $false
}

func ExampleInspectToken() {
	srv := exchangetest.NewServer()
	defer srv.Close()
	token, err := srv.App(nil).ClientCredentials().Token()
	if err != nil {
		log.Fatal(err)
	}
	info := xoauth2.InspectToken(token.AccessToken) // advice: nothing of it is verified
	fmt.Println(info.AppOnly, info.Audience, info.Roles)
	// Output: true https://outlook.office365.com [IMAP.AccessAsApp POP.AccessAsApp SMTP.SendAsApp]
}

func ExampleProvider_AdminConsentURL() {
	page, err := xoauth2.Exchange.AdminConsentURL("contoso.com", "11111111-2222-3333-4444-555555555555", "https://app.contoso.com/consented", "a random state", xoauth2.IMAP)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(page)
	// Output: https://login.microsoftonline.com/contoso.com/v2.0/adminconsent?client_id=11111111-2222-3333-4444-555555555555&redirect_uri=https%3A%2F%2Fapp.contoso.com%2Fconsented&scope=https%3A%2F%2Fps.outlook.com%2F.default&state=a+random+state
}

func ExampleProvider_Endpoint() {
	endpoint := xoauth2.Exchange.Endpoint("contoso.com") // for an oauth2.Config of one's own
	fmt.Println(endpoint.TokenURL)
	// Output: https://login.microsoftonline.com/contoso.com/oauth2/v2.0/token
}

func ExampleProvider_Scopes() {
	fmt.Println(strings.Join(xoauth2.Exchange.Scopes(xoauth2.SMTP), "\n"))
	// Output:
	// https://outlook.office.com/SMTP.Send
	// openid
	// profile
	// email
	// offline_access
}

// A source that takes no context may hang; Token does not wait for it longer
// than the context lasts.
func ExampleToken() {
	source := oauth2.StaticTokenSource(&oauth2.Token{AccessToken: "EwBAAl3BAAU"})
	token, err := xoauth2.Token(context.Background(), source)
	fmt.Println(token.Valid(), err)
	// Output: true <nil>
}
