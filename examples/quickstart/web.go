package main

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"

	"golang.org/x/oauth2"

	"github.com/xoauth2/go-xoauth2"
	"github.com/xoauth2/go-xoauth2/exchangetest"
)

// signInOnTheWeb signs alice in to a web application: it sends her to the
// sign-in page and takes the code from the redirect that brings her back.
func signInOnTheWeb(ctx context.Context, srv *exchangetest.Server) (*xoauth2.Account, error) {
	redirect := make(chan url.Values, 1)
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "Welcome back.")
		redirect <- r.URL.Query()
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
	var answer url.Values
	select {
	case answer = <-redirect:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if subtle.ConstantTimeCompare([]byte(answer.Get("state")), []byte(state)) != 1 {
		return nil, errors.New("the redirect belongs to another session")
	}
	return app.Exchange(ctx, answer.Get("code"), verifier)
}
