package main

import (
	"crypto/rand"
	"crypto/subtle"
	"maps"
	"net/http"
	"sync"
	"time"
)

// The lives of sessions.
const (
	signInLife  = 10 * time.Minute // between the button and the answer
	sessionLife = 8 * time.Hour
)

// cookieName has the prefix with which a browser takes the cookie from this host
// alone, over HTTPS (or from localhost), for all paths.
const cookieName = "__Host-session"

// session is one browser: on its way to the sign-in page and back, or signed in.
type session struct {
	user            string // who signed in; empty: nobody yet
	state, verifier string // of the sign-in that is under way
	expires         time.Time
}

// sessions are kept in memory: after a restart the users sign in again, which
// is a click if the provider still knows them.
type sessions struct {
	mu   sync.Mutex
	byID map[string]session
}

func newSessions() *sessions { return &sessions{byID: make(map[string]session)} }

// start begins a session under a new id, and ends the one that the browser had:
// an id that somebody has planted is worth nothing after the sign-in.
func (s *sessions) start(w http.ResponseWriter, r *http.Request, begun session, life time.Duration) {
	now := time.Now()
	begun.expires = now.Add(life)
	id := rand.Text()
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.byID, func(_ string, old session) bool { return now.After(old.expires) })
	delete(s.byID, sessionID(r))
	s.byID[id] = begun
	setCookie(w, id, int(life/time.Second))
}

// user returns who is signed in.
func (s *sessions) user(r *http.Request) (name string, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found, ok := s.byID[sessionID(r)]
	return found.user, ok && found.user != "" && time.Now().Before(found.expires)
}

// answered returns the verifier of the sign-in to which state belongs, if this
// browser began it. It does so once.
func (s *sessions) answered(r *http.Request, state string) (verifier string, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := sessionID(r)
	found, ok := s.byID[id]
	if !ok || found.state == "" || time.Now().After(found.expires) ||
		subtle.ConstantTimeCompare([]byte(found.state), []byte(state)) != 1 {
		return "", false
	}
	delete(s.byID, id)
	return found.verifier, true
}

// end ends the browser's session.
func (s *sessions) end(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.byID, sessionID(r))
	setCookie(w, "", -1)
}

func sessionID(r *http.Request) string {
	cookie, err := r.Cookie(cookieName)
	if err != nil {
		return ""
	}
	return cookie.Value
}

// setCookie gives the browser the id of its session. Lax lets it come along
// when the sign-in page leads back, and not with forms of other sites.
func setCookie(w http.ResponseWriter, id string, maxAge int) {
	http.SetCookie(w, &http.Cookie{
		Name: cookieName, Value: id, Path: "/", MaxAge: maxAge,
		HttpOnly: true, Secure: true, SameSite: http.SameSiteLaxMode,
	})
}
