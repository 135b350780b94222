package xoauth2_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-smtp"

	"github.com/xoauth2/go-xoauth2"
	"github.com/xoauth2/go-xoauth2/internal/diagnosis"
)

// FuzzDiagnose shows arbitrary refusals with arbitrary tokens: no panic, a
// bounded answer, no secret in it, and nothing that a terminal obeys.
func FuzzDiagnose(f *testing.F) {
	seeds := 0
	for _, row := range diagnosis.Table() {
		f.Add(row.Says, "5.7.3", 535, "invalid_grant", `{"aud":"https://graph.microsoft.com","upn":"a@b.c","scp":"SMTP.Send"}`, "ann@contoso.com")
		seeds++
	}
	f.Add("Suggested Backoff Time: 99999999999999999999 milliseconds", "", -1, "", `{"exp":1e99,"roles":[[]],"aud":{}}`, "'; exit; \u2019\x00\n")
	f.Add("x@y not allowed to send as z@\u202ew [a.b 2025-13-45T99:99:99Z]", "\xff", 9999, "\x1b[2J", "{}", "")
	if seeds == 0 {
		f.Fatal("no seeds")
	}
	f.Fuzz(func(t *testing.T, text, code string, number int, oauthError, claims, username string) {
		start := time.Now()
		token := unsigned(claims)
		info := xoauth2.InspectToken(token)
		for _, err := range fuzzedErrors(text, code, number, oauthError, username, info) {
			d := xoauth2.Diagnose(err)
			checkBounded(t, d)
			checkShown(t, token, fmt.Sprintf("%+v", *d))
			checkShown(t, token, err.Error())
		}
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

// fuzzedErrors puts the same text into every kind of error.
func fuzzedErrors(text, code string, number int, oauthError, username string, token xoauth2.TokenInfo) []error {
	errs := []error{&xoauth2.TokenError{
		Code: oauthError, SubError: code, Description: text, AADSTS: number, StatusCode: number,
		Tenant: username, ClientID: username, RedirectURL: username, Endpoint: username, RetryAfter: time.Duration(number),
	}}
	for proto, reply := range map[xoauth2.Protocol]error{
		xoauth2.IMAP: imapReply(imap.StatusResponseType(code), imap.ResponseCode(code), text),
		xoauth2.SMTP: smtpReply(number, smtp.EnhancedCode{number % 10, 7, 3}, text),
		xoauth2.POP3: pop3Reply(code, text),
		0:            fmt.Errorf("%s", text),
	} {
		errs = append(errs, &xoauth2.AuthError{
			Protocol: proto, Addr: username, Username: username, Greeting: text, Token: token, Err: reply,
			Server: &xoauth2.ServerError{Status: code},
		})
	}
	return errs
}

func checkBounded(t *testing.T, d *xoauth2.Diagnosis) {
	t.Helper()
	const most, longest = 20, 8 << 10
	if len(d.Causes) > most {
		t.Errorf("%d causes", len(d.Causes))
	}
	for _, cause := range d.Causes {
		text := cause.Problem + cause.Remedy + strings.Join(cause.Commands, "")
		if len(text) > longest {
			t.Errorf("a cause of %d bytes", len(text))
		}
		if strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) || r == '\u202e' || r == '\u2028' }) {
			t.Errorf("%q holds a character that a terminal obeys", text)
		}
	}
}

// checkShown fails if a text shows the token: its signature is the canary.
func checkShown(t *testing.T, token, text string) {
	t.Helper()
	signature := token[strings.LastIndexByte(token, '.')+1:]
	if strings.Contains(text, token) || strings.Contains(text, signature) {
		t.Errorf("%.300s… shows the token", text)
	}
}

func FuzzInspectToken(f *testing.F) {
	seeds := []string{
		canaryToken, unsigned(`{"aud":"x","scp":"a b","roles":["c"],"exp":1}`), unsigned(`[]`), "", "..", "a.b.c.d",
		unsigned(`{"aud":["x"],"exp":"1","scp":null,"roles":{"a":[]}}`), strings.Repeat(".", 1000), unsigned(strings.Repeat(`{"a":`, 5000)),
	}
	if len(seeds) == 0 {
		f.Fatal("no seeds")
	}
	for _, seed := range seeds {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		info := xoauth2.InspectToken(token)
		if info.Length != len(token) {
			t.Errorf("got length %d, want %d", info.Length, len(token))
		}
		if shown := fmt.Sprintf("%+v", info); len(shown) > 64<<10 {
			t.Errorf("%d bytes of claims", len(shown))
		}
		if info.Opaque && (info.Audience != "" || info.Username != "" || info.Scopes != nil || info.Roles != nil || info.AppOnly) {
			t.Errorf("an opaque token with claims: %+v", info)
		}
	})
}
