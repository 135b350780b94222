package entra_test

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/oauth2"

	"github.com/xoauth2/go-xoauth2/internal/entra"
)

const (
	traceID       = "255d1aef-8c98-452f-ac51-23d051240864"
	correlationID = "fb3d2015-bc17-4bb9-bb85-30c5cf1aaaa7"
	wrongSecret   = `{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '6731de76-14a6-49ae-97bc-6eba6914391e'.\r\nTrace ID: ` + traceID + `\r\nCorrelation ID: ` + correlationID + `\r\nTimestamp: 2026-01-09 02:02:12Z","error_codes":[7000215],"timestamp":"2026-01-09 02:02:12Z","trace_id":"` + traceID + `","correlation_id":"` + correlationID + `","error_uri":"https://login.microsoftonline.com/error?code=7000215"}`
)

// refusalCase is a reply, and what the refusal in it must be.
type refusalCase struct {
	name      string
	rt        transport
	want      entra.Refusal
	begins    string // of the description
	temporary bool
	text      string // in the error's text
}

func (tt refusalCase) check(t *testing.T) {
	t.Parallel()
	got := refusal(t, tt.rt)
	if !strings.HasPrefix(got.Description, tt.begins) || tt.begins == "" && got.Description != "" {
		t.Errorf("got description %q, want %q", got.Description, tt.begins)
	}
	if got.Temporary() != tt.temporary {
		t.Errorf("got Temporary %v, want %v", got.Temporary(), tt.temporary)
	}
	if !strings.Contains(got.Error(), tt.text) {
		t.Errorf("got text %q, want %q", got, tt.text)
	}
	checkRetrieve(t, got)
	plain := *got
	plain.Description, plain.Retrieve = "", nil
	want := tt.want
	want.Endpoint = endpoint
	if plain != want {
		t.Errorf("got %+v\nwant %+v", plain, want)
	}
}

