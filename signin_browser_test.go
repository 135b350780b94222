package xoauth2_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/xoauth2/go-xoauth2"
	"github.com/xoauth2/go-xoauth2/exchangetest"
)

// publicApp registers a desktop program.
func publicApp(srv *exchangetest.Server) *xoauth2.App {
	return srv.App(&exchangetest.AppOptions{Public: true})
}

// signInByBrowser signs username in to a desktop program.
func signInByBrowser(t *testing.T, srv *exchangetest.Server, app *xoauth2.App, username string) *xoauth2.Account {
	t.Helper()
	srv.SignIn(username)
	account, err := app.BrowserLogin(t.Context(), &xoauth2.BrowserOptions{Open: srv.Browse})
	if err != nil {
		t.Fatalf("no sign-in: %v", err)
	}
	return account
}

// withParameter returns a URL with a parameter set.
func withParameter(t *testing.T, rawURL, name, value string) string {
	t.Helper()
	u, err := url.Parse(rawURL)
	if err != nil {
		t.Fatal(err)
	}
	query := u.Query()
	query.Set(name, value)
	u.RawQuery = query.Encode()
	return u.String()
}

func TestBrowserLogin(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"query", "form_post"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			srv := newExchange(t)
			app := publicApp(srv)
			app.ExtraScopes = []string{"User.Read"}
			srv.SignIn(ada)
			opts := &xoauth2.BrowserOptions{LoginHint: bea, Open: func(page string) error {
				u, err := url.Parse(page)
				if err != nil {
					return err
				}
				query := u.Query()
				if !strings.HasPrefix(query.Get("redirect_uri"), "http://localhost:") || query.Get("login_hint") != bea ||
					query.Get("code_challenge_method") != "S256" || len(query.Get("state")) < 22 || !strings.HasSuffix(query.Get("scope"), " User.Read") {
					t.Errorf("the page is asked for with %v", query)
				}
				return srv.Browse(withParameter(t, page, "response_mode", mode))
			}}
			account, err := app.BrowserLogin(t.Context(), opts)
			if err != nil {
				t.Fatal(err)
			}
			if got := account.Username(); got != ada {
				t.Errorf("got user name %q, want that of who signed in, %q", got, ada)
			}
			wantToken(t, account)
			wantToken(t, account.For(xoauth2.SMTP))
			if got := srv.LastTokenRequest(); got.Has("client_secret") || got.Has("client_assertion") {
				t.Error("a public client proves who it is")
			}
			wantRequests(t, srv, 2)
		})
	}
}

// TestBrowserLoginRefused is turned down on the sign-in page.
func TestBrowserLoginRefused(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		start  func(*exchangetest.Server)
		code   string
		number int
		class  xoauth2.Class
	}{
		{"by the user", (*exchangetest.Server).DeclineSignIn, "access_denied", 65004, xoauth2.ClassSignIn},
		{"by a policy", func(srv *exchangetest.Server) { srv.FailSignIn(53003) }, "invalid_grant", 53003, xoauth2.ClassSignIn},
		{"for want of consent", func(srv *exchangetest.Server) { srv.FailSignIn(90094) }, "access_denied", 90094, xoauth2.ClassSignIn},
		{"by an outage", func(srv *exchangetest.Server) { srv.FailSignIn(90033) }, "temporarily_unavailable", 90033, xoauth2.ClassTemporary},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			srv := newExchange(t)
			tt.start(srv)
			app := publicApp(srv)
			_, err := app.BrowserLogin(t.Context(), &xoauth2.BrowserOptions{Open: srv.Browse})
			wantError(t, err, "sign-in page: ")
			refusal := wantTokenError(t, err)
			if refusal.Code != tt.code || refusal.AADSTS != tt.number || refusal.StatusCode != 0 || refusal.Err != nil {
				t.Errorf("got %q, AADSTS%d, status %d", refusal.Code, refusal.AADSTS, refusal.StatusCode)
			}
			if want := app.Provider.Endpoint(app.Tenant).AuthURL; refusal.Endpoint != want || refusal.RedirectURL != "http://localhost" {
				t.Errorf("got endpoint %q, redirect URL %q, want %q", refusal.Endpoint, refusal.RedirectURL, want)
			}
			if errors.Is(err, xoauth2.ErrSignInRequired) {
				t.Error("a sign-in that fails says that a sign-in is required")
			}
			if got := xoauth2.Diagnose(err); got.Class != tt.class {
				t.Errorf("got class %v, want %v", got.Class, tt.class)
			}
			wantRequests(t, srv, 0)
		})
	}
}

