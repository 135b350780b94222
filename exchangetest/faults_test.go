package exchangetest_test

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-smtp"

	"github.com/xoauth2/go-xoauth2"
	"github.com/xoauth2/go-xoauth2/exchangetest"
)

func TestDisconnectedMailboxesTakeNoCommand(t *testing.T) {
	t.Parallel()
	srv := start(t)
	client := connect(t, srv, nil)
	srv.DisconnectMailboxes()
	appended := client.Append("INBOX", 2, nil)
	if _, err := appended.Write([]byte("\r\n")); err != nil {
		t.Fatal(err)
	}
	if err := appended.Close(); err != nil {
		t.Fatal(err)
	}
	_, appendErr := appended.Wait()
	_, listErr := client.List("", "*", nil).Collect()
	_, statusErr := client.Status("INBOX", &imap.StatusOptions{NumMessages: true}).Wait()
	_, selectErr := client.Select("INBOX", nil).Wait()
	for name, err := range map[string]error{"APPEND": appendErr, "LIST": listErr, "STATUS": statusErr, "SELECT": selectErr} {
		var refusal *imap.Error
		if !errors.As(err, &refusal) || refusal.Type != imap.StatusResponseTypeBad || refusal.Text != "User is authenticated but not connected." {
			t.Errorf("%s: got %v", name, err)
		}
	}
	srv.Heal()
	if _, err := client.List("", "*", nil).Collect(); err != nil {
		t.Error(err)
	}
	if _, err := client.Status("INBOX", &imap.StatusOptions{NumMessages: true}).Wait(); err != nil {
		t.Error(err)
	}
}

func TestRefuseMailFrom(t *testing.T) {
	t.Parallel()
	srv := start(t)
	srv.RefuseMailFrom(&smtp.SMTPError{Code: 421, EnhancedCode: smtp.EnhancedCode{4, 3, 2}, Message: "Try later."})
	refusal := submit(t, srv, alice, "")
	if refusal == nil || refusal.Code != 421 || refusal.Message != "Try later. [Hostname=AM0PR06CA0126.eurprd06.prod.outlook.com]" {
		t.Errorf("got %+v", refusal)
	}
}

func TestAnswersOfTheTestsOwn(t *testing.T) {
	t.Parallel()
	srv := start(t)
	srv.Greet(xoauth2.POP3, "+OK at your service")
	srv.AnswerLogins(xoauth2.POP3, "-ERR [SYS/TEMP] Later.").Times(1)
	s := dial(t, srv, xoauth2.POP3, false)
	s.expect("+OK at your service")
	for _, want := range []string{"-ERR [SYS/TEMP] Later.", "+OK User successfully authenticated."} {
		s.exchange("AUTH XOAUTH2", "+ ")
		s.exchange(response(t, alice, userToken(t, srv, alice)), want)
	}
	if got, want := []int{srv.Logins(), srv.RefusedLogins()}, []int{1, 1}; got[0] != want[0] || got[1] != want[1] {
		t.Errorf("got %v logins and refusals, want %v", got, want)
	}
}

func TestDelayConnections(t *testing.T) {
	t.Parallel()
	srv := start(t)
	const delay = 200 * time.Millisecond
	srv.DelayConnections(exchangetest.DuringLogin, delay, xoauth2.IMAP)
	begin := time.Now()
	if err := tryLogin(t, srv, xoauth2.IMAP, alice, srv.TokenSource(alice)); err != nil {
		t.Error(err)
	}
	if got := time.Since(begin); got < delay {
		t.Errorf("the login took %v, want %v at least", got, delay)
	}
}

// TestCloseDoesNotWaitForDelays hangs if it does.
func TestCloseDoesNotWaitForDelays(t *testing.T) {
	t.Parallel()
	srv := exchangetest.NewServer()
	fault := srv.DelayConnections(exchangetest.AtAccept, 24*time.Hour)
	conn, err := net.Dial("tcp", srv.Addr(xoauth2.IMAP, true))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	waitFor(t, func() bool { return fault.Count() == 1 })
	srv.Close()
}

func TestExpireClientSecrets(t *testing.T) {
	t.Parallel()
	srv := start(t)
	srv.ExpireClientSecrets()
	_, err := srv.App(nil).ClientCredentials().Token()
	var refusal *xoauth2.TokenError
	if !errors.As(err, &refusal) || refusal.AADSTS != 7000222 {
		t.Errorf("got %v, want AADSTS7000222", err)
	}
}

func TestOpaqueTokensAreGood(t *testing.T) {
	t.Parallel()
	srv := start(t)
	srv.IssueOpaqueTokens()
	if token := userToken(t, srv, alice); strings.Contains(token, ".") {
		t.Error("got a token that says something")
	}
	check(t, srv, alice, srv.TokenSource(alice))
	check(t, srv, alice, srv.App(nil).ClientCredentials())
}

func TestRewriteIDTokens(t *testing.T) {
	t.Parallel()
	srv := start(t)
	fault := srv.RewriteIDTokens(func(claims map[string]any) { claims["nonce"] = "another" })
	app := srv.App(&exchangetest.AppOptions{Public: true})
	srv.SignIn(alice)
	if _, err := app.BrowserLogin(t.Context(), &xoauth2.BrowserOptions{Open: srv.Browse}); err == nil {
		t.Error("a sign-in with another nonce succeeds")
	}
	if got, want := fault.Count(), 1; got != want {
		t.Errorf("got %d, want %d", got, want)
	}
}

func TestBrowseSubmitsForms(t *testing.T) {
	t.Parallel()
	srv := start(t)
	answers := make(chan url.Values, 1)
	application := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
		answers <- r.PostForm
	}))
	t.Cleanup(application.Close)
	app := srv.App(&exchangetest.AppOptions{RedirectURL: application.URL})
	const state = `"<&`
	page, err := app.AuthCodeURL(state, verifier)
	if err != nil {
		t.Fatal(err)
	}
	srv.SignIn(alice)
	if err := srv.Browse(page + "&response_mode=form_post"); err != nil {
		t.Fatal(err)
	}
	if got := <-answers; got.Get("state") != state || got.Get("code") == "" {
		t.Errorf("got %v", got)
	}
}

// TestRefusedSignInsStayOnThePage checks what the application must not hear of.
func TestRefusedSignInsStayOnThePage(t *testing.T) {
	t.Parallel()
	srv := start(t)
	f := newFlow(t, srv)
	srv.FailSignIn(50011).Times(1)
	if response := f.authorize(); response.StatusCode != http.StatusBadRequest {
		t.Errorf("AADSTS50011: got %s, want a page", response.Status)
	}
	srv.FailSignIn(53003).Times(1)
	if answer := f.answer(); answer.Get("error") != "invalid_grant" {
		t.Errorf("AADSTS53003: got %v, want an answer", answer)
	}
}
