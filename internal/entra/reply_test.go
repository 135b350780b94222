package entra_test

import (
	"math"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const hour, year = time.Hour, 365 * 24 * time.Hour

// tokenCase is a reply with a token, and what must be read from it.
type tokenCase struct {
	name, body      string
	lifetime        time.Duration // -1: no expiry
	refresh         string
	idToken, scope  any
	refreshLifetime any
}

func TestTokenReply(t *testing.T) {
	t.Parallel()
	for _, tt := range []tokenCase{
		{name: "Entra application", body: goodReply, lifetime: 3599 * time.Second},
		{name: "Entra user", body: `{"token_type":"Bearer","scope":"https://outlook.office.com/SMTP.Send","expires_in":4242,"ext_expires_in":4242,` +
			`"access_token":"a","refresh_token":"r","id_token":"i","client_info":"x"}`,
			lifetime: 4242 * time.Second, refresh: "r", idToken: "i", scope: "https://outlook.office.com/SMTP.Send"},
		{name: "Google", body: "{\n  \"access_token\": \"ya29.a\",\n  \"expires_in\": 3599,\n  \"refresh_token\": \"1//r\",\n" +
			"  \"scope\": \"https://mail.google.com/\",\n  \"token_type\": \"Bearer\",\n  \"refresh_token_expires_in\": 604799\n}\n",
			lifetime: 3599 * time.Second, refresh: "1//r", scope: "https://mail.google.com/", refreshLifetime: 604799.0},
		{name: "Yahoo", body: `{"access_token":"a","refresh_token":"r","expires_in":3600,"token_type":"bearer","xoauth_yahoo_guid":"J"}`,
			lifetime: hour, refresh: "r"},
		{name: "lifetime in a string", body: `{"access_token":"a","token_type":"BEARER","expires_in":" 3600 "}`, lifetime: hour},
		{name: "lifetime with a fraction", body: `{"access_token":"a","token_type":"Bearer","expires_in":3600.0}`, lifetime: hour},
		{name: "lifetime with an exponent", body: `{"access_token":"a","token_type":"Bearer","expires_in":3.6e3}`, lifetime: hour},
		{name: "lifetime zero", body: `{"access_token":"a","token_type":"Bearer","expires_in":0}`, lifetime: 0},
		{name: "lifetime huge", body: `{"access_token":"a","token_type":"Bearer","expires_in":1e18}`, lifetime: year},
		{name: "lifetime beyond float64", body: `{"access_token":"a","token_type":"Bearer","expires_in":1e999}`, lifetime: year},
		{name: "lifetime beyond int64 in a string", body: `{"access_token":"a","expires_in":"99999999999999999999"}`, lifetime: year},
		{name: "no lifetime", body: `{"access_token":"a","token_type":"Bearer"}`, lifetime: -1},
		{name: "no type, nulls and empty strings", body: `{"access_token":"a","token_type":null,"expires_in":null,"refresh_token":null,"id_token":"","scope":"","error":null}`,
			lifetime: -1},
		{name: "twice the same key", body: `{"access_token":"b","access_token":"a","expires_in":1,"expires_in":3600}`, lifetime: hour},
		{name: "odd refresh lifetime", body: `{"access_token":"a","refresh_token_expires_in":"soon"}`, lifetime: -1},
		{name: "empty error", body: `{"access_token":"a","error":""}`, lifetime: -1},
	} {
		t.Run(tt.name, func(t *testing.T) { synctest.Test(t, tt.check) })
	}
}

func (tt tokenCase) check(t *testing.T) {
	sent := time.Now()
	token, err := client(func(req *http.Request) (*http.Response, error) {
		time.Sleep(7 * time.Second) // the expiry must not count from the reply
		return answer(200, tt.body)(req)
	}).Token(t.Context(), endpoint, url.Values{})
	if err != nil {
		t.Fatal(err)
	}
	var want time.Time
	if tt.lifetime >= 0 {
		want = sent.Round(0).Add(tt.lifetime)
	}
	if !reflect.DeepEqual(token.Expiry, want) { // and not the monotonic clock
		t.Errorf("got expiry %v, want %v", token.Expiry, want)
	}
	if got, want := token.ExpiresIn, max(int64(tt.lifetime/time.Second), 0); got != want {
		t.Errorf("got ExpiresIn %d, want %d", got, want)
	}
	if !strings.HasSuffix(token.AccessToken, "a") && token.AccessToken != "eyJ0.token" || token.TokenType != "Bearer" || token.RefreshToken != tt.refresh {
		t.Errorf("got a wrong access or refresh token or type %q", token.TokenType)
	}
	for name, want := range map[string]any{"id_token": tt.idToken, "scope": tt.scope, "refresh_token_expires_in": tt.refreshLifetime} {
		if got := token.Extra(name); got != want {
			t.Errorf("got Extra(%q) %v, want %v", name, got, want)
		}
	}
}

func TestMalformedTokenReply(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ body, want string }{
		"no access token":       {`{"token_type":"Bearer","expires_in":3600}`, `"access_token" is missing`},
		"empty access token":    {`{"access_token":""}`, `"access_token" is missing`},
		"null access token":     {`{"access_token":null}`, `"access_token" is missing`},
		"array access token":    {`{"access_token":["sEcReT"]}`, `"access_token" is not a string`},
		"number access token":   {`{"access_token":4711}`, `"access_token" is not a string`},
		"type mac":              {`{"access_token":"sEcReT","token_type":"mac"}`, `"token_type" is not "Bearer"`},
		"type number":           {`{"access_token":"sEcReT","token_type":1}`, `"token_type" is not a string`},
		"refresh token object":  {`{"access_token":"sEcReT","refresh_token":{"a":"sEcReT"}}`, `"refresh_token" is not a string`},
		"id_token array":        {`{"access_token":"sEcReT","id_token":[]}`, `"id_token" is not a string`},
		"scope array":           {`{"access_token":"sEcReT","scope":["a"]}`, `"scope" is not a string`},
		"lifetime negative":     {`{"access_token":"sEcReT","expires_in":-1}`, `"expires_in" is negative`},
		"lifetime minus string": {`{"access_token":"sEcReT","expires_in":"-3600"}`, `"expires_in" is negative`},
		"lifetime minus huge":   {`{"access_token":"sEcReT","expires_in":-1e999}`, `"expires_in" is negative`},
		"lifetime NaN":          {`{"access_token":"sEcReT","expires_in":"NaN"}`, `"expires_in" is not a number`},
		"lifetime Inf":          {`{"access_token":"sEcReT","expires_in":"+Inf"}`, `"expires_in" is not a number`},
		"lifetime hexadecimal":  {`{"access_token":"sEcReT","expires_in":"0x10"}`, `"expires_in" is not a number`},
		"lifetime words":        {`{"access_token":"sEcReT","expires_in":"sEcReT"}`, `"expires_in" is not a number`},
		"lifetime quoted twice": {`{"access_token":"sEcReT","expires_in":"\"3600\""}`, `"expires_in" is not a number`},
		"lifetime true":         {`{"access_token":"sEcReT","expires_in":true}`, `"expires_in" is not a number`},
		"lifetime array":        {`{"access_token":"sEcReT","expires_in":[3600]}`, `"expires_in" is not a number`},
		"empty":                 {``, "not a JSON object"},
		"null":                  {`null`, "not a JSON object"},
		"array":                 {`[{"access_token":"sEcReT"}]`, "not a JSON object"},
		"string":                {`"sEcReT"`, "not a JSON object"},
		"form":                  {`access_token=sEcReT&token_type=Bearer`, "not a JSON object"},
		"cut":                   {`{"access_token":"sEcReT`, "not a JSON object"},
		"two objects":           {`{"access_token":"sEcReT"}{}`, "not a JSON object"},
		"deep":                  {strings.Repeat(`{"a":`, 20_000), "not a JSON object"},
		"binary":                {"\x00\xff\x1f\x8b", "not a JSON object"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			token, err := client(answer(200, tt.body)).Token(t.Context(), endpoint, nil)
			if err == nil || token != nil {
				t.Fatalf("got token %v and error %v", token != nil, err)
			}
			if !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "login.example") {
				t.Errorf("got error %q, want %q and the host", err, tt.want)
			}
			if strings.Contains(err.Error(), "sEcReT") || strings.Contains(err.Error(), "4711") {
				t.Errorf("the error shows a value: %q", err)
			}
		})
	}
}

