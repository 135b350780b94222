package main

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"fmt"
	"net/http"
	"net/http/httptest"

	"golang.org/x/oauth2"

	"github.com/xoauth2/go-xoauth2"
	"github.com/xoauth2/go-xoauth2/exchangetest"
)

// signInOnTheWeb signs alice in to a web application: it sends her to the
// sign-in page and takes the code from the redirect that brings her back.
func signInOnTheWeb(ctx context.Context, srv *exchangetest.Server) (*xoauth2.Account, error) {
	redirect := make(chan *http.Request, 1)
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "Welcome back.")
		redirect <- r
	}))
	defer site.Close()
	app := srv.App(&exchangetest.AppOptions{RedirectURL: site.URL + "/signed-in"})

	state, verifier := rand.Text(), oauth2.GenerateVerifier() // kept in the user's session
	page, err := app.AuthCodeURL(state, verifier)
	if err != nil {
		return nil, err
	}
	srv.SignIn("alice@contoso.com")
	if err := srv.Browse(page); err != nil {
		return nil, err
	}
	r := <-redirect
	if subtle.ConstantTimeCompare([]byte(r.FormValue("state")), []byte(state)) != 1 {
		return nil, fmt.Errorf("the redirect belongs to another session")
	}
	return app.Exchange(ctx, r.FormValue("code"), verifier)
}
