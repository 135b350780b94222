package lab

import (
	"context"
	"net/http"

	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/confidential"
	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/public"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/xoauth2/go-xoauth2"
)

// Source is one library's way to an access token. Calls share its cache.
type Source func(ctx context.Context) (string, error)

// Library is a library that gets tokens.
type Library struct {
	Name string
	App  func(*http.Client) Source // of the application itself

	// Users returns a function that signs a user in and returns the source
	// of the user's tokens.
	Users func(*http.Client) func(username string) (Source, error)
}

// Libraries returns this library and its peers.
func Libraries() []Library {
	return []Library{
		{"ours", func(h *http.Client) Source { return Of(App(h).ClientCredentials()) }, ourUsers},
		{"x-oauth2", oauth2App, oauth2Users},
		{"msal", msalApp, msalUsers},
	}
}

// App returns this library's application.
func App(h *http.Client) *xoauth2.App {
	return &xoauth2.App{
		Tenant: Tenant, ClientID: ClientID, Credential: xoauth2.ClientSecret("secret"),
		RedirectURL: "https://localhost/", HTTPClient: h,
	}
}

// Of returns a source of this library, or of x/oauth2, as a Source.
func Of(ts oauth2.TokenSource) Source {
	return func(ctx context.Context) (string, error) {
		get := ts.Token
		if own, ok := ts.(xoauth2.TokenSource); ok {
			get = func() (*oauth2.Token, error) { return own.TokenContext(ctx) }
		}
		token, err := get()
		if err != nil {
			return "", err
		}
		return token.AccessToken, nil
	}
}

// verifier is long enough for RFC 7636, section 4.1.
const verifier = "a-verifier-of-at-least-forty-three-characters"

func ourUsers(h *http.Client) func(string) (Source, error) {
	app := App(h)
	return func(username string) (Source, error) {
		account, err := app.Exchange(context.Background(), username, verifier)
		if err != nil {
			return nil, err
		}
		return Of(account), nil
	}
}

// SignIn signs a user in to app.
func SignIn(app *xoauth2.App, username string) (*xoauth2.Account, error) {
	return app.Exchange(context.Background(), username, verifier)
}

func oauth2App(h *http.Client) Source {
	config := clientcredentials.Config{
		ClientID: ClientID, ClientSecret: "secret", TokenURL: TokenURL,
		Scopes: []string{Scope}, AuthStyle: oauth2.AuthStyleInParams,
	}
	return Of(config.TokenSource(context.WithValue(context.Background(), oauth2.HTTPClient, h)))
}

func oauth2Users(h *http.Client) func(string) (Source, error) {
	ctx := context.WithValue(context.Background(), oauth2.HTTPClient, h)
	config := &oauth2.Config{
		ClientID: ClientID, ClientSecret: "secret", Scopes: []string{Scope},
		Endpoint: oauth2.Endpoint{TokenURL: TokenURL, AuthStyle: oauth2.AuthStyleInParams},
	}
	return func(username string) (Source, error) {
		token, err := config.Exchange(ctx, username)
		if err != nil {
			return nil, err
		}
		return Of(config.TokenSource(ctx, token)), nil
	}
}

func msalApp(h *http.Client) Source {
	credential, err := confidential.NewCredFromSecret("secret")
	if err != nil {
		panic(err)
	}
	client, err := confidential.New(Authority, ClientID, credential, confidential.WithHTTPClient(h))
	if err != nil {
		panic(err)
	}
	return func(ctx context.Context) (string, error) {
		result, err := client.AcquireTokenByCredential(ctx, []string{Scope}) // which looks into its cache first
		return result.AccessToken, err
	}
}

func msalUsers(h *http.Client) func(string) (Source, error) { return MSALUsers(h) }

// MSALUsers is the Users of MSAL, with options.
func MSALUsers(h *http.Client, options ...public.Option) func(string) (Source, error) {
	options = append(options, public.WithAuthority(Authority), public.WithHTTPClient(h))
	client, err := public.New(ClientID, options...)
	if err != nil {
		panic(err)
	}
	return func(username string) (Source, error) {
		signedIn, err := client.AcquireTokenByAuthCode(context.Background(), username, "https://localhost/", []string{Scope})
		if err != nil {
			return nil, err
		}
		account := signedIn.Account
		return func(ctx context.Context) (string, error) {
			result, err := client.AcquireTokenSilent(ctx, []string{Scope}, public.WithSilentAccount(account))
			return result.AccessToken, err
		}, nil
	}
}