func TestDeviceAuthReply(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, body    string
		page, whole   string
		lifetime      time.Duration
		interval      int64
		device, shown string
	}{
		{"Entra", `{"user_code":"CNWB3TJWK","device_code":"d","verification_uri":"https://microsoft.com/devicelogin","expires_in":900,"interval":5,` +
			`"message":"To sign in, use a web browser"}`, "https://microsoft.com/devicelogin", "", 900 * time.Second, 5, "d", "CNWB3TJWK"},
		{"Google", `{"device_code":"4/4-GM","expires_in":1800,"interval":5,"user_code":"GQVQ-JKEC","verification_url":"https://www.google.com/device"}`,
			"https://www.google.com/device", "", 1800 * time.Second, 5, "4/4-GM", "GQVQ-JKEC"},
		{"RFC 8628", `{"device_code":"d","user_code":"WDJB-MJHT","verification_uri":"https://example.com/device",` +
			`"verification_uri_complete":"https://example.com/device?user_code=WDJB-MJHT","expires_in":"1800"}`,
			"https://example.com/device", "https://example.com/device?user_code=WDJB-MJHT", 1800 * time.Second, 5, "d", "WDJB-MJHT"},
		{"no lifetime, odd interval", `{"device_code":"d","user_code":"u","verification_uri":"https://e.com/","interval":"2.5"}`, "https://e.com/", "", -1, 3, "d", "u"},
		{"interval zero", `{"device_code":"d","user_code":"u","verification_uri":"https://e.com/","interval":0}`, "https://e.com/", "", -1, 1, "d", "u"},
		{"huge numbers", `{"device_code":"d","user_code":"u","verification_uri":"https://e.com/","interval":1e300,"expires_in":1e300}`,
			"https://e.com/", "", year, 300, "d", "u"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sent := time.Now()
				got, err := client(answer(200, tt.body)).DeviceAuth(t.Context(), endpoint, nil)
				if err != nil {
					t.Fatal(err)
				}
				var expiry time.Time
				if tt.lifetime >= 0 {
					expiry = sent.Round(0).Add(tt.lifetime)
				}
				if got.DeviceCode != tt.device || got.UserCode != tt.shown || got.VerificationURI != tt.page ||
					got.VerificationURIComplete != tt.whole || got.Interval != tt.interval || !got.Expiry.Equal(expiry) {
					t.Errorf("got %+v, want %+v and expiry %v", got, tt, expiry)
				}
			})
		})
	}
}

