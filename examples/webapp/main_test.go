package main

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/xoauth2/go-xoauth2/exchangetest"
)

func newServer(t *testing.T) *exchangetest.Server {
	t.Helper()
	srv := exchangetest.NewServer()
	t.Cleanup(srv.Close)
	return srv
}

func checkSecrets(t *testing.T, srv *exchangetest.Server, output string) {
	t.Helper()
	secrets := srv.Secrets()
	if len(secrets) == 0 {
		t.Error("the server saw no secrets")
	}
	for _, secret := range secrets {
		if strings.Contains(output, secret) {
			t.Errorf("the output holds a secret of %d characters", len(secret))
		}
	}
}

func TestDemonstration(t *testing.T) {
	t.Parallel()
	srv := newServer(t)
	var out bytes.Buffer
	if err := play(t.Context(), &out, srv, t.TempDir()); err != nil {
		t.Fatalf("got error %v after\n%s", err, &out)
	}
	for want, times := range map[string]int{
		`alice@contoso.com sees the page "Mail"`:  2,
		`alice@contoso.com sees the page "Inbox"`: 2,
		`bob@contoso.com sees the page "Inbox"`:   2,
		`bob@contoso.com sees the page "Mail"`:    1,
		"  Café receipts\n":                       2,
		"  Minutes of Monday's meeting\n":         2,
	} {
		if got := strings.Count(out.String(), want); got != times {
			t.Errorf("got %q %d times, want %d", want, got, times)
		}
	}
	checkSecrets(t, srv, out.String())
	if t.Failed() {
		t.Log(out.String())
	}
}

// visitor is a browser that follows no redirects by itself.
type visitor struct {
	t    *testing.T
	srv  *exchangetest.Server
	site *site
	base string
	*http.Client

	log    *logBuffer // of the site
	folder string     // of its store
}

// logBuffer is a bytes.Buffer for several goroutines.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func newVisitor(t *testing.T) *visitor {
	t.Helper()
	v := &visitor{t: t, srv: newServer(t), log: new(logBuffer), folder: t.TempDir()}
	server := httptest.NewUnstartedServer(nil)
	v.base = "https://" + server.Listener.Addr().String()
	v.site = newFakeSite(v.srv, v.base, v.folder, slog.New(slog.NewTextHandler(v.log, nil)))
	handler, err := v.site.handler(v.base)
	if err != nil {
		t.Fatal(err)
	}
	server.Config.Handler = handler
	server.StartTLS()
	t.Cleanup(server.Close)
	p, err := newPerson(t.Context(), io.Discard, alice, server, v.srv.TLSConfig())
	if err != nil {
		t.Fatal(err)
	}
	v.Client = p.client
	v.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	t.Cleanup(v.CloseIdleConnections)
	return v
}

// do sends a request and returns the answer, with its body read.
func (v *visitor) do(method, page string, headers ...string) (response *http.Response, body string) {
	v.t.Helper()
	if strings.HasPrefix(page, "/") {
		page = v.base + page
	}
	request, err := http.NewRequestWithContext(v.t.Context(), method, page, nil)
	if err != nil {
		v.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err = v.Do(request)
	if err != nil {
		v.t.Fatal(err)
	}
	octets, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	if err != nil {
		v.t.Fatal(err)
	}
	return response, string(octets)
}

// answer signs in at the provider, and returns where that leads back to.
func (v *visitor) answer() string {
	v.t.Helper()
	toProvider, _ := v.do(http.MethodPost, "/sign-in")
	page := toProvider.Header.Get("Location")
	if toProvider.StatusCode != http.StatusSeeOther || !strings.HasPrefix(page, v.srv.URL()) {
		v.t.Fatalf("got %s to %q, want the sign-in page", toProvider.Status, page)
	}
	back, _ := v.do(http.MethodGet, page)
	return back.Header.Get("Location")
}

func (v *visitor) signIn() {
	v.t.Helper()
	v.srv.SignIn(alice)
	response, _ := v.do(http.MethodGet, v.answer())
	if got := response.Header.Get("Location"); response.StatusCode != http.StatusSeeOther || got != "/" {
		v.t.Fatalf("got %s to %q, want the mailbox", response.Status, got)
	}
}

func (v *visitor) cookie() string {
	v.t.Helper()
	base, err := url.Parse(v.base)
	if err != nil {
		v.t.Fatal(err)
	}
	for _, c := range v.Jar.Cookies(base) {
		if c.Name == cookieName {
			return c.Value
		}
	}
	return ""
}

func TestSession(t *testing.T) {
	t.Parallel()
	v := newVisitor(t)
	response, _ := v.do(http.MethodPost, "/sign-in")
	cookie := response.Header.Get("Set-Cookie")
	for _, want := range []string{"__Host-session=", "; Path=/", "; HttpOnly", "; Secure", "; SameSite=Lax"} {
		if !strings.Contains(cookie, want) {
			t.Errorf("the cookie lacks %q", want)
		}
	}
	before := v.cookie()
	v.signIn()
	if after := v.cookie(); after == "" || after == before {
		t.Error("the sign-in did not change the session's id")
	}
	if _, body := v.do(http.MethodGet, "/"); !strings.Contains(body, "Lunch?") || !strings.Contains(body, alice) {
		t.Errorf("got %q, want alice's mailbox", body)
	}
	v.do(http.MethodPost, "/sign-out")
	if _, body := v.do(http.MethodGet, "/"); strings.Contains(body, alice) {
		t.Error("alice is signed in after she signed out")
	}
	if users, err := v.site.app.Accounts(t.Context()); err != nil || len(users) != 0 {
		t.Errorf("got accounts %q, %v, want none", users, err)
	}
	checkSecrets(t, v.srv, v.log.String())
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		change func(v *visitor, answer string) string
		status int
		want   string
	}{
		{"as it came", func(_ *visitor, a string) string { return a }, http.StatusSeeOther, ""},
		{"twice", func(v *visitor, a string) string { v.do(http.MethodGet, a); return a }, http.StatusBadRequest, "begin again"},
		{"another state", func(_ *visitor, a string) string { return a + "x" }, http.StatusBadRequest, "begin again"},
		{"no state", func(_ *visitor, a string) string { return strings.ReplaceAll(a, "state=", "s=") }, http.StatusBadRequest, "begin again"},
		{"another browser", func(v *visitor, a string) string { v.Jar = nil; return a }, http.StatusBadRequest, "begin again"},
		{"another code", func(_ *visitor, a string) string { return strings.Replace(a, "code=", "code=x", 1) }, http.StatusBadGateway, "class=\"cause\""},
		{"a refusal", func(_ *visitor, a string) string {
			return strings.Replace(a, "code=", "error=access_denied&error_description=AADSTS65004%3A+no&code=", 1)
		}, http.StatusForbidden, "declined"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			v := newVisitor(t)
			v.srv.SignIn(alice)
			response, body := v.do(http.MethodGet, test.change(v, moveStateLast(t, v.answer())))
			if response.StatusCode != test.status || !strings.Contains(body, test.want) {
				t.Errorf("got %s and %q, want %d and %q", response.Status, body, test.status, test.want)
			}
			checkSecrets(t, v.srv, body+v.log.String())
		})
	}
}

