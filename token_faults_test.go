package xoauth2_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/xoauth2/go-xoauth2"
	"github.com/xoauth2/go-xoauth2/exchangetest"
)

// TestThrottledThenServed waits as long as the endpoint asks, and no longer.
func TestThrottledThenServed(t *testing.T) {
	tests := []struct {
		name     string
		start    func(*exchangetest.Server) *exchangetest.Fault
		min, max time.Duration
	}{
		{"429 with Retry-After", func(srv *exchangetest.Server) *exchangetest.Fault { return srv.ThrottleTokens(7 * time.Second) }, 14 * time.Second, 16 * time.Second},
		{"429 without", func(srv *exchangetest.Server) *exchangetest.Fault { return srv.ThrottleTokens(0) }, 2 * time.Second, 6 * time.Second},
		{"503 with Retry-After", func(srv *exchangetest.Server) *exchangetest.Fault { return srv.MakeTokensUnavailable(7 * time.Second) }, 14 * time.Second, 16 * time.Second},
		{"503 without", func(srv *exchangetest.Server) *exchangetest.Fault { return srv.MakeTokensUnavailable(0) }, 2 * time.Second, 6 * time.Second},
		{"dropped", (*exchangetest.Server).DropTokenRequests, 2 * time.Second, 6 * time.Second},
		{"cut", (*exchangetest.Server).CutTokenReplies, 2 * time.Second, 6 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			withFakeClock(t, func(t *testing.T, srv *exchangetest.Server) {
				fault := tt.start(srv).Times(2)
				source := memoryApp(srv, nil).ClientCredentials()
				begin := time.Now()
				var callers sync.WaitGroup
				for range 100 {
					callers.Go(func() {
						if _, err := source.TokenContext(t.Context()); err != nil {
							t.Errorf("no token: %v", err)
						}
					})
				}
				callers.Wait()
				if took := time.Since(begin); took < tt.min || took > tt.max {
					t.Errorf("it took %v, want %v to %v", took, tt.min, tt.max)
				}
				if got := fault.Count(); got != 2 {
					t.Errorf("the fault happened %d times, want 2", got)
				}
				wantRequests(t, srv, 3)
			})
		})
	}
}

// TestThrottledForLong returns at once where the wait would outlast the context.
func TestThrottledForLong(t *testing.T) {
	withFakeClock(t, func(t *testing.T, srv *exchangetest.Server) {
		srv.ThrottleTokens(2 * time.Minute)
		source := memoryApp(srv, nil).ClientCredentials()
		begin := time.Now()
		for range 10 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			_, err := source.TokenContext(ctx)
			cancel()
			refusal := wantTokenError(t, err)
			if refusal.StatusCode != http.StatusTooManyRequests || refusal.RetryAfter != 2*time.Minute {
				t.Errorf("got status %d, Retry-After %v, want 429 and 2m", refusal.StatusCode, refusal.RetryAfter)
			}
			if d := xoauth2.Diagnose(err); d.Class != xoauth2.ClassThrottled {
				t.Errorf("got class %v, want throttled", d.Class)
			}
		}
		if took := time.Since(begin); took != 0 {
			t.Errorf("it took %v to tell that the wait is too long", took)
		}
		wantRequests(t, srv, 1)
		time.Sleep(2*time.Minute + time.Second)
		srv.Heal()
		wantToken(t, source)
		wantRequests(t, srv, 2)
	})
}

// TestRefusalsAreNotRepeated asks the endpoint once in a while about what does
// not pass by itself.
func TestRefusalsAreNotRepeated(t *testing.T) {
	withFakeClock(t, func(t *testing.T, srv *exchangetest.Server) {
		srv.FailToken(7000215)
		source := memoryApp(srv, nil).ClientCredentials()
		for range 100 {
			_, err := source.TokenContext(t.Context())
			wantTokenError(t, err)
		}
		wantRequests(t, srv, 1)
		time.Sleep(10 * time.Second)
		_, err := source.TokenContext(t.Context())
		wantTokenError(t, err)
		wantRequests(t, srv, 2)
		time.Sleep(10 * time.Second)
		srv.Heal()
		wantToken(t, source)
	})
}