func TestRefusal(t *testing.T) {
	t.Parallel()
	for _, tt := range []refusalCase{
		{name: "Entra", rt: answer(401, wrongSecret),
			want:   entra.Refusal{Code: "invalid_client", AADSTS: 7000215, TraceID: traceID, CorrelationID: correlationID, StatusCode: 401},
			begins: "AADSTS7000215: Invalid client secret provided. Ensure",
			text:   `refused with "invalid_client" (AADSTS7000215, HTTP status 401): "AADSTS7000215: Invalid client secret provided.`},
		{name: "Entra with suberror and claims", rt: answer(400, `{"error":"invalid_grant","suberror":"basic_action","error_codes":[50076,50079],`+
			`"error_description":"AADSTS50076: Due to a configuration change","claims":"{\"access_token\":{}}"}`),
			want:   entra.Refusal{Code: "invalid_grant", SubError: "basic_action", AADSTS: 50076, StatusCode: 400},
			begins: "AADSTS50076: Due to", text: `refused with "invalid_grant" ("basic_action", AADSTS50076, HTTP status 400)`},
		{name: "ids only in the description", rt: answer(400, `{"error":"invalid_request","error_description":"AADSTS900144: The request body must contain. Trace ID: `+
			traceID+` Correlation ID: `+correlationID+` Timestamp: 2026-01-09"}`),
			want:   entra.Refusal{Code: "invalid_request", AADSTS: 900144, TraceID: traceID, CorrelationID: correlationID, StatusCode: 400},
			begins: "AADSTS900144: The"},
		{name: "ids only in the header", rt: answer(400, `{"error":"invalid_request"}`, "x-ms-request-id", traceID, "client-request-id", correlationID),
			want: entra.Refusal{Code: "invalid_request", TraceID: traceID, CorrelationID: correlationID, StatusCode: 400},
			text: `refused with "invalid_request" (HTTP status 400)`},
		{name: "Google", rt: answer(400, "{\n  \"error\": \"invalid_grant\",\n  \"error_description\": \"Token has been expired or revoked.\"\n}"),
			want: entra.Refusal{Code: "invalid_grant", StatusCode: 400}, begins: "Token has been expired or revoked."},
		{name: "Google policy", rt: answer(400, `{"error":"invalid_grant","error_description":"reauth related error (invalid_rapt)","error_subtype":"invalid_rapt"}`),
			want: entra.Refusal{Code: "invalid_grant", SubError: "invalid_rapt", StatusCode: 400}, begins: "reauth related error"},
		{name: "Google quota", rt: answer(403, `{"error_code":"rate_limit_exceeded"}`),
			want: entra.Refusal{Code: "rate_limit_exceeded", StatusCode: 403}},
		{name: "Yahoo", rt: answer(400, `{"error":"INVALID_REFRESH_TOKEN","error_description":"invalid refresh token"}`),
			want: entra.Refusal{Code: "INVALID_REFRESH_TOKEN", StatusCode: 400}, begins: "invalid refresh token"},
		{name: "Yahoo object", rt: answer(400, `{"error":{"localizedMessage":"client request is not acceptable","errorId":"INVALID_INPUT","message":"client request is not acceptable"}}`),
			want: entra.Refusal{Code: "INVALID_INPUT", StatusCode: 400}, begins: "client request is not"},
		{name: "RFC 6749", rt: answer(400, `{"error":"invalid_scope","error_uri":"https://example.com/e"}`),
			want: entra.Refusal{Code: "invalid_scope", StatusCode: 400}},
		{name: "device code pending", rt: answer(400, `{"error":"authorization_pending","error_codes":[70016]}`),
			want: entra.Refusal{Code: "authorization_pending", AADSTS: 70016, StatusCode: 400}},
		{name: "slow_down is for the poller", rt: answer(400, `{"error":"slow_down"}`), want: entra.Refusal{Code: "slow_down", StatusCode: 400}},
		{name: "HTTP 200 with an error", rt: answer(200, `{"error":"interaction_required","access_token":"t"}`),
			want: entra.Refusal{Code: "interaction_required", StatusCode: 200}},
		{name: "temporarily unavailable", rt: answer(400, `{"error":"temporarily_unavailable"}`), temporary: true,
			want: entra.Refusal{Code: "temporarily_unavailable", StatusCode: 400}},
		{name: "server error", rt: answer(200, `{"error":"server_error"}`), temporary: true, want: entra.Refusal{Code: "server_error", StatusCode: 200}},
		{name: "throttled", rt: answer(429, `{"error":"invalid_request","error_codes":[90055]}`, "Retry-After", "17"), temporary: true,
			want: entra.Refusal{Code: "invalid_request", AADSTS: 90055, StatusCode: 429, RetryAfter: 17 * time.Second}},
		{name: "outage with invalid_grant", rt: answer(503, `{"error":"invalid_grant"}`), temporary: true, want: entra.Refusal{Code: "invalid_grant", StatusCode: 503}},
		{name: "odd types", rt: answer(400, `{"error":7,"error_description":[],"error_codes":"x","trace_id":{},"suberror":1}`),
			want: entra.Refusal{StatusCode: 400}, begins: "the reply holds no error code", text: "refused with HTTP status 400: the reply holds no error code"},
		{name: "gateway JSON", rt: answer(504, `{"message":"Endpoint request timed out"}`), temporary: true,
			want: entra.Refusal{StatusCode: 504}, begins: `the reply holds no error code, but the message "Endpoint request timed out"`},
		{name: "control characters", rt: answer(400, `{"error":"in\u0000valid\u001b[2J","error_description":"one\r\ntwo\u202e\u0007three"}`),
			want: entra.Refusal{Code: "in valid [2J", StatusCode: 400}, begins: "one two three"},
	} {
		t.Run(tt.name, tt.check)
	}
}