// moveStateLast puts the state at the URL's end.
func moveStateLast(t *testing.T, answer string) string {
	t.Helper()
	u, err := url.Parse(answer)
	if err != nil {
		t.Fatal(err)
	}
	query := u.Query()
	state := query.Get("state")
	query.Del("state")
	u.RawQuery = query.Encode() + "&state=" + url.QueryEscape(state)
	return u.String()
}

func TestOtherSites(t *testing.T) {
	t.Parallel()
	v := newVisitor(t)
	v.signIn()
	for _, path := range []string{"/sign-in", "/sign-out"} {
		for _, headers := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Origin", "https://evil.example"}} {
			if response, _ := v.do(http.MethodPost, path, headers...); response.StatusCode != http.StatusForbidden {
				t.Errorf("POST %s with %s: got %s, want it refused", path, headers, response.Status)
			}
		}
		if response, _ := v.do(http.MethodGet, path); response.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("GET %s: got %s", path, response.Status)
		}
	}
	if response, _ := v.do(http.MethodGet, "/signed-in?code=x&state="); response.StatusCode != http.StatusBadRequest {
		t.Errorf("got %s for an answer to nothing", response.Status)
	}
	if _, body := v.do(http.MethodGet, "/"); !strings.Contains(body, alice) {
		t.Error("alice is not signed in any more")
	}
	if response, _ := v.do(http.MethodPost, "/sign-out", "Origin", v.base, "Sec-Fetch-Site", "same-origin"); response.StatusCode != http.StatusSeeOther {
		t.Errorf("got %s for the site's own form", response.Status)
	}
}

func TestPages(t *testing.T) {
	t.Parallel()
	v := newVisitor(t)
	response, _ := v.do(http.MethodGet, "/")
	policy := response.Header.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "frame-ancestors 'none'", "form-action 'self' " + v.srv.URL() + ";"} {
		if !strings.Contains(policy, want) {
			t.Errorf("the policy %q lacks %q", policy, want)
		}
	}
	v.signIn()
	_, body := v.do(http.MethodGet, "/")
	if !strings.Contains(body, "&lt;script&gt;") || strings.Contains(body, "<script") {
		t.Errorf("the subjects are not escaped: %q", body)
	}
	if response, body := v.do(http.MethodGet, "/style.css"); response.StatusCode != http.StatusOK || body != string(styleText) {
		t.Errorf("got %s for the style sheet", response.Status)
	}

	v.srv.DisableProtocol()
	if response, body := v.do(http.MethodGet, "/"); response.StatusCode != http.StatusBadGateway || !strings.Contains(body, `class="cause"`) {
		t.Errorf("got %s and %q, want an explanation", response.Status, body)
	}
	checkSecrets(t, v.srv, v.log.String())
}

func TestSignInThatEnded(t *testing.T) {
	t.Parallel()
	v := newVisitor(t)
	v.signIn()
	account, err := v.site.app.Account(t.Context(), alice)
	if err != nil {
		t.Fatal(err)
	}
	if err := account.SignOut(t.Context()); err != nil { // with another browser
		t.Fatal(err)
	}
	if _, body := v.do(http.MethodGet, "/"); !strings.Contains(body, "Please sign in again") {
		t.Errorf("got %q, want the way in", body)
	}
	if v.cookie() != "" {
		t.Error("the session goes on")
	}
}

func TestStoreIsSealed(t *testing.T) {
	t.Parallel()
	v := newVisitor(t)
	v.signIn()
	files := 0
	err := filepath.WalkDir(v.folder, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		files++
		data, err := os.ReadFile(path)
		checkSecrets(t, v.srv, string(data))
		return err
	})
	if err != nil || files == 0 {
		t.Errorf("got %d files, %v, want the account's", files, err)
	}
}
