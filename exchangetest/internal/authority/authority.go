// Package authority is an identity provider on the loopback interface, in the
// shapes of Microsoft Entra, Google and Yahoo.
package authority

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"
)

// Directory ids. Contoso's is the one directory that a Server serves; the
// other is that of Microsoft's personal accounts.
const (
	Contoso  = "6babcaad-604b-40ac-a9d7-9fd97c0b779f"
	Personal = "9188040d-6c67-4c5b-b112-36a304b66dad"
)

// Lifetimes of what a Server issues, as Entra has them.
const (
	tokenLifetime  = time.Hour
	codeLifetime   = 10 * time.Minute
	deviceLifetime = 15 * time.Minute
)

// Server is the identity provider. It is safe for concurrent use.
type Server struct {
	Hooks Hooks

	base   string
	signer *signer
	mux    *http.ServeMux

	mu         sync.Mutex // guards the rest
	now        func() time.Time
	lifetime   time.Duration
	interval   time.Duration // of device polls
	rotation   Rotation
	apps       map[string]*App
	users      map[string]*User // by name in lower case
	consents   map[consent]bool
	codes      map[string]*code
	refresh    map[string]*refreshToken
	devices    map[string]*device // by device code
	opaque     map[string]Claims
	assertions map[string]time.Time // seen jti, and until when they matter
	answers    []answer
	serial     uint64
	revoked    uint64         // access tokens up to this serial are void
	requests   map[string]int // to token endpoints, by grant type
	latest     url.Values     // the form of the last of them
	secrets    []string
}

// Rotation says what becomes of a refresh token that is used.
type Rotation uint8

// The ways of rotation.
const (
	RotateStrict  Rotation = iota // replaced; using it again revokes the sign-in
	RotateLenient                 // replaced, and still good
	RotateNever                   // kept
)

// New returns a Server that is reached at base, such as https://127.0.0.1:443.
func New(base string) (*Server, error) {
	signer, err := newSigner()
	if err != nil {
		return nil, err
	}
	s := &Server{
		base:       base,
		signer:     signer,
		now:        time.Now,
		lifetime:   tokenLifetime,
		interval:   time.Second,
		apps:       make(map[string]*App),
		users:      make(map[string]*User),
		consents:   make(map[consent]bool),
		codes:      make(map[string]*code),
		refresh:    make(map[string]*refreshToken),
		devices:    make(map[string]*device),
		opaque:     make(map[string]Claims),
		assertions: make(map[string]time.Time),
		requests:   make(map[string]int),
	}
	s.mux = s.routes()
	return s, nil
}

// SetClock makes now the time.
func (s *Server) SetClock(now func() time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = now
}

// Now returns the time by the server's clock.
func (s *Server) Now() time.Time {
	s.mu.Lock()
	now := s.now
	s.mu.Unlock()
	return now()
}

// SetLifetime makes access tokens last d from now on.
func (s *Server) SetLifetime(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lifetime = d
}

// SetInterval makes the next device sign-ins be polled every d.
func (s *Server) SetInterval(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.interval = d
}

// SetRotation says what becomes of used refresh tokens from now on.
func (s *Server) SetRotation(r Rotation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rotation = r
}

// RevokeAccessTokens makes every access token issued so far void.
func (s *Server) RevokeAccessTokens() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.revoked = s.serial
}

// PublicKey returns the key that the server's tokens are verified with, and
// its id.
func (s *Server) PublicKey() (id string, key *rsa.PublicKey) {
	return s.signer.id, &s.signer.key.PublicKey
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Date", s.Now().UTC().Format(http.TimeFormat))
	w.Header().Set("Cache-Control", "no-store, no-cache")
	s.mux.ServeHTTP(w, r)
}

