package xoauth2_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/xoauth2/go-xoauth2"
)

// fakeEndpoint is a token endpoint without a network: it gives one token after
// the other, each for an hour.
type fakeEndpoint struct {
	takes  time.Duration
	refuse func(request int) bool // from 1; nil: none
	tokens []string               // nil: those of tokenNumber

	mu       sync.Mutex
	requests int
}

// tokenNumber returns the token of a request, from 1.
func tokenNumber(n int) string { return fmt.Sprintf("%s.%d", canaryToken, n) }

// RoundTrip implements http.RoundTripper.
func (e *fakeEndpoint) RoundTrip(r *http.Request) (*http.Response, error) {
	select {
	case <-time.After(e.takes):
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.requests++
	token := tokenNumber(e.requests)
	if e.tokens != nil {
		token = e.tokens[e.requests-1]
	}
	status, body := http.StatusOK, fmt.Sprintf(`{"token_type":"Bearer","expires_in":3600,"access_token":%q}`, token)
	if e.refuse != nil && e.refuse(e.requests) {
		status, body = http.StatusUnauthorized, `{"error":"invalid_client","error_description":"AADSTS7000222: expired","error_codes":[7000222]}`
	}
	return &http.Response{
		StatusCode: status,
		Status:     fmt.Sprintf("%d %s", status, http.StatusText(status)),
		Proto:      "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header:  http.Header{"Content-Type": {"application/json"}},
		Body:    io.NopCloser(strings.NewReader(body)),
		Request: r,
	}, nil
}

func (e *fakeEndpoint) count() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.requests
}

// source returns the source of an application that gets its tokens here.
func (e *fakeEndpoint) source() xoauth2.TokenSource {
	app := &xoauth2.App{
		Tenant:     "contoso.test",
		ClientID:   "client",
		Credential: xoauth2.ClientSecret(canary + "-secret"),
		HTTPClient: &http.Client{Transport: e},
	}
	return app.ClientCredentials()
}