func TestTokenErrorFields(t *testing.T) {
	t.Parallel()
	srv := newExchange(t)
	key, certificate := exchangetest.NewCertificate("daemon")
	app := srv.App(&exchangetest.AppOptions{Key: key, Certificate: certificate})
	srv.FailToken(50076)
	_, err := app.ClientCredentials().TokenContext(t.Context())
	refusal := wantTokenError(t, err)
	if refusal.Code != "interaction_required" || refusal.SubError != "basic_action" || refusal.AADSTS != 50076 || refusal.StatusCode != http.StatusBadRequest {
		t.Errorf("got %q, %q, AADSTS%d, status %d", refusal.Code, refusal.SubError, refusal.AADSTS, refusal.StatusCode)
	}
	if !strings.HasPrefix(refusal.Description, "AADSTS50076: ") || len(refusal.TraceID) != 36 || len(refusal.CorrelationID) != 36 {
		t.Errorf("got description %q, ids %q and %q", refusal.Description, refusal.TraceID, refusal.CorrelationID)
	}
	endpoint := app.Provider.Endpoint(app.Tenant)
	if refusal.Endpoint != endpoint.TokenURL || refusal.Tenant != app.Tenant || refusal.ClientID != app.ClientID || len(refusal.Thumbprint) != 43 {
		t.Errorf("got %q, %q, %q, %q: what the request named", refusal.Endpoint, refusal.Tenant, refusal.ClientID, refusal.Thumbprint)
	}
	foreign, ok := errors.AsType[*oauth2.RetrieveError](err)
	if !ok {
		t.Fatalf("got %v, want x/oauth2's error within", err)
	}
	if foreign.ErrorCode != refusal.Code || foreign.ErrorDescription != refusal.Description || foreign.Response.StatusCode != refusal.StatusCode || len(foreign.Body) == 0 {
		t.Errorf("got %q, %q of x/oauth2's error", foreign.ErrorCode, foreign.ErrorDescription)
	}
	if foreign.Response.Request != nil {
		t.Error("x/oauth2's error holds the request")
	}
}

// TestEndpointTellsTime finds out how far the clocks are apart.
func TestEndpointTellsTime(t *testing.T) {
	t.Parallel()
	for _, skew := range []time.Duration{-10 * time.Minute, 10 * time.Minute} {
		srv := newExchange(t)
		srv.SkewClock(skew)
		app := srv.App(nil)
		if token := wantToken(t, app.ClientCredentials()); time.Until(token.Expiry) > time.Hour || time.Until(token.Expiry) < 50*time.Minute {
			t.Errorf("%v: got a token until %v, want an hour by our clock", skew, token.Expiry)
		}
		srv.FailToken(7000222)
		_, err := srv.App(nil).ClientCredentials().TokenContext(t.Context())
		if got := wantTokenError(t, err).ClockSkew + skew; got < -time.Minute || got > time.Minute {
			t.Errorf("%v: got a clock skew that is off by %v", skew, got)
		}
	}
}

// answerTokens answers token requests with a status and a body.
func answerTokens(srv *exchangetest.Server, status int, header, body string) {
	srv.HandleTokenRequests(func(w http.ResponseWriter, _ *http.Request) bool {
		for line := range strings.Lines(header) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
			w.Header().Set(name, value)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
		return true
	})
}

