package lab

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// What the endpoint knows. MSAL asks for discovery at hosts that it does not
// know, so the endpoint passes for one that it knows.
const (
	host      = "login.microsoftonline.com"
	Authority = "https://" + host + "/" + Tenant
	TokenURL  = Authority + "/oauth2/v2.0/token"
	Tenant    = "11111111-2222-3333-4444-555555555555"
	ClientID  = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
	Scope     = "https://outlook.office365.com/.default"
)

// Endpoint is a token endpoint for the benchmarks: it believes everybody, and
// takes as little time as it can. It signs in whom the code names. As a
// RoundTripper it is reached without a network.
type Endpoint struct {
	Lifetime time.Duration // of access tokens, in whole seconds; zero: an hour
	Delay    time.Duration // before it answers for a token
	Fails    bool          // every token request is refused for now

	Requests atomic.Int64 // for tokens
	Visits   atomic.Int64 // all requests, those for discovery too
	Replays  atomic.Int64 // of spent refresh tokens

	serial atomic.Int64
	spent  sync.Map // refresh tokens
}

// RoundTrip implements http.RoundTripper.
func (e *Endpoint) RoundTrip(r *http.Request) (*http.Response, error) {
	done := make(chan *http.Response, 1)
	go func() {
		w := httptest.NewRecorder()
		e.ServeHTTP(w, r)
		done <- w.Result()
	}()
	select {
	case response := <-done:
		response.Request = r
		return response, nil
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
}

// Client returns a client that reaches the endpoint without a network.
func (e *Endpoint) Client() *http.Client { return &http.Client{Transport: e} }

// ServeHTTP implements http.Handler.
func (e *Endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e.Visits.Add(1)
	w.Header().Set("Content-Type", "application/json")
	switch {
	case strings.HasSuffix(r.URL.Path, "/openid-configuration"):
		reply(w, map[string]any{
			"issuer": Authority + "/v2.0", "token_endpoint": TokenURL,
			"authorization_endpoint": Authority + "/oauth2/v2.0/authorize",
		})
	case strings.HasSuffix(r.URL.Path, "/discovery/instance"):
		reply(w, map[string]any{
			"tenant_discovery_endpoint": Authority + "/v2.0/.well-known/openid-configuration",
			"metadata":                  []any{map[string]any{"preferred_network": host, "preferred_cache": host, "aliases": []string{host}}},
		})
	default:
		e.token(w, r)
	}
}

func (e *Endpoint) token(w http.ResponseWriter, r *http.Request) {
	e.Requests.Add(1)
	time.Sleep(e.Delay)
	_ = r.ParseForm() // it believes everybody
	if e.Fails {
		w.WriteHeader(http.StatusServiceUnavailable)
		reply(w, map[string]any{"error": "temporarily_unavailable"})
		return
	}
	user := r.PostForm.Get("code")
	if old := r.PostForm.Get("refresh_token"); old != "" {
		_, user, _ = strings.Cut(old, "~")
		if _, again := e.spent.LoadOrStore(old, true); again {
			e.Replays.Add(1)
		}
	}
	reply(w, e.grant(user, r.PostForm.Get("client_info") != ""))
}

// grant returns a token reply, for MSAL with what only MSAL insists on.
func (e *Endpoint) grant(user string, isMSAL bool) map[string]any {
	serial := e.serial.Add(1)
	lifetime := e.Lifetime
	if lifetime == 0 {
		lifetime = time.Hour
	}
	claims := map[string]any{
		"iss": Authority + "/v2.0", "aud": ClientID, "sub": user, "upn": user, "preferred_username": user,
		"tid": Tenant, "oid": "object-of-" + user, "exp": time.Now().Add(lifetime).Unix(), "jti": serial,
	}
	granted := map[string]any{
		"token_type": "Bearer", "access_token": jwt(claims), "expires_in": int(lifetime.Seconds()), "scope": Scope,
	}
	if user != "" {
		granted["refresh_token"] = fmt.Sprintf("%d~%s", serial, user)
	}
	if isMSAL && user != "" {
		granted["id_token"] = jwt(claims)
		granted["client_info"] = segment(map[string]any{"uid": claims["oid"], "utid": Tenant})
	}
	return granted
}

func jwt(claims map[string]any) string {
	signature := strings.Repeat("s", 342) // of RSA with 2,048 bits
	return segment(map[string]any{"alg": "RS256", "typ": "JWT"}) + "." + segment(claims) + "." + signature
}

func segment(v map[string]any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return base64.RawURLEncoding.EncodeToString(text)
}

func reply(w io.Writer, v map[string]any) {
	_ = json.NewEncoder(w).Encode(v) // whoever hung up gets none
}
