package xoauth2_test

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/xoauth2/go-xoauth2"
	"github.com/xoauth2/go-xoauth2/exchangetest"
)

// TestSecretsBrowser does what [TestSecrets] does for the sign-in that needs a
// socket.
func TestSecretsBrowser(t *testing.T) {
	t.Parallel()
	srv := newExchange(t)
	app := publicApp(srv)
	var e evidence
	signIn := func(opts *xoauth2.BrowserOptions) {
		e.add(opts)
		account, err := app.BrowserLogin(t.Context(), opts)
		e.add(account)
		e.addError(err)
	}
	browse := func(page string) error { return srv.Browse(page) }
	change := func(name, value string) func(string) error {
		return answerBy(t, srv, func(answer url.Values) { answer.Set(name, value) })
	}
	for _, fault := range []func(*exchangetest.Server) *exchangetest.Fault{
		(*exchangetest.Server).RedirectTokens, (*exchangetest.Server).InterceptTokens,
		func(srv *exchangetest.Server) *exchangetest.Fault { return srv.FailToken(54005) },
		func(srv *exchangetest.Server) *exchangetest.Fault { return srv.FailSignIn(53003) },
		func(srv *exchangetest.Server) *exchangetest.Fault {
			return srv.RewriteIDTokens(func(claims map[string]any) { claims["nonce"] = "other" })
		},
		func(srv *exchangetest.Server) *exchangetest.Fault {
			return srv.RewriteTokenReplies(func(reply map[string]any) { delete(reply, "refresh_token") })
		},
	} {
		active := fault(srv)
		srv.SignIn(ada)
		signIn(&xoauth2.BrowserOptions{Open: browse, LoginHint: ada})
		active.Clear()
	}
	srv.SignIn(ada)
	signIn(&xoauth2.BrowserOptions{Open: browse})
	srv.DeclineSignIn()
	signIn(&xoauth2.BrowserOptions{Open: browse})
	srv.SignIn(ada)
	signIn(&xoauth2.BrowserOptions{Open: change("iss", "https://elsewhere.test")})
	for _, spoil := range []func(string) string{
		func(redirect string) string { return strings.Replace(redirect, "state=", "state=x", 1) + "\n" },
		func(redirect string) string {
			return strings.Replace(redirect, "localhost", "elsewhere.test", 1) + "\n"
		},
		func(redirect string) string { return redirect + "&code=twice\n" },
		func(redirect string) string { return "\x01" + redirect + "\n" },
		func(redirect string) string { return strings.Replace(redirect, "?", "#", 1) + "\n" },
	} {
		srv.SignIn(ada)
		open, reader := paste(t, srv, spoil)
		signIn(&xoauth2.BrowserOptions{Open: open, Paste: reader})
	}
	signIn(&xoauth2.BrowserOptions{Open: func(page string) error { return errors.New("cannot open") }})
	e.check(t, srv)
}