// TestStrangeReplies sends what no token endpoint should.
func TestStrangeReplies(t *testing.T) {
	const kind = "Content-Type: application/json\n"
	page := "<html><head><title>Welcome to our network</title></head><body>" + canary + "</body></html>"
	tests := []struct {
		name, header, body string
		status             int
		want               string // words of the error
		refusal            bool   // it is a *TokenError
	}{
		{"redirect 307", "Location: https://elsewhere.test/" + canary, "", 307, `a redirect to \"elsewhere.test\"`, true},
		{"redirect 302", "Location: http://elsewhere.test/" + canary, "", 302, `a redirect to \"elsewhere.test\"`, true},
		{"redirect nowhere", "", "", 308, "a redirect to", true},
		{"page with 200", "Content-Type: text/html\n", page, 200, "Welcome to our network", true},
		{"page with 502", "Content-Type: text/html\n", page, 502, "Welcome to our network", true},
		{"page that says it is JSON", kind, page, 200, "Welcome to our network", true},
		{"nothing", kind, "", 200, "not a JSON object", false},
		{"no content", "", "", 204, "", false},
		{"array", kind, "[]", 200, "not a JSON object", false},
		{"null", kind, "null", 200, "not a JSON object", false},
		{"cut JSON", kind, `{"access_token":"` + canary, 200, "not a JSON object", false},
		{"two megabytes", kind, `{"token_type":"Bearer","access_token":"` + canary + `","x":"` + strings.Repeat("x", 2<<20) + `"}`, 200, "longer than 1 MiB", false},
		{"error with 200", kind, `{"error":"invalid_client","access_token":"` + canary + `"}`, 200, "", true},
		{"error without words", kind, `{}`, 400, "holds no error code", true},
		{"no token", kind, `{"token_type":"Bearer","expires_in":3600}`, 200, `"access_token" is missing`, false},
		{"token null", kind, `{"token_type":"Bearer","access_token":null}`, 200, `"access_token" is missing`, false},
		{"token is a number", kind, `{"token_type":"Bearer","access_token":42}`, 200, `"access_token" is not a string`, false},
		{"type is a number", kind, `{"token_type":1,"access_token":"` + canary + `"}`, 200, `"token_type" is not a string`, false},
		{"other type", kind, `{"token_type":"MAC","access_token":"` + canary + `"}`, 200, `"token_type" is not "Bearer"`, false},
		{"negative life", kind, `{"token_type":"Bearer","access_token":"` + canary + `","expires_in":-1}`, 200, `"expires_in" is negative`, false},
		{"life of words", kind, `{"token_type":"Bearer","access_token":"` + canary + `","expires_in":"soon"}`, 200, `"expires_in" is not a number`, false},
		{"life is an object", kind, `{"token_type":"Bearer","access_token":"` + canary + `","expires_in":{}}`, 200, `"expires_in" is not a number`, false},
		{"no life", kind, `{"token_type":"Bearer","access_token":"` + canary + `","expires_in":0}`, 200, "expired when it arrived", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			withFakeClock(t, func(t *testing.T, srv *exchangetest.Server) {
				answerTokens(srv, tt.status, tt.header, tt.body)
				ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond) // too short to repeat anything
				defer cancel()
				_, err := memoryApp(srv, nil).ClientCredentials().TokenContext(ctx)
				wantError(t, err, tt.want)
				if _, ok := errors.AsType[*xoauth2.TokenError](err); ok != tt.refusal {
					t.Errorf("got %T, want a *TokenError: %v", err, tt.refusal)
				}
				if errors.Is(err, xoauth2.ErrSignInRequired) {
					t.Error("client credentials ask for a sign-in")
				}
				assertSecret(t, err)
				wantRequests(t, srv, 1)
			})
		})
	}
}

// TestLifetimes takes what lifetimes endpoints send.
func TestLifetimes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name      string
		expiresIn any // nil: none
		want      time.Duration
	}{
		{"number", 1800, 30 * time.Minute},
		{"string", "1800", 30 * time.Minute},
		{"string with spaces", " 1800 ", 30 * time.Minute},
		{"fraction", 1800.9, 30 * time.Minute},
		{"huge", 1e300, 365 * 24 * time.Hour},
		{"huge string", "99999999999999999999", 365 * 24 * time.Hour},
		{"none", nil, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			srv := newExchange(t)
			srv.RewriteTokenReplies(func(reply map[string]any) {
				delete(reply, "expires_in")
				if tt.expiresIn != nil {
					reply["expires_in"] = tt.expiresIn
				}
			})
			source := srv.App(nil).ClientCredentials()
			token := wantToken(t, source)
			if tt.want == 0 && !token.Expiry.IsZero() {
				t.Errorf("got an end at %v, want none", token.Expiry)
			}
			if off := time.Until(token.Expiry) - tt.want; tt.want != 0 && (off > time.Second || off < -time.Minute) {
				t.Errorf("got a life of %v, want %v", time.Until(token.Expiry), tt.want)
			}
			wantToken(t, source)
			wantRequests(t, srv, 1)
		})
	}
}

