package browsertest_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/xoauth2/go-xoauth2"
	"github.com/xoauth2/go-xoauth2/exchangetest"
)

// newExchange returns a server with the mailboxes of Ada and Bea.
func newExchange(t *testing.T) *exchangetest.Server {
	t.Helper()
	srv := exchangetest.NewServer()
	t.Cleanup(srv.Close)
	srv.AddMailbox(ada)
	srv.AddMailbox(bea)
	return srv
}

// login is a BrowserLogin under way.
type login struct {
	pages  chan string // the sign-in page
	result chan error
	user   string // after result
}

// begin starts to sign in to a desktop program.
func begin(ctx context.Context, srv *exchangetest.Server, hint string) *login {
	l := &login{pages: make(chan string, 1), result: make(chan error, 1)}
	app := srv.App(&exchangetest.AppOptions{Public: true, Name: "Mail program"})
	go func() {
		account, err := app.BrowserLogin(ctx, &xoauth2.BrowserOptions{LoginHint: hint, Open: func(page string) error {
			l.pages <- page
			return nil
		}})
		if err == nil {
			l.user = account.Username()
			_, err = account.For(xoauth2.IMAP).TokenContext(ctx)
		}
		l.result <- err
	}()
	return l
}

// checkLanding looks at the page that the listener shows: it loads nothing, runs
// nothing, and shows no secret.
func checkLanding(t *testing.T, b *browser, srv *exchangetest.Server) {
	t.Helper()
	document := b.html()
	for _, secret := range srv.Secrets() {
		if strings.Contains(document, secret) {
			t.Error("the landing page shows a secret")
		}
	}
	for _, address := range b.loaded() {
		if u, err := url.Parse(address); err != nil || u.Hostname() == "localhost" && u.Path != "/" && u.Path != "/favicon.ico" ||
			u.Hostname() != "localhost" && !strings.HasPrefix(address, srv.URL()+"/") {
			t.Errorf("the browser loads %s", address)
		}
	}
	if n := get(b, chromedp.Evaluate[int](`document.querySelectorAll("script, img, link, iframe, form").length`)); n != 0 {
		t.Errorf("the landing page holds %d things that could load or run something", n)
	}
}

// TestSignIn clicks through the sign-in page.
func TestSignIn(t *testing.T) {
	srv, b := newExchange(t), newBrowser(t)
	l := begin(t.Context(), srv, bea)
	b.do(chromedp.Navigate(<-l.pages))
	if text := b.heading("Sign in"); !strings.Contains(text, "Mail program") || !strings.Contains(text, "IMAP.AccessAsUser.All") {
		t.Errorf("the sign-in page says %q", text)
	}
	if hint := get(b, chromedp.Value(`#username`)); hint != bea {
		t.Errorf("the page offers %q, want the hint", hint)
	}
	b.signIn(ada) // who is not the one that was hinted at
	if text := b.heading("Signed in"); !strings.Contains(text, "You can close this window") {
		t.Errorf("the landing page says %q", text)
	}
	if err := <-l.result; err != nil || l.user != ada {
		t.Errorf("got %q, %v, want %q", l.user, err, ada)
	}
	checkLanding(t, b, srv)
}

// TestCancel clicks the other button.
func TestCancel(t *testing.T) {
	srv, b := newExchange(t), newBrowser(t)
	l := begin(t.Context(), srv, "")
	b.do(chromedp.Navigate(<-l.pages))
	b.do(chromedp.Click(`button[value=cancel]`))
	if text := b.heading("Sign-in failed"); !strings.Contains(text, "access_denied") || !strings.Contains(text, "AADSTS65004") {
		t.Errorf("the landing page says %q", text)
	}
	refusal, ok := errors.AsType[*xoauth2.TokenError](<-l.result)
	if !ok || refusal.Code != "access_denied" {
		t.Errorf("got %+v, want access_denied", refusal)
	}
	checkLanding(t, b, srv)
}

// TestWrongName stays on the provider's page until the user gives up.
func TestWrongName(t *testing.T) {
	srv, b := newExchange(t), newBrowser(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	l := begin(ctx, srv, "")
	b.do(chromedp.Navigate(<-l.pages))
	b.signIn("nobody@contoso.com")
	b.heading("Sorry, but we’re having trouble signing you in.")
	lunch := errors.New("lunch time")
	cancel(lunch)
	if err := <-l.result; !errors.Is(err, lunch) {
		t.Errorf("got %v, want the context's cause", err)
	}
}

// TestHostilePage has a page in the same browser that does all it can to answer
// in the provider's place.
func TestHostilePage(t *testing.T) {
	srv, b := newExchange(t), newBrowser(t)
	l := begin(t.Context(), srv, "")
	signInPage := <-l.pages
	u, err := url.Parse(signInPage)
	if err != nil {
		t.Fatal(err)
	}
	target := u.Query().Get("redirect_uri")
	hostile := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, `<h1>Kittens</h1>
<img src="%[1]s/?code=stolen&state=guess"><iframe name="frame" src="%[1]s/?code=stolen&state=guess"></iframe>
<form id="form" method="post" target="frame" action="%[1]s/"><input name="code" value="stolen"><input name="state" value="guess"></form>
<script>
document.getElementById("form").submit();
let requests = [];
for (let i = 0; i < 200; i++) {
	requests.push(fetch("%[1]s/?code=stolen&state=" + i, {mode: "no-cors"}));
	requests.push(fetch("%[1]s/", {method: "POST", mode: "no-cors", body: new URLSearchParams({code: "stolen", state: i})}));
}
Promise.allSettled(requests).then(() => document.querySelector("h1").textContent = "Done");
</script>`, target)
	}))
	t.Cleanup(hostile.Close)
	b.do(chromedp.Navigate(hostile.URL))
	b.heading("Done")
	b.do(chromedp.Navigate(target + "/?code=stolen&state=guess"))
	b.heading("Bad Request")
	select {
	case err := <-l.result:
		t.Fatalf("the page ended the sign-in: %v", err)
	default:
	}
	b.do(chromedp.Navigate(signInPage))
	b.signIn(ada)
	b.heading("Signed in")
	if err := <-l.result; err != nil || l.user != ada {
		t.Errorf("got %q, %v, want %q", l.user, err, ada)
	}
}