func TestPageInsteadOfJSON(t *testing.T) {
	t.Parallel()
	for _, tt := range []refusalCase{
		{name: "HTML outage", rt: answer(503, "<html><head><TITLE>\n Service &amp; more\n</TITLE></head>"+strings.Repeat("x", 9999), "Content-Type", "text/html"),
			temporary: true, want: entra.Refusal{StatusCode: 503},
			begins: `a reply of type "text/html" instead of JSON with the words "Service & more"; a proxy`,
			text:   `refused with HTTP status 503: a reply of type "text/html"`},
		{name: "captive portal", rt: answer(200, "<!DOCTYPE html><title>Sign in to WiFi</title>", "Content-Type", "text/html; charset=utf-8"),
			want: entra.Refusal{StatusCode: 200}, begins: `a reply of type "text/html" instead of JSON with the words "Sign in to WiFi"`},
		{name: "HTML under another name", rt: answer(200, "\n <html>", "Content-Type", "application/json"),
			want: entra.Refusal{StatusCode: 200}, begins: `a reply of type "application/json" instead of JSON; a proxy`},
		{name: "plain text", rt: answer(502, "upstream connect error", "Content-Type", "text/plain"), temporary: true,
			want: entra.Refusal{StatusCode: 502}, begins: `a reply of type "text/plain" instead of JSON with the words "upstream connect error"`},
		{name: "JSON cut short", rt: answer(400, `{"error":"invalid_gra`), want: entra.Refusal{StatusCode: 400},
			begins: `a reply of type "application/json" instead of JSON; a proxy`},
		{name: "empty", rt: answer(500, "", "Content-Type", ""), temporary: true, want: entra.Refusal{StatusCode: 500}, begins: `a reply of type "" instead`},
		{name: "redirect", rt: answer(302, "<html>", "Location", "https://portal.example:8443/login?back=secret"),
			want: entra.Refusal{StatusCode: 302}, begins: `a redirect to "portal.example:8443" instead of a reply; it is not followed, and a proxy may be in the way`},
		{name: "redirect with JSON", rt: answer(307, goodReply, "Location", "/other"), want: entra.Refusal{StatusCode: 307},
			begins: `a redirect to "login.example"`},
		{name: "redirect nowhere", rt: answer(300, "", "Location", "https://%zz"), want: entra.Refusal{StatusCode: 300},
			begins: "a redirect to an address that cannot be read"},
	} {
		t.Run(tt.name, tt.check)
	}
}

// checkRetrieve compares a refusal with the error of x/oauth2 inside.
func checkRetrieve(t *testing.T, r *entra.Refusal) {
	t.Helper()
	var e *oauth2.RetrieveError
	if !errors.As(r, &e) {
		t.Fatal("got no *oauth2.RetrieveError inside")
	}
	if e.ErrorCode != r.Code || e.ErrorDescription != r.Description || e.Response.StatusCode != r.StatusCode {
		t.Errorf("got RetrieveError %+v, want what the refusal says", e)
	}
	if e.Response.Request != nil || e.Response.Body != nil || e.Response.Header.Get("Location") != "" {
		t.Error("the response in RetrieveError holds more than status and header")
	}
	if len(e.Body) > 4<<10 {
		t.Errorf("got a body of %d bytes", len(e.Body))
	}
}

func TestRefusalSizes(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("ä", 100_000)
	got := refusal(t, answer(400, `{"error":"`+long+`","suberror":"`+long+`","error_description":"`+long+`","trace_id":"`+long+`","error_uri":"`+long+`"}`))
	checkRetrieve(t, got)
	if n := len(got.Description); n > 1024 || n < 1023 || !strings.HasPrefix(long, got.Description) {
		t.Errorf("got a description of %d bytes", n)
	}
	if n := len(got.Code) + len(got.SubError) + len(got.TraceID); n > 3*128 {
		t.Errorf("got codes of %d bytes", n)
	}
	if n := len(got.Error()); n > 1024 {
		t.Errorf("got a text of %d bytes", n)
	}
}

func TestRetrieveBodyAndHeader(t *testing.T) {
	t.Parallel()
	got := refusal(t, answer(401, wrongSecret, "X-Ms-Ests-Server", "2.1.1 - WEULR1 ProdSlices", "Set-Cookie", "esctx=1")).Retrieve
	if string(got.Body) != wrongSecret {
		t.Errorf("got body %q, want it unchanged", got.Body)
	}
	if got.Response.Status != "401 Unauthorized" || got.Response.Header.Get("X-Ms-Ests-Server") != "2.1.1 - WEULR1 ProdSlices" ||
		got.Response.Header.Get("Set-Cookie") != "" || got.ErrorURI == "" {
		t.Errorf("got response %+v and URI %q", got.Response, got.ErrorURI)
	}
}

