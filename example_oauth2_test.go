package xoauth2_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/xoauth2/go-xoauth2"
	"github.com/xoauth2/go-xoauth2/exchangetest"
)

// A program that has an oauth2.TokenSource already can log in with it as it is.
func ExampleDialIMAP_oauth2() {
	srv := exchangetest.NewServer() // in place of Exchange Online
	defer srv.Close()
	srv.AddMailbox("alice@contoso.com")
	app := srv.App(nil)
	ctx := context.WithValue(context.Background(), oauth2.HTTPClient, srv.HTTPClient())

	config := clientcredentials.Config{
		ClientID:     app.ClientID,
		ClientSecret: srv.ClientSecret(app.ClientID),
		TokenURL:     app.Provider.Endpoint("contoso.com").TokenURL, // xoauth2.Exchange knows the real one
		Scopes:       []string{app.Provider.IMAP.AppScope},
		AuthStyle:    oauth2.AuthStyleInParams,
	}
	client, err := xoauth2.DialIMAP(ctx, "alice@contoso.com", config.TokenSource(ctx), srv.DialOptions())
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	fmt.Println("logged in")
	// Output: logged in
}

// The other way round, every source of this package serves an oauth2.NewClient:
// for Exchange's interfaces on the web, with the same token.
func ExampleTokenSource_client() {
	srv := exchangetest.NewServer() // in place of Microsoft's Entra
	defer srv.Close()
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		fmt.Fprint(w, ok && xoauth2.InspectToken(token).AppOnly)
	}))
	defer web.Close()

	client := oauth2.NewClient(context.Background(), srv.App(nil).ClientCredentials())
	response, err := client.Get(web.URL)
	if err != nil {
		log.Fatal(err)
	}
	defer response.Body.Close()
	var authorized bool
	if _, err := fmt.Fscan(response.Body, &authorized); err != nil {
		log.Fatal(err)
	}
	client.CloseIdleConnections()
	fmt.Println(response.Status, authorized)
	// Output: 200 OK true
}
