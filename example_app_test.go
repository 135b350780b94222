package xoauth2_test

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"path/filepath"

	"golang.org/x/oauth2"

	"github.com/xoauth2/go-xoauth2"
	"github.com/xoauth2/go-xoauth2/exchangetest"
)

// One source serves all mailboxes that the application may use.
func ExampleApp_ClientCredentials() {
	app := &xoauth2.App{
		Tenant:     os.Getenv("TENANT_ID"),
		ClientID:   os.Getenv("CLIENT_ID"),
		Credential: xoauth2.ClientSecret(os.Getenv("CLIENT_SECRET")),
	}
	source := app.ClientCredentials()
	for _, mailbox := range []string{"orders@contoso.com", "invoices@contoso.com"} {
		client, err := xoauth2.DialIMAP(context.Background(), mailbox, source, nil)
		if err != nil {
			log.Print(err)
			continue
		}
		// …
		if err := client.Logout().Wait(); err != nil {
			log.Print(err)
		}
	}
}

// A desktop program asks its user to sign in the first time only.
func ExampleApp_BrowserLogin() {
	srv := exchangetest.NewServer() // in place of Exchange Online
	defer srv.Close()
	srv.AddMailbox("alice@contoso.com")
	app := srv.App(&exchangetest.AppOptions{Public: true})
	app.Store = xoauth2.MemoryStore() // xoauth2.FileStore(dir), to last

	const user = "alice@contoso.com"
	signIn := func(ctx context.Context) (*xoauth2.Account, error) {
		account, err := app.Account(ctx, user)
		if !errors.Is(err, xoauth2.ErrSignInRequired) {
			return account, err
		}
		fmt.Println("Please sign in with the browser.")
		srv.SignIn(user) // the user does
		return app.BrowserLogin(ctx, &xoauth2.BrowserOptions{
			LoginHint: user,
			Open:      srv.Browse, // nil opens the system's browser
		})
	}
	for range 2 {
		account, err := signIn(context.Background())
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println("Hello", account.Username())
	}
	// Output:
	// Please sign in with the browser.
	// Hello alice@contoso.com
	// Hello alice@contoso.com
}

// Over SSH no browser can reach this machine: the user opens the page at home,
// and pastes the address of the page that cannot be shown in the end.
func ExampleApp_BrowserLogin_paste() {
	app := &xoauth2.App{ClientID: os.Getenv("CLIENT_ID")}
	account, err := app.BrowserLogin(context.Background(), &xoauth2.BrowserOptions{
		Open: func(url string) error {
			fmt.Printf("Open %s\nand paste the address at which you end up: ", url)
			return nil
		},
		Paste: os.Stdin,
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("Hello", account.Username())
}

// A machine without a screen shows a code, which its user enters on another.
func ExampleApp_DeviceLogin() {
	app := &xoauth2.App{ClientID: os.Getenv("CLIENT_ID")}
	account, err := app.DeviceLogin(context.Background(), func(codes *oauth2.DeviceAuthResponse) error {
		_, err := fmt.Printf("Open %s and enter %s.\n", codes.VerificationURI, codes.UserCode)
		return err
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("Hello", account.Username())
}

// A web application keeps state and verifier in the user's session, here in
// cookies, until the user comes back.
func ExampleApp_Exchange() {
	app := &xoauth2.App{
		Tenant:      os.Getenv("TENANT_ID"),
		ClientID:    os.Getenv("CLIENT_ID"),
		Credential:  xoauth2.ClientSecret(os.Getenv("CLIENT_SECRET")),
		RedirectURL: "https://app.contoso.com/signed-in",
	}
	remember := func(w http.ResponseWriter, name, value string) {
		http.SetCookie(w, &http.Cookie{Name: "__Host-" + name, Value: value, Path: "/", MaxAge: 600, Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
	}
	recall := func(r *http.Request, name string) string {
		cookie, err := r.Cookie("__Host-" + name)
		if err != nil {
			return ""
		}
		return cookie.Value
	}
	http.HandleFunc("GET /sign-in", func(w http.ResponseWriter, r *http.Request) {
		state, verifier := rand.Text(), oauth2.GenerateVerifier()
		page, err := app.AuthCodeURL(state, verifier)
		if err != nil {
			log.Print(err)
			http.Error(w, "The sign-in is out of order.", http.StatusInternalServerError)
			return
		}
		remember(w, "state", state)
		remember(w, "verifier", verifier)
		http.Redirect(w, r, page, http.StatusSeeOther)
	})
	http.HandleFunc("GET /signed-in", func(w http.ResponseWriter, r *http.Request) {
		state := recall(r, "state")
		if state == "" || subtle.ConstantTimeCompare([]byte(r.FormValue("state")), []byte(state)) != 1 {
			http.Error(w, "This is not the answer to your sign-in.", http.StatusBadRequest)
			return
		}
		account, err := app.Exchange(r.Context(), r.FormValue("code"), recall(r, "verifier"))
		if err != nil {
			log.Print(err)
			http.Error(w, "You are not signed in.", http.StatusForbidden)
			return
		}
		fmt.Fprintln(w, "Hello", account.Username()) // whose name goes into the session
	})
}

func ExampleApp_AuthCodeURL() {
	app := &xoauth2.App{ClientID: "11111111-2222-3333-4444-555555555555", RedirectURL: "https://app.contoso.com/signed-in"}
	verifier := oauth2.GenerateVerifier() // kept in the user's session, as is the state
	_, err := app.AuthCodeURL(rand.Text(), verifier,
		oauth2.SetAuthURLParam("login_hint", "alice@contoso.com"),
		oauth2.SetAuthURLParam("prompt", "select_account"))
	fmt.Println(err)
	// Output: <nil>
}

// A program that was restarted goes on with who signed in earlier.
func ExampleApp_Account() {
	config, err := os.UserConfigDir()
	if err != nil {
		log.Fatal(err)
	}
	app := &xoauth2.App{
		ClientID: os.Getenv("CLIENT_ID"),
		Store:    xoauth2.FileStore(filepath.Join(config, "mail-program", "accounts")),
	}
	account, err := app.Account(context.Background(), "alice@contoso.com")
	if errors.Is(err, xoauth2.ErrSignInRequired) {
		account, err = app.BrowserLogin(context.Background(), nil)
	}
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("Hello", account.Username())
}

// One sign-in, and for each protocol a token that is good for nothing else.
func ExampleAccount_For() {
	srv := exchangetest.NewServer() // in place of Exchange Online
	defer srv.Close()
	app := srv.App(&exchangetest.AppOptions{Public: true})
	srv.SignIn("alice@contoso.com")
	account, err := app.BrowserLogin(context.Background(), &xoauth2.BrowserOptions{Open: srv.Browse})
	if err != nil {
		log.Fatal(err)
	}
	for _, protocol := range []xoauth2.Protocol{xoauth2.IMAP, xoauth2.SMTP} {
		token, err := account.For(protocol).TokenContext(context.Background())
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(protocol, xoauth2.InspectToken(token.AccessToken).Scopes)
	}
	// Output:
	// IMAP [IMAP.AccessAsUser.All]
	// SMTP [SMTP.Send]
}
