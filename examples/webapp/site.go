package main

import (
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http"
	"net/url"

	"golang.org/x/oauth2"

	"github.com/xoauth2/go-xoauth2"
)

// redirectPath is where the sign-in page leads back to.
const redirectPath = "/signed-in"

// site is the web application.
type site struct {
	app      *xoauth2.App
	options  *xoauth2.DialOptions
	sessions *sessions
	log      *slog.Logger
}

func newSite(app *xoauth2.App, options *xoauth2.DialOptions, log *slog.Logger) *site {
	return &site{app: app, options: options, sessions: newSessions(), log: log}
}

// handler serves the site at a base URL. What changes something is a POST, and
// is refused if it comes from a page of another site.
func (s *site) handler(base string) (http.Handler, error) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.home)
	mux.HandleFunc("GET "+redirectPath, s.signedIn)
	mux.HandleFunc("GET /style.css", style)
	mux.HandleFunc("POST /sign-in", s.signIn)
	mux.HandleFunc("POST /sign-out", s.signOut)
	origins := http.NewCrossOriginProtection()
	if err := origins.AddTrustedOrigin(base); err != nil { // a proxy may change the Host header
		return nil, err
	}
	return s.withPolicy(origins.Handler(mux)), nil
}

// withPolicy tells browsers what the pages may do: nothing but show themselves,
// and send their forms here, from where a sign-in goes on to the provider.
func (s *site) withPolicy(next http.Handler) http.Handler {
	formAction := "'self'"
	if page, err := url.Parse(s.app.Provider.Endpoint(s.app.Tenant).AuthURL); err == nil {
		formAction += " " + page.Scheme + "://" + page.Host // Chromium applies it to redirects too
	}
	policy := "default-src 'none'; style-src 'self'; form-action " + formAction + "; base-uri 'none'; frame-ancestors 'none'"
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("Referrer-Policy", "same-origin")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// home shows the user's mailbox, or the way in.
func (s *site) home(w http.ResponseWriter, r *http.Request) {
	user, ok := s.sessions.user(r)
	if !ok {
		s.show(w, http.StatusOK, "welcome", "")
		return
	}
	account, err := s.app.Account(r.Context(), user)
	if err == nil {
		var mailbox *mailbox
		if mailbox, err = s.open(r.Context(), account); err == nil {
			s.show(w, http.StatusOK, "mailbox", mailbox)
			return
		}
	}
	s.log.Warn("mailbox", "user", user, "error", err)
	if errors.Is(err, xoauth2.ErrSignInRequired) {
		s.sessions.end(w, r)
		s.show(w, http.StatusOK, "welcome", "Your sign-in has ended. Please sign in again.")
		return
	}
	s.showProblem(w, http.StatusBadGateway, "Your mailbox could not be opened", user, err)
}

// signIn sends the browser to the provider's sign-in page.
func (s *site) signIn(w http.ResponseWriter, r *http.Request) {
	state, verifier := rand.Text(), oauth2.GenerateVerifier()
	options := []oauth2.AuthCodeOption{oauth2.SetAuthURLParam("response_mode", "query")}
	if s.app.Provider.Name != xoauth2.Gmail.Name { // whose prompt package xoauth2 sets
		options = append(options, oauth2.SetAuthURLParam("prompt", "select_account"))
	}
	page, err := s.app.AuthCodeURL(state, verifier, options...)
	if err != nil {
		s.log.Error("sign-in", "error", err)
		s.showProblem(w, http.StatusInternalServerError, "You cannot sign in", "", err)
		return
	}
	s.sessions.start(w, r, session{state: state, verifier: verifier}, signInLife)
	http.Redirect(w, r, page, http.StatusSeeOther)
}

// signedIn takes the answer that the sign-in page sent the browser back with.
func (s *site) signedIn(w http.ResponseWriter, r *http.Request) {
	answer := r.URL.Query()
	verifier, ok := s.sessions.answered(r, answer.Get("state"))
	if !ok {
		s.show(w, http.StatusBadRequest, "problem", problem{
			Title: "You are not signed in",
			Text:  "This answer is late, came twice, or belongs to another browser. Please begin again.",
		})
		return
	}
	if code := answer.Get("error"); code != "" {
		err := &xoauth2.TokenError{Code: code, Description: answer.Get("error_description")}
		s.log.Warn("sign-in", "error", err)
		s.showProblem(w, http.StatusForbidden, "You are not signed in", "", err)
		return
	}
	account, err := s.app.Exchange(r.Context(), answer.Get("code"), verifier)
	if err != nil {
		s.log.Error("sign-in", "error", err)
		s.showProblem(w, http.StatusBadGateway, "You are not signed in", "", err)
		return
	}
	s.sessions.start(w, r, session{user: account.Username()}, sessionLife)
	s.log.Info("signed in", "user", account.Username())
	http.Redirect(w, r, "/", http.StatusSeeOther) // away from the URL with the code
}

// signOut forgets the user's sign-in, in this browser and in the store.
func (s *site) signOut(w http.ResponseWriter, r *http.Request) {
	user, ok := s.sessions.user(r)
	s.sessions.end(w, r)
	if ok {
		account, err := s.app.Account(r.Context(), user)
		if err == nil {
			err = account.SignOut(r.Context())
		}
		if err != nil && !errors.Is(err, xoauth2.ErrSignInRequired) { // signed out elsewhere
			s.log.Error("sign-out", "user", user, "error", err)
			s.showProblem(w, http.StatusInternalServerError, "The sign-out failed", "", err)
			return
		}
		s.log.Info("signed out", "user", user)
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}
