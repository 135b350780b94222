package entra_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/x509"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode"

	"golang.org/x/oauth2"
	"software.sslmate.com/src/go-pkcs12"

	"github.com/xoauth2/go-xoauth2/internal/entra"
)

func FuzzTokenReply(f *testing.F) {
	seeds := 0
	add := func(status uint16, contentType, header, body string) {
		f.Add(status, contentType, header, body)
		seeds++
	}
	for _, s := range spellings(canary) {
		add(400, "application/json", "120", `{"error":"invalid_client","error_description":"AADSTS7000215: not '`+s+`'","error_codes":[7000215],"trace_id":"`+s+`"}`)
		add(503, "text/html", s, "<html><title>"+s+"</title>")
		add(302, s, "https://portal.example/?"+s, s)
		add(200, "application/json", "", `{"access_token":["`+s+`"],"token_type":"`+s+`","expires_in":"`+s+`","error":{"message":"`+s+`"}}`)
	}
	add(200, "application/json", "", goodReply)
	add(401, "application/json; charset=utf-8", "Fri, 09 Jan 2026 02:02:12 GMT", wrongSecret)
	add(200, "application/json", "5", `{"device_code":"d","user_code":"u","verification_uri":"https://e.com/","expires_in":"9e2","interval":1e9}`)
	if seeds < 10 {
		f.Fatal("no seeds")
	}
	f.Fuzz(func(t *testing.T, status uint16, contentType, header, body string) {
		c := client(answer(int(status%500)+100, body, "Content-Type", contentType, "Location", header, "Retry-After", header, "X-Ms-Request-Id", header))
		form := url.Values{"client_secret": {canary}, "scope": {"s"}}
		token, err := c.Token(t.Context(), endpoint, form)
		if (token == nil) != (err != nil) {
			t.Fatalf("got token %v and error %v", token != nil, err)
		}
		if token != nil {
			checkToken(t, token)
		}
		device, deviceErr := c.DeviceAuth(t.Context(), endpoint, form)
		if (device == nil) != (deviceErr != nil) {
			t.Fatalf("got device code %v and error %v", device != nil, deviceErr)
		}
		if device != nil && (device.DeviceCode == "" || device.UserCode == "" || device.VerificationURI == "" || device.Interval < 1) {
			t.Fatal("got an incomplete device authorization")
		}
		for _, err := range []error{err, deviceErr} {
			if err != nil {
				noLeak(t, err, canary)
				checkTidy(t, err)
			}
		}
	})
}

func checkToken(t *testing.T, token *oauth2.Token) {
	t.Helper()
	if token.AccessToken == "" || token.TokenType != "Bearer" || token.ExpiresIn < 0 {
		t.Fatalf("got an unusable token of type %q that lives %d s", token.TokenType, token.ExpiresIn)
	}
	if left := time.Until(token.Expiry); !token.Expiry.IsZero() && (left > year || left < -time.Hour) {
		t.Fatalf("got a token that lives %v", left)
	}
}

// checkTidy fails if a text of a refusal is too long or would move a terminal's cursor.
func checkTidy(t *testing.T, err error) {
	t.Helper()
	var r *entra.Refusal
	if !errors.As(err, &r) {
		return
	}
	for _, s := range []string{r.Code, r.SubError, r.Description, r.TraceID, r.CorrelationID, r.Error()} {
		if len(s) > 2<<10 || strings.ContainsFunc(s, func(c rune) bool { return !unicode.IsPrint(c) }) {
			t.Fatalf("got text %q", s)
		}
	}
	if r.RetryAfter < 0 || r.RetryAfter > hour || len(r.Retrieve.Body) > 4<<10 || r.AADSTS < 0 {
		t.Fatalf("got retry %v, AADSTS %d and a body of %d bytes", r.RetryAfter, r.AADSTS, len(r.Retrieve.Body))
	}
}

func FuzzIDToken(f *testing.F) {
	seeds := []string{
		idToken(`{"iss":"i","aud":["a"],"sub":"s","exp":1767927600,"preferred_username":"u","tid":"t","oid":"o","nonce":"n"}`),
		idToken(`{"iss":1,"aud":{},"sub":[],"exp":"x"}`), idToken(`[]`), "e30.e30.", "..", "",
	}
	if len(seeds) == 0 {
		f.Fatal("no seeds")
	}
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		got, err := entra.ReadIDToken(raw)
		if (got == nil) != (err != nil) {
			t.Fatalf("got %v and error %v", got, err)
		}
		if got != nil && (got.Issuer == "" || len(got.Audience) == 0 || got.Subject == "" || got.Expiry.IsZero()) {
			t.Fatalf("got an incomplete id_token %+v", got)
		}
		if err != nil && len(err.Error()) > 256 {
			t.Fatalf("got an error of %d bytes", len(err.Error()))
		}
	})
}

func FuzzLoadCertificate(f *testing.F) {
	// From a fixture, so that the seeds are the same in every process.
	pfx := readFixture(f, "openssl3.pfx")
	ready, chain, err := entra.LoadCertificate(pfx, "fixture")
	if err != nil {
		f.Fatal(err)
	}
	sec1, err := x509.MarshalECPrivateKey(ready.(*ecdsa.PrivateKey))
	if err != nil {
		f.Fatal(err)
	}
	bare, err := pkcs12.Passwordless.Encode(ready, chain[0], nil, "")
	if err != nil {
		f.Fatal(err)
	}
	key, cert := pkcs8(f, ready), chain[0]
	seeds := []struct {
		data     []byte
		password string
	}{
		{join(key, certPEM(cert)), ""}, {join(certPEM(cert), pemBlock("EC PRIVATE KEY", sec1)), ""},
		{pemBlock("ENCRYPTED PRIVATE KEY", sec1), "x"}, {cert.Raw, ""}, {bare, ""}, {nil, ""},
		{pfx, "fixture"}, {readFixture(f, "legacy.pfx"), "fixture"}, {readFixture(f, "empty.pfx"), ""},
	}
	if len(seeds) == 0 {
		f.Fatal("no seeds")
	}
	for _, s := range seeds {
		f.Add(s.data, s.password)
	}
	f.Fuzz(func(t *testing.T, data []byte, password string) {
		key, chain, err := entra.LoadCertificate(data, password)
		if err != nil {
			if key != nil || chain != nil || len(err.Error()) > 4<<10 {
				t.Fatalf("got key %T, %d certificates and an error of %d bytes", key, len(chain), len(err.Error()))
			}
			return
		}
		if key == nil || len(chain) == 0 {
			t.Fatal("got neither a key with its certificate nor an error")
		}
		if k, ok := chain[0].PublicKey.(interface{ Equal(crypto.PublicKey) bool }); ok && !k.Equal(key.Public()) {
			t.Fatal("the first certificate is not that of the key")
		}
	})
}