func TestMalformedDeviceAuthReply(t *testing.T) {
	t.Parallel()
	good := map[string]string{
		"device_code": `"sEcReT"`, "user_code": `"AB-CD"`, "verification_uri": `"https://example.com/"`, "expires_in": "900", "interval": "5",
	}
	for _, tt := range []struct{ name, value, want string }{
		{"device_code", `""`, `"device_code" is missing`},
		{"device_code", `["sEcReT"]`, `"device_code" is not a string`},
		{"user_code", `null`, `"user_code" is missing`},
		{"user_code", `"\u001b[2Jx"`, `"user_code" holds a character that cannot be printed`},
		{"user_code", `"a\u202eb"`, `"user_code" holds a character that cannot be printed`},
		{"verification_uri", `""`, `"verification_uri" is missing`},
		{"verification_uri", `"javascript:alert(1)"`, `"verification_uri" is not the URL of a web page`},
		{"verification_uri", `"https://"`, `"verification_uri" is not the URL of a web page`},
		{"verification_uri_complete", `"file:///etc/passwd"`, `"verification_uri_complete" is not the URL of a web page`},
		{"verification_uri_complete", `"https://example.com/\u001b[2J"`, `"verification_uri_complete" holds a character`},
		{"expires_in", `-900`, `"expires_in" is negative`},
		{"interval", `-5`, `"interval" is negative`},
		{"interval", `{}`, `"interval" is not a number`},
	} {
		t.Run(tt.name+" "+tt.value, func(t *testing.T) {
			t.Parallel()
			var members []string
			for name, value := range good {
				if name != tt.name {
					members = append(members, `"`+name+`":`+value)
				}
			}
			members = append(members, `"`+tt.name+`":`+tt.value)
			_, err := client(answer(200, "{"+strings.Join(members, ",")+"}")).DeviceAuth(t.Context(), endpoint, nil)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got error %v, want %q", err, tt.want)
			}
			if strings.Contains(err.Error(), "sEcReT") {
				t.Errorf("the error shows a value: %q", err)
			}
		})
	}
}

func TestRefreshLifetimeIsAFloat(t *testing.T) {
	t.Parallel()
	token, err := client(answer(200, `{"access_token":"a","refresh_token_expires_in":86399}`)).Token(t.Context(), endpoint, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := token.Extra("refresh_token_expires_in").(float64); !ok || math.Abs(got-86399) > 0 {
		t.Errorf("got %v, want 86399 as a float64", token.Extra("refresh_token_expires_in"))
	}
}