// TestStalledEndpoint leaves when the context ends, and gives up by itself.
func TestStalledEndpoint(t *testing.T) {
	withFakeClock(t, func(t *testing.T, srv *exchangetest.Server) {
		srv.StallTokens()
		source := memoryApp(srv, nil).ClientCredentials()
		begin := time.Now()
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errLunch)
		defer cancel()
		if _, err := source.TokenContext(ctx); !errors.Is(err, errLunch) || time.Since(begin) != time.Second {
			t.Errorf("got %v after %v, want %v after 1s", err, time.Since(begin), errLunch)
		}
		_, err := source.TokenContext(t.Context())
		wantError(t, err, "no complete reply within 30s")
		if took := time.Since(begin); took > 4*time.Minute {
			t.Errorf("it gives up after %v", took)
		}
		if errors.Is(err, context.DeadlineExceeded) {
			t.Error("the error says that the caller's context ended")
		}
	})
}

// TestCallersShareFailures shows that an outage costs an account one request at a
// time, however many callers it has.
func TestCallersShareFailures(t *testing.T) {
	withFakeClock(t, func(t *testing.T, srv *exchangetest.Server) {
		srv.MakeTokensUnavailable(0)
		source := memoryApp(srv, nil).ClientCredentials()
		errs := make([]error, 100)
		var callers sync.WaitGroup
		for i := range errs {
			callers.Go(func() { _, errs[i] = source.TokenContext(t.Context()) })
		}
		callers.Wait()
		for i, err := range errs {
			if refusal := wantTokenError(t, err); refusal.StatusCode != http.StatusServiceUnavailable {
				t.Fatalf("caller %d: got %v, want the outage", i, err)
			}
		}
		if got := srv.TokenRequests(); got < 2 || got > 10 {
			t.Errorf("got %d requests by 100 callers, want a few", got)
		}
	})
}

// TestEveryRefusal gives every number that exchangetest knows to a daemon.
func TestEveryRefusal(t *testing.T) {
	withFakeClock(t, func(t *testing.T, srv *exchangetest.Server) {
		for _, number := range exchangetest.AADSTS() {
			fault := srv.FailToken(number)
			ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
			_, err := memoryApp(srv, nil).ClientCredentials().TokenContext(ctx)
			cancel()
			refusal := wantTokenError(t, err)
			if refusal.AADSTS != number || refusal.Code == "" || fault.Count() != 1 {
				t.Errorf("got %q, AADSTS%d, after %d requests, want AADSTS%d", refusal.Code, refusal.AADSTS, fault.Count(), number)
			}
			fault.Clear()
		}
	})
}

// TestNetworkFails tries again where the connection broke, over the HTTP version
// that a real client negotiates.
func TestNetworkFails(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"HTTP/2", "HTTP/1.1"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			srv := newExchange(t)
			app := srv.App(nil)
			transport := &http.Transport{TLSClientConfig: srv.TLSConfig(), ForceAttemptHTTP2: version == "HTTP/2"}
			t.Cleanup(transport.CloseIdleConnections)
			app.HTTPClient = &http.Client{Transport: transport}
			cut := srv.CutTokenReplies().Times(1)
			wantToken(t, app.ClientCredentials())
			if cut.Count() != 1 {
				t.Errorf("got %d cut replies, want one", cut.Count())
			}
		})
	}
}
