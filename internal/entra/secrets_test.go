package entra_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/xoauth2/go-xoauth2/internal/entra"
)

var secretFields = []string{
	"client_secret", "client_assertion", "code", "code_verifier", "refresh_token", "password", "device_code", "assertion",
}

// echoes are the ways in which an endpoint or the network may put a secret that
// was sent, or one that is in the reply, into an error.
func echoes(s string) map[string]transport {
	inJSON := strings.NewReplacer("\n", `\n`).Replace(s)
	html := []string{"Content-Type", "text/html"}
	return map[string]transport{
		"description":       answer(400, `{"error":"invalid_client","error_description":"AADSTS7000215: not '`+inJSON+`' but another"}`),
		"description twice": answer(400, `{"error":"invalid_client","error_description":"`+inJSON+inJSON+`"}`),
		"cut description":   answer(400, `{"error":"invalid_client","error_description":"`+strings.Repeat("x", 1015)+inJSON+`"}`),
		"code and ids":      answer(400, `{"error":"`+inJSON+`","suberror":"`+inJSON+`","trace_id":"`+inJSON+`","correlation_id":"`+inJSON+`","error_uri":"https://e.com/`+inJSON+`"}`),
		"unknown member":    answer(400, `{"error":"invalid_grant","`+inJSON+`":"`+inJSON+`","more":{"x":["`+inJSON+`"]}}`),
		"error object":      answer(400, `{"error":{"errorId":"`+inJSON+`","message":"`+inJSON+`"}}`),
		"message":           answer(400, `{"message":"`+inJSON+`"}`),
		"success status":    answer(200, `{"error":"invalid_grant","error_description":"`+inJSON+`"}`),
		"tokens and error":  answer(200, `{"error":"invalid_grant","access_token":"`+inJSON+`","refresh_token":"`+inJSON+`","id_token":"`+inJSON+`"}`),
		"title":             answer(503, "<title>Error: "+s+"</title>", html...),
		"cut title":         answer(503, "<title>"+strings.Repeat("x", 90)+s+"</title>", html...),
		"page":              answer(200, "<html>"+s+"</html>", html...),
		"plain text":        answer(500, "bad request: "+s, "Content-Type", "text/plain"),
		"not JSON":          answer(200, s),
		"JSON cut short":    answer(400, `{"error":"invalid_client","error_description":"`+inJSON),
		"content type":      answer(502, "", "Content-Type", s),
		"content type 200":  answer(200, "", "Content-Type", s),
		"header": answer(400, `{"error":"x"}`, "X-Echo", s, "X-Ms-Request-Id", s, "Client-Request-Id", s, "Date", s, "Retry-After", s,
			"Www-Authenticate", `Bearer realm="`+s+`"`, "Set-Cookie", "c="+s),
		"location":           answer(302, "", "Location", "https://portal.example/?back="+s),
		"location host":      answer(302, "", "Location", "https://"+url.PathEscape(s)+"/"),
		"malformed location": answer(302, "", "Location", "https://%zz/"+s),
		"status line": func(req *http.Request) (*http.Response, error) {
			resp, err := answer(400, `{"error":"x"}`)(req)
			resp.Status = "400 " + s
			return resp, err
		},
		"oversized": answer(400, strings.Repeat(s, 100_000)),
		"round trip": func(*http.Request) (*http.Response, error) {
			return nil, fmt.Errorf("malformed HTTP response %q", s)
		},
		"body": func(req *http.Request) (*http.Response, error) {
			resp, err := answer(200, "")(req)
			resp.Body = io.NopCloser(readerFunc(func([]byte) (int, error) { return 0, errors.New("invalid byte in chunk length: " + s) }))
			return resp, err
		},
		"access token array": answer(200, `{"access_token":["`+inJSON+`"]}`),
		"token type":         answer(200, `{"access_token":"`+inJSON+`","token_type":"`+inJSON+`"}`),
		"lifetime":           answer(200, `{"access_token":"`+inJSON+`","expires_in":"`+inJSON+`"}`),
		"device code":        answer(200, `{"device_code":["`+inJSON+`"],"user_code":"\n`+inJSON+`","verification_uri":"javascript:`+inJSON+`"}`),
	}
}

func TestSecretsStayInside(t *testing.T) {
	t.Parallel()
	for _, field := range secretFields {
		for how, s := range spellings(canary) {
			if field != secretFields[0] && how != "plain" && how != "form" {
				continue // all fields are treated alike
			}
			t.Run(field+" "+how, func(t *testing.T) {
				t.Parallel()
				for name, rt := range echoes(s) {
					c, form := client(rt), url.Values{"client_id": {"id"}, field: {canary + "\n"}} // as if read from a file
					_, err := c.Token(t.Context(), endpoint, form)
					if err == nil {
						t.Fatalf("%s: got no error", name)
					}
					noTrace(t, err)
					if _, err = c.DeviceAuth(t.Context(), endpoint, form); err == nil {
						t.Fatalf("%s: got no error from DeviceAuth", name)
					}
					noTrace(t, err)
				}
			})
		}
	}
}