// answerBy returns an Open that brings the browser's answer with a change.
func answerBy(t *testing.T, srv *exchangetest.Server, change func(answer url.Values)) func(string) error {
	return func(page string) error {
		u, err := url.Parse(page)
		if err != nil {
			return err
		}
		answer := visitPage(t, srv.HTTPClient(), page)
		change(answer)
		response, err := http.Get(u.Query().Get("redirect_uri") + "/?" + answer.Encode())
		if err != nil {
			return err
		}
		return response.Body.Close()
	}
}

// TestBrowserLoginMixedUp gets the answer of another provider (RFC 9207).
func TestBrowserLoginMixedUp(t *testing.T) {
	t.Parallel()
	setIssuer := func(iss string) func(url.Values) {
		return func(answer url.Values) { answer.Set("iss", iss) }
	}
	tests := []struct {
		name   string
		start  func(*exchangetest.Server)
		change func(url.Values)
		want   string
	}{
		{"other issuer", func(srv *exchangetest.Server) { srv.SignIn(ada) }, setIssuer("https://login.elsewhere.test/v2.0"), "names the issuer"},
		{"issuer without TLS", func(srv *exchangetest.Server) { srv.SignIn(ada) }, func(answer url.Values) {
			answer.Set("iss", strings.Replace(answer.Get("iss"), "https", "http", 1))
		}, "names the issuer"},
		{"refusal of another issuer", (*exchangetest.Server).DeclineSignIn, setIssuer("https://login.elsewhere.test/v2.0"), "names the issuer"},
		{"no issuer", func(srv *exchangetest.Server) { srv.SignIn(ada) }, func(answer url.Values) { answer.Del("iss") }, ""},
		{"another code", func(srv *exchangetest.Server) { srv.SignIn(ada) }, func(answer url.Values) { answer.Set("code", canary) }, "invalid_grant"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			srv := newExchange(t)
			tt.start(srv)
			_, err := publicApp(srv).BrowserLogin(t.Context(), &xoauth2.BrowserOptions{Open: answerBy(t, srv, tt.change)})
			if tt.want == "" {
				if err != nil {
					t.Errorf("got %v", err)
				}
				return
			}
			wantError(t, err, tt.want)
			assertSecret(t, err)
		})
	}
}