// Tokens that come with an error are no part of it.
func TestTokensInRefusal(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"access_token", "refresh_token", "id_token", "device_code"} {
		got := refusal(t, answer(200, `{"error":"invalid_grant","error_description":"not Token-4711","`+name+`":"Token-4711"}`))
		noLeak(t, got, "Token-4711")
		if want := `{"error":"invalid_grant","error_description":"not [removed]","` + name + `":"[removed]"}`; string(got.Retrieve.Body) != want {
			t.Errorf("got body %q, want %q", got.Retrieve.Body, want)
		}
	}
}

func TestRetryAfterAndClockSkew(t *testing.T) {
	t.Parallel()
	const format = http.TimeFormat
	for _, tt := range []struct {
		name        string
		date, retry func(now time.Time) string
		wait, skew  time.Duration
	}{
		{name: "nothing"},
		{name: "seconds", retry: always("120"), wait: 2 * time.Minute},
		{name: "zero", retry: always("0")},
		{name: "negative", retry: always("-5")},
		{name: "negative beyond int64", retry: always("-1e300")},
		{name: "words", retry: always("soon")},
		{name: "an hour at most", retry: always("86400"), wait: time.Hour},
		{name: "beyond int64", retry: always("99999999999999999999999"), wait: time.Hour},
		{name: "date, no Date", retry: at(90*time.Second, format), wait: 90 * time.Second},
		{name: "date in the past", date: at(0, format), retry: at(-time.Minute, format)},
		{name: "date on a clock that is behind", date: at(-10*time.Minute, format), retry: at(-9*time.Minute, format), wait: time.Minute, skew: 10 * time.Minute},
		{name: "date on a clock that is ahead", date: at(10*time.Minute, format), retry: at(11*time.Minute, format), wait: time.Minute, skew: -10 * time.Minute},
		{name: "far date", date: at(0, format), retry: at(1000*time.Hour, format), wait: time.Hour},
		{name: "bad Date", date: always("today"), retry: always("3"), wait: 3 * time.Second},
		{name: "old format", date: at(time.Hour, time.ANSIC), skew: -time.Hour},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var header []string
				if tt.date != nil {
					header = append(header, "Date", tt.date(time.Now()))
				}
				if tt.retry != nil {
					header = append(header, "Retry-After", tt.retry(time.Now()))
				}
				got := refusal(t, answer(429, `{"error":"x"}`, header...))
				if got.RetryAfter != tt.wait || got.ClockSkew != tt.skew {
					t.Errorf("got wait %v and skew %v, want %v and %v", got.RetryAfter, got.ClockSkew, tt.wait, tt.skew)
				}
			})
		})
	}
}

func always(s string) func(time.Time) string { return func(time.Time) string { return s } }

func at(d time.Duration, format string) func(time.Time) string {
	return func(now time.Time) string { return now.Add(d).UTC().Format(format) }
}

func TestParseAuthorizationError(t *testing.T) {
	t.Parallel()
	if got := entra.ParseAuthorizationError(url.Values{"code": {"c"}, "state": {"s"}}); got != nil {
		t.Errorf("no error: got %v", got)
	}
	got := entra.ParseAuthorizationError(url.Values{
		"error":         {"access_denied"},
		"error_subcode": {"cancel"},
		"error_description": {"AADSTS65004: User declined to consent, state=" + canary + ".\r\nTrace ID: " + traceID +
			"\r\nCorrelation ID: " + correlationID + "\r\nTimestamp: 2026-01-09"},
		"state": {canary},
	})
	if got == nil || got.Code != "access_denied" || got.SubError != "cancel" || got.AADSTS != 65004 || got.TraceID != traceID || got.CorrelationID != correlationID {
		t.Fatalf("got %+v", got)
	}
	noTrace(t, got)
	if got.Unwrap() != nil || errors.Unwrap(got) != nil || got.Temporary() {
		t.Errorf("got inner error %v", got.Unwrap())
	}
	if want := `refused with "access_denied" ("cancel", AADSTS65004): "AADSTS65004: User declined`; !strings.HasPrefix(got.Error(), want) {
		t.Errorf("got text %q, want %q", got, want)
	}
	got = entra.ParseAuthorizationError(url.Values{"error": {"server_error"}, "suberror": {"x"}, "trace_id": {"t"}, "correlation_id": {"c"}})
	if got.SubError != "x" || got.TraceID != "t" || got.CorrelationID != "c" || !got.Temporary() {
		t.Errorf("got %+v", got)
	}
}
