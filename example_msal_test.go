package xoauth2_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"golang.org/x/oauth2"

	"github.com/xoauth2/go-xoauth2"
	"github.com/xoauth2/go-xoauth2/exchangetest"
)

// msalClient is what MSAL's confidential client is, but for options that a
// program closes over, written down here so that this module need not import it.
type msalClient interface {
	AcquireTokenSilent(ctx context.Context, scopes []string) (msalResult, error)
	AcquireTokenByCredential(ctx context.Context, scopes []string) (msalResult, error)
}

type msalResult struct {
	AccessToken string
	ExpiresOn   time.Time
}

// msalSource is a TokenSource of a client, whose cache it asks first.
type msalSource struct {
	client msalClient
	scopes []string
}

func (s msalSource) TokenContext(ctx context.Context) (*oauth2.Token, error) {
	result, err := s.client.AcquireTokenSilent(ctx, s.scopes)
	if err != nil {
		result, err = s.client.AcquireTokenByCredential(ctx, s.scopes)
	}
	if err != nil {
		return nil, err
	}
	return &oauth2.Token{AccessToken: result.AccessToken, TokenType: "Bearer", Expiry: result.ExpiresOn}, nil
}

func (s msalSource) Token() (*oauth2.Token, error) { return s.TokenContext(context.Background()) }

// A client of MSAL for Go logs in to a mailbox.
func ExampleDialIMAP_msal() {
	srv := exchangetest.NewServer() // in place of Exchange Online
	defer srv.Close()
	srv.AddMailbox("alice@contoso.com")
	var confidential msalClient = exampleMSAL{srv.App(nil)}

	source := msalSource{confidential, []string{"https://outlook.office365.com/.default"}}
	client, err := xoauth2.DialIMAP(context.Background(), "alice@contoso.com", source, srv.DialOptions())
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	fmt.Println("logged in")
	// Output: logged in
}

// exampleMSAL is a client for the example, with an empty cache.
type exampleMSAL struct{ app *xoauth2.App }

func (exampleMSAL) AcquireTokenSilent(context.Context, []string) (msalResult, error) {
	return msalResult{}, errors.New("no token found")
}

func (m exampleMSAL) AcquireTokenByCredential(ctx context.Context, _ []string) (msalResult, error) {
	token, err := m.app.ClientCredentials().TokenContext(ctx)
	if err != nil {
		return msalResult{}, err
	}
	return msalResult{token.AccessToken, token.Expiry}, nil
}