// TestBrowserLoginEnds ends the context while nobody answers.
func TestBrowserLoginEnds(t *testing.T) {
	t.Parallel()
	srv := newExchange(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	release := make(chan struct{})
	defer close(release)
	begin := time.Now()
	_, err := publicApp(srv).BrowserLogin(ctx, &xoauth2.BrowserOptions{Open: func(string) error {
		cancel(errLunch)
		<-release // a browser that was not running yet
		return nil
	}})
	wantError(t, err, "wait for the redirect")
	if !errors.Is(err, errLunch) {
		t.Errorf("got %v, want the context's cause", err)
	}
	if took := time.Since(begin); took > 30*time.Second {
		t.Errorf("it ends after %v", took)
	}
	if _, err := publicApp(srv).BrowserLogin(ctx, &xoauth2.BrowserOptions{Open: func(string) error { return nil }}); !errors.Is(err, errLunch) {
		t.Errorf("with a context that has ended: got %v", err)
	}
}

// TestBrowserLoginOpen has a browser that does not open, and one that stays.
func TestBrowserLoginOpen(t *testing.T) {
	t.Parallel()
	srv := newExchange(t)
	_, err := publicApp(srv).BrowserLogin(t.Context(), &xoauth2.BrowserOptions{Open: func(string) error { return errLunch }})
	wantError(t, err, "the browser could not be opened")
	if !errors.Is(err, errLunch) {
		t.Errorf("got %v, want Open's error within", err)
	}
	wantRequests(t, srv, 0)

	srv.SignIn(ada)
	release := make(chan struct{})
	defer close(release)
	_, err = publicApp(srv).BrowserLogin(t.Context(), &xoauth2.BrowserOptions{Open: func(page string) error {
		err := srv.Browse(page)
		<-release
		return err
	}})
	if err != nil {
		t.Errorf("Open that does not return: %v", err)
	}
}

// paste signs username in, and returns an Open and a Paste with which the
// redirect's URL, changed, is pasted.
func paste(t *testing.T, srv *exchangetest.Server, change func(redirect string) string) (open func(string) error, reader io.Reader) {
	r, w := io.Pipe()
	return func(page string) error {
		u, err := url.Parse(page)
		if err != nil {
			return err
		}
		redirect := u.Query().Get("redirect_uri") + "/?" + visitPage(t, srv.HTTPClient(), page).Encode()
		go func() { _, _ = io.WriteString(w, change(redirect)) }() // somebody else's business if it is not read
		t.Cleanup(func() { _ = r.Close() })
		return errLunch // no browser on this machine
	}, r
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestBrowserLoginPaste(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(redirect string) string
		want   string // words of the error; empty: none
	}{
		{"good", func(redirect string) string { return redirect + "\n" }, ""},
		{"with blanks", func(redirect string) string { return "  '" + redirect + "' \r\nmore" }, ""},
		{"without scheme", func(redirect string) string { return strings.TrimPrefix(redirect, "http://") + "\n" }, ""},
		{"other state", func(redirect string) string { return withParameter(t, redirect, "state", "other") + "\n" }, "belongs to another sign-in"},
		{"other host", func(redirect string) string {
			return strings.Replace(redirect, "localhost", "elsewhere.test", 1) + "\n"
		}, "not the redirect URL"},
		{"other port", func(redirect string) string { return strings.Replace(redirect, "localhost:", "localhost:1", 1) + "\n" }, "not the redirect URL"},
		{"garbage", func(string) string { return canary + "\n" }, "not the redirect URL"},
		{"no line", func(string) string { return strings.Repeat("x", 100_000) }, "pasted"},
		{"refusal", func(redirect string) string {
			u, _, _ := strings.Cut(redirect, "?")
			state := redirect[strings.Index(redirect, "state="):]
			return u + "?error=access_denied&error_description=no&" + state + "\n"
		}, "access_denied"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			srv := newExchange(t)
			srv.SignIn(ada)
			open, reader := paste(t, srv, tt.change)
			account, err := publicApp(srv).BrowserLogin(t.Context(), &xoauth2.BrowserOptions{Open: open, Paste: reader})
			if tt.want == "" {
				if err != nil || account.Username() != ada {
					t.Errorf("got %v, want %s", err, ada)
				}
				return
			}
			wantError(t, err, tt.want)
			assertSecret(t, err)
		})
	}
}

// TestBrowserLoginWithoutPaste has a Paste from which nothing comes.
func TestBrowserLoginWithoutPaste(t *testing.T) {
	t.Parallel()
	t.Run("silent", func(t *testing.T) {
		t.Parallel()
		srv := newExchange(t)
		srv.SignIn(ada)
		r, w := io.Pipe()
		defer w.Close()
		if _, err := publicApp(srv).BrowserLogin(t.Context(), &xoauth2.BrowserOptions{Open: srv.Browse, Paste: r}); err != nil {
			t.Errorf("the browser is not enough: %v", err)
		}
	})
	t.Run("at its end", func(t *testing.T) {
		t.Parallel()
		srv := newExchange(t)
		srv.SignIn(ada)
		ended := make(chan struct{})
		open := func(page string) error {
			<-ended
			return srv.Browse(page)
		}
		nothing := readerFunc(func([]byte) (int, error) {
			close(ended)
			return 0, io.EOF
		})
		if _, err := publicApp(srv).BrowserLogin(t.Context(), &xoauth2.BrowserOptions{Open: open, Paste: nothing}); err != nil {
			t.Errorf("the browser is not enough: %v", err)
		}
	})
	t.Run("at its end, and no browser", func(t *testing.T) {
		t.Parallel()
		opts := &xoauth2.BrowserOptions{Open: func(string) error { return errLunch }, Paste: strings.NewReader("")}
		if _, err := publicApp(newExchange(t)).BrowserLogin(t.Context(), opts); !errors.Is(err, errLunch) {
			t.Errorf("got %v, want Open's error", err)
		}
	})
	t.Run("broken", func(t *testing.T) {
		t.Parallel()
		r, w := io.Pipe()
		_ = w.CloseWithError(errLunch)
		opts := &xoauth2.BrowserOptions{Open: func(string) error { return nil }, Paste: r}
		if _, err := publicApp(newExchange(t)).BrowserLogin(t.Context(), opts); !errors.Is(err, errLunch) {
			t.Errorf("got %v, want the reader's error", err)
		}
	})
}
