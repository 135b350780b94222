// Package entra speaks to OAuth 2.0 token and device-authorization endpoints
// (RFC 6749, RFC 8628): the form that is posted, the reply, the fields of a
// refusal, and what surrounds them: client assertions (RFC 7523), certificate
// files and id_tokens. It is named after Microsoft Entra, whose error replies
// carry the most, and serves Google and Yahoo as well.
//
// It keeps nothing: no tokens, no files. Nothing that it returns as an error
// holds a secret of the request or of the reply.
package entra

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/oauth2"
)

const (
	requestTimeout = 30 * time.Second
	maxReply       = 1 << 20
	maxHeader      = 64 << 10
	maxConns       = 64 // to one host; more would only queue there
)

// Client posts to token and device-authorization endpoints. It is safe for
// concurrent use.
type Client struct{ http *http.Client }

// NewClient returns a Client that sends through a copy of h; nil means
// the transport that all such clients of the process share, so that they share
// its connections too. Whatever h says, redirects are not followed, since that
// would hand the secrets of the form to another address, and no cookies are kept.
func NewClient(h *http.Client) *Client {
	if h == nil {
		h = &http.Client{Transport: sharedTransport()}
	}
	own := *h
	own.Jar = nil
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Client{http: &own}
}

var sharedTransport = sync.OnceValue(newTransport)

func newTransport() *http.Transport {
	dialer := &net.Dialer{Timeout: 15 * time.Second, KeepAlive: 30 * time.Second}
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         dialer.DialContext,
		TLSHandshakeTimeout: 10 * time.Second,
		TLSClientConfig: &tls.Config{
			MinVersion:         tls.VersionTLS12,
			ClientSessionCache: tls.NewLRUClientSessionCache(maxConns),
		},
		ForceAttemptHTTP2:      true,
		MaxIdleConnsPerHost:    maxConns,
		MaxConnsPerHost:        maxConns,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: maxHeader,
		// Without pings, an HTTP/2 connection that a firewall has forgotten
		// fails every request until TCP gives up, a quarter of an hour later.
		HTTP2: &http.HTTP2Config{SendPingTimeout: 10 * time.Second, PingTimeout: 10 * time.Second},
	}
}

// Token posts form to tokenURL and returns the token of the reply (RFC 6749
// sections 4 to 6). The caller puts the client authentication into form. ctx bounds
// the call, which never lasts longer than 30 seconds.
//
// Expiry counts from the moment the request was sent; it is zero if the endpoint
// names no lifetime (RFC 6749 section 5.1 only recommends it), and never more
// than a year away. Extra answers "id_token" and "scope" with a string and
// "refresh_token_expires_in" with a float64, each only if the endpoint sent it.
//
// An endpoint that answers with anything but a token gives a *[Refusal]. A token
// reply that breaks RFC 6749 section 5.1, an oversized one and a network
// failure give other errors. If ctx ended, the error wraps its cause. A broken
// reply may hold the refresh token that replaces the one sent: it is returned
// with the error, in a token that holds nothing else.
func (c *Client) Token(ctx context.Context, tokenURL string, form url.Values) (*oauth2.Token, error) {
	r, err := c.post(ctx, tokenURL, form)
	if err != nil {
		return nil, err
	}
	return r.token()
}

// DeviceAuth posts form to deviceURL and returns the codes of the reply
// (RFC 8628 section 3.2). Interval is 5 seconds if the endpoint names none, and
// Expiry is zero if it names none. Limits and errors are those of [Client.Token].
func (c *Client) DeviceAuth(ctx context.Context, deviceURL string, form url.Values) (*oauth2.DeviceAuthResponse, error) {
	r, err := c.post(ctx, deviceURL, form)
	if err != nil {
		return nil, err
	}
	return r.deviceAuth()
}

// errSilent ends a request that outlasts requestTimeout. It is not
// context.DeadlineExceeded, which is left to say that the caller's context ended.
var errSilent = fmt.Errorf("no complete reply within %v: %w", requestTimeout, os.ErrDeadlineExceeded)

func (c *Client) post(ctx context.Context, endpoint string, form url.Values) (*reply, error) {
	u, err := parseEndpoint(endpoint)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, requestTimeout, errSilent)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")

	u.RawQuery, u.Fragment = "", ""
	r := &reply{endpoint: u.String(), host: u.Host, secrets: formSecrets(form), sent: time.Now()}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, r.failure(ctx, "no reply from "+r.host, err)
	}
	defer resp.Body.Close()
	r.received = time.Now()
	r.status, r.phrase, r.header = resp.StatusCode, resp.Status, resp.Header
	// Reading to the end, also of a reply of no interest, is what lets the
	// connection serve the next request.
	r.body, err = io.ReadAll(io.LimitReader(resp.Body, maxReply+1))
	if err != nil {
		return nil, r.failure(ctx, fmt.Sprintf("the reply of %s (HTTP %d) broke off after %d bytes", r.host, r.status, len(r.body)), err)
	}
	if len(r.body) > maxReply {
		return nil, fmt.Errorf("the reply of %s (HTTP %d) is longer than 1 MiB", r.host, r.status)
	}
	return r, nil
}

func parseEndpoint(endpoint string) (*url.URL, error) {
	u, err := url.Parse(endpoint)
	if err != nil {
		return nil, fmt.Errorf("the endpoint is not a URL: %w", errors.Unwrap(err))
	}
	if u.Scheme != "https" || u.Hostname() == "" {
		return nil, fmt.Errorf("the endpoint %q is not an https URL, and secrets never travel in clear", u.Scheme+"://"+u.Host)
	}
	if u.User != nil {
		return nil, fmt.Errorf("the URL of the endpoint %s holds a user name, but client authentication belongs in the form", u.Host)
	}
	return u, nil
}

// failure says why no whole reply came. The end of ctx, which is the caller's or
// our own limit, comes before the network's words.
func (r *reply) failure(ctx context.Context, step string, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", step, context.Cause(ctx))
	}
	// net/http cites malformed replies, and those may echo the request or have
	// no end. Only then is the chain of causes given up.
	text := err.Error()
	if clean := cut(r.secrets.remove(text), maxDescription); clean != text {
		return fmt.Errorf("%s: %s", step, clean)
	}
	return fmt.Errorf("%s: %w", step, err)
}