func (s *Server) routes() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("/{tenant}/oauth2/v2.0/authorize", s.in(Entra, s.authorize))
	mux.HandleFunc("/{tenant}/oauth2/v2.0/token", s.in(Entra, s.token))
	mux.HandleFunc("/{tenant}/oauth2/v2.0/devicecode", s.in(Entra, s.deviceCode))
	mux.HandleFunc("/{tenant}/oauth2/v2.0/introspect", s.in(Entra, s.introspect))
	mux.HandleFunc("/{tenant}/v2.0/adminconsent", s.in(Entra, s.adminConsent))
	mux.HandleFunc("GET /{tenant}/v2.0/.well-known/openid-configuration", s.in(Entra, s.configuration))
	mux.HandleFunc("GET /{tenant}/discovery/v2.0/keys", s.in(Entra, s.keys))
	mux.HandleFunc("/devicelogin", s.in(Entra, s.deviceLogin))
	mux.HandleFunc("/google/auth", s.in(Google, s.authorize))
	mux.HandleFunc("/google/token", s.in(Google, s.token))
	mux.HandleFunc("/yahoo/auth", s.in(Yahoo, s.authorize))
	mux.HandleFunc("/yahoo/token", s.in(Yahoo, s.token))
	return mux
}

// answer is what happens to the next interactive sign-in without anybody at a
// browser.
type answer struct {
	username string
	declined bool
}

// Answer signs username in at the next interactive sign-in; declined instead
// turns it down.
func (s *Server) Answer(username string, declined bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers = append(s.answers, answer{username, declined})
}

// takeAnswer returns the next answer. s.mu must be held.
func (s *Server) takeAnswer() (answer, bool) {
	if len(s.answers) == 0 {
		return answer{}, false
	}
	next := s.answers[0]
	s.answers = s.answers[1:]
	return next, true
}

// maxKept bounds what is kept for tests to look at.
const maxKept = 10_000

// keepSecret remembers a value that must appear nowhere but where it belongs.
// s.mu must be held.
func (s *Server) keepSecret(value string) {
	if value != "" && len(s.secrets) < maxKept {
		s.secrets = append(s.secrets, value)
	}
}

// Secrets returns the secrets that the server gave out or was sent, each once.
func (s *Server) Secrets() []string {
	s.mu.Lock()
	secrets := slices.Clone(s.secrets)
	s.mu.Unlock()
	slices.Sort(secrets)
	return slices.Compact(secrets)
}

// secretParameters are left out of what LatestRequest returns.
var secretParameters = []string{
	"client_secret", "client_assertion", "code", "code_verifier", "refresh_token", "device_code", "password",
}

// record keeps a request to the token endpoint, without its secrets.
func (s *Server) record(form url.Values) {
	shown := make(url.Values, len(form))
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, values := range form {
		shown[name] = slices.Clone(values)
		if !slices.Contains(secretParameters, name) {
			continue
		}
		for i, value := range values {
			s.keepSecret(value)
			shown[name][i] = "redacted"
		}
	}
	s.requests[form.Get("grant_type")]++
	s.latest = shown
}

// Requests returns how many requests the token endpoints got: those of the grant
// types named, or all.
func (s *Server) Requests(grants ...string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	total := 0
	for grant, n := range s.requests {
		if len(grants) == 0 || slices.Contains(grants, grant) {
			total += n
		}
	}
	return total
}

// LatestRequest returns the form of the last of them, without its secrets; nil
// if there was none. It is not to be changed.
func (s *Server) LatestRequest() url.Values {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.latest
}

// randomText returns a text that nobody can guess.
func randomText() string {
	b := make([]byte, 24)
	_, _ = rand.Read(b) // never fails, by its documentation
	return base64.RawURLEncoding.EncodeToString(b)
}

// uuid returns the same GUID for the same words: ids that do not change from
// run to run make readable tests.
func uuid(words ...any) string {
	sum := sha256.Sum256([]byte(fmt.Sprintln(words...)))
	sum[6] = sum[6]&0x0f | 0x40
	sum[8] = sum[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", sum[0:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
}
