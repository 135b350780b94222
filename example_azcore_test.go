package xoauth2_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"golang.org/x/oauth2"

	"github.com/xoauth2/go-xoauth2"
	"github.com/xoauth2/go-xoauth2/exchangetest"
)

// tokenCredential is what azidentity's credentials are, written down here so
// that this module need not import azcore: a program says
//
//	credential.GetToken(ctx, policy.TokenRequestOptions{Scopes: scopes})
type tokenCredential interface {
	GetToken(ctx context.Context, options tokenRequestOptions) (azureToken, error)
}

type tokenRequestOptions struct{ Scopes []string }

type azureToken struct {
	Token     string
	ExpiresOn time.Time
}

// azureSource is a TokenSource of a credential, which keeps its tokens itself.
type azureSource struct {
	credential tokenCredential
	scopes     []string
}

func (s azureSource) TokenContext(ctx context.Context) (*oauth2.Token, error) {
	token, err := s.credential.GetToken(ctx, tokenRequestOptions{Scopes: s.scopes})
	if err != nil {
		return nil, err
	}
	return &oauth2.Token{AccessToken: token.Token, TokenType: "Bearer", Expiry: token.ExpiresOn}, nil
}

func (s azureSource) Token() (*oauth2.Token, error) { return s.TokenContext(context.Background()) }

// A credential of Azure's SDK, such as azidentity.NewDefaultAzureCredential
// returns, logs in to a mailbox.
func ExampleDialIMAP_azcore() {
	srv := exchangetest.NewServer() // in place of Exchange Online
	defer srv.Close()
	srv.AddMailbox("alice@contoso.com")
	var credential tokenCredential = managedIdentity{srv.App(nil)}

	source := azureSource{credential, []string{"https://outlook.office365.com/.default"}}
	client, err := xoauth2.DialIMAP(context.Background(), "alice@contoso.com", source, srv.DialOptions())
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	fmt.Println("logged in")
	// Output: logged in
}

// managedIdentity is a credential for the example.
type managedIdentity struct{ app *xoauth2.App }

func (m managedIdentity) GetToken(ctx context.Context, _ tokenRequestOptions) (azureToken, error) {
	token, err := m.app.ClientCredentials().TokenContext(ctx)
	if err != nil {
		return azureToken{}, err
	}
	return azureToken{token.AccessToken, token.Expiry}, nil
}