// Other values of the form explain an error and stay in it.
func TestOnlySecretsAreRemoved(t *testing.T) {
	t.Parallel()
	_, err := client(answer(400, `{"error":"invalid_scope","error_description":"AADSTS70011: scope https://example.com/x of app 6731de76"}`)).
		Token(t.Context(), endpoint, url.Values{
			"scope": {"https://example.com/x"}, "client_id": {"6731de76"}, "grant_type": {"client_credentials"}, "client_secret": {"", "abc", canary},
		})
	if want := "scope https://example.com/x of app 6731de76"; !strings.Contains(err.Error(), want) {
		t.Errorf("got %q, want %q in it", err, want)
	}
}

func TestEchoesOfPartsAndOverlaps(t *testing.T) {
	t.Parallel()
	form := url.Values{"client_assertion": {"eyJhbGciOiJQUzI1NiJ9.payload.signature"}, "refresh_token": {"0.AXoA-first", "first-and-second", "emoji 😀 secret", "p+q/r"}, "password": {" hunter2\n"}}
	for sent, want := range map[string]string{
		"the token eyJhbGciOiJQUzI1NiJ9.pay was cut":                "the token [removed] was cut",
		"eyJhbGc is too little to count":                            "eyJhbGc is too little to count",
		"got 0.AXoA-first-and-second":                               "got [removed]",
		`emoji \\ud83d\\ude00 secret, emoji %F0%9F%98%80+secret`:    "[removed], [removed]",
		"nothing, 100% + \\\\ \\\\u12 & &amp; &#x41; %zz %2 \\\\x4": "nothing, 100% + \\ \\u12 & &amp; &#x41; %zz %2 \\x4",
		"eyJhbGciOiJQUzI1NiJ9.payload.signature0.AXoA-first twice":  "[removed] twice",
		`p+q/r in clear`:                                             "[removed] in clear",
		`p+q\\\\/r escaped twice`:                                    "[removed]",
		"hunter2 was read from a file":                               "[removed] was read from a file",
		"0.AXoA\u200b-first has a character that is dropped":         "[removed] has a character that is dropped",
		"%30%2E%41%58%6F%41%2D%66%69%72%73%74 is escaped throughout": "[removed] is escaped throughout",
	} {
		_, err := client(answer(400, `{"error":"x","error_description":"`+sent+`"}`)).Token(t.Context(), endpoint, form)
		var r *entra.Refusal
		if !errors.As(err, &r) {
			t.Fatalf("%q: got error %v", sent, err)
		}
		if r.Description != want {
			t.Errorf("%q: got %q, want %q", sent, r.Description, want)
		}
	}
}

// A hostile endpoint must not keep the search busy.
func TestRedactionIsBounded(t *testing.T) {
	t.Parallel()
	form := url.Values{}
	for _, name := range secretFields {
		form.Set(name, strings.Repeat("a", 5000))
	}
	for _, unit := range []string{"aaaaaaab", `\u\ud83d`, "%61", "&#97;", `\`, "&amp;amp;"} {
		start := time.Now()
		_, err := client(answer(400, `{"error":"x","error_description":"`+strings.Repeat(unit, (1<<20-64)/len(unit))+`"}`)).Token(t.Context(), endpoint, form)
		if err == nil {
			t.Errorf("%q: got no error", unit)
		}
		if took := time.Since(start); took > 20*time.Second {
			t.Errorf("%q: took %v", unit, took)
		}
	}
}

// net/http cites what it cannot parse, here with the request in it.
func TestMalformedHTTP(t *testing.T) {
	t.Parallel()
	for _, line := range []string{"%s\r\n\r\n", "HTTP/1.1 %s\r\n\r\n", "HTTP/1.1 200 OK\r\n%s\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: %s\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: %s\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%s\r\n"} {
		rt := &http.Transport{DialTLSContext: func(context.Context, string, string) (net.Conn, error) {
			near, far := net.Pipe()
			go func() {
				defer far.Close()
				http.ReadRequest(newReader(far))
				fmt.Fprintf(far, line, canary)
			}()
			return near, nil
		}}
		_, err := entra.NewClient(&http.Client{Transport: rt}).Token(t.Context(), endpoint, url.Values{"client_secret": {canary}})
		if err == nil {
			t.Errorf("%q: got no error", line)
			continue
		}
		noTrace(t, err)
	}
}
