package entra_test

import (
	"encoding/base64"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/xoauth2/go-xoauth2/internal/entra"
)

// idToken makes an id_token of claims in JSON.
func idToken(claims string) string {
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"RS256","typ":"JWT"}`)) + "." + encode([]byte(claims)) + "." + encode([]byte("signature"))
}

func TestReadIDToken(t *testing.T) {
	t.Parallel()
	exp := time.Unix(1767927600, 0)
	for _, tt := range []struct {
		name, claims string
		want         entra.IDToken
	}{
		{"Entra", `{"ver":"2.0","iss":"https://login.microsoftonline.com/t/v2.0","sub":"AAAA","aud":"app","exp":1767927600,"iat":1767924000,"nbf":1767924000,` +
			`"name":"Ada","preferred_username":"ada@contoso.com","email":"x@contoso.com","oid":"o","tid":"t","nonce":"n","aio":"D"}`,
			entra.IDToken{Issuer: "https://login.microsoftonline.com/t/v2.0", Audience: []string{"app"}, Nonce: "n", Subject: "AAAA", Username: "ada@contoso.com", TenantID: "t", ObjectID: "o", Expiry: exp}},
		{"Google", `{"iss":"https://accounts.google.com","azp":"app","aud":"app","sub":"1","email":"ada@gmail.com","email_verified":true,"exp":1767927600}`,
			entra.IDToken{Issuer: "https://accounts.google.com", Audience: []string{"app"}, Subject: "1", Username: "ada@gmail.com", Expiry: exp}},
		{"two audiences", `{"iss":"i","aud":["app","other"],"sub":"s","exp":1767927600}`, entra.IDToken{Issuer: "i", Audience: []string{"app", "other"}, Subject: "s", Expiry: exp}},
		{"upn", `{"iss":"i","aud":"app","sub":"s","exp":1767927600,"upn":"u","email":"","preferred_username":null}`,
			entra.IDToken{Issuer: "i", Audience: []string{"app"}, Subject: "s", Username: "u", Expiry: exp}},
		{"fraction", `{"iss":"i","aud":"app","sub":"s","exp":1767927600.9}`, entra.IDToken{Issuer: "i", Audience: []string{"app"}, Subject: "s", Expiry: exp}},
		{"exponent", `{"iss":"i","aud":"app","sub":"s","exp":1.7679276e9}`, entra.IDToken{Issuer: "i", Audience: []string{"app"}, Subject: "s", Expiry: exp}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := entra.ReadIDToken(idToken(tt.claims))
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(*got, tt.want) {
				t.Errorf("got %+v, want %+v", *got, tt.want)
			}
		})
	}
}

func TestReadIDTokenRefuses(t *testing.T) {
	t.Parallel()
	good := map[string]string{"iss": `"i"`, "aud": `"a"`, "sub": `"s"`, "exp": "1767927600"}
	with := func(name, value string) string {
		var members []string
		for n, v := range good {
			if n != name {
				members = append(members, `"`+n+`":`+v)
			}
		}
		return idToken("{" + strings.Join(append(members, `"`+name+`":`+value), ",") + "}")
	}
	encode := base64.RawURLEncoding.EncodeToString
	for _, tt := range []struct{ name, raw, want string }{
		{"empty", "", "has 1 parts, not 3"},
		{"two parts", "e30.e30", "has 2 parts"},
		{"four parts", "e30.e30.e30.e30", "has 4 parts"},
		{"encrypted", "a.b.c.d.e", "is encrypted"},
		{"too long", idToken(strings.Repeat(" ", 64<<10)), "longer than 64 KiB"},
		{"header not base64", "*." + "e30.e30", "the header of the id_token is not base64url"},
		{"payload in base64", encode([]byte("{}")) + "." + "e30=" + ".e30", "the payload of the id_token is not base64url"},
		{"signature not base64", "e30.e30.+/", "the signature of the id_token is not base64url"},
		{"header not JSON", encode([]byte("sEcReT")) + ".e30.e30", "not a JSON object"},
		{"payload an array", "e30." + encode([]byte("[]")) + ".e30", "not a JSON object"},
		{"payload null", "e30." + encode([]byte("null")) + ".e30", "not a JSON object"},
		{"no issuer", with("iss", "null"), `"iss" is missing`},
		{"issuer number", with("iss", "4711"), `"iss" is not a string`},
		{"no audience", with("aud", "null"), `"aud" is missing`},
		{"empty audience", with("aud", "[]"), `"aud" is missing`},
		{"audience number", with("aud", "4711"), `"aud" is neither a string nor an array of strings`},
		{"audience of numbers", with("aud", "[4711]"), `"aud" is neither a string nor an array of strings`},
		{"no subject", with("sub", `""`), `"sub" is missing`},
		{"subject array", with("sub", `["sEcReT"]`), `"sub" is not a string`},
		{"no expiry", with("exp", "null"), `"exp" is missing`},
		{"expiry string", with("exp", `"1767927600"`), `"exp" is not a number`},
		{"expiry negative", with("exp", "-1"), `"exp" is not a time`},
		{"expiry huge", with("exp", "1e999"), `"exp" is not a time`},
		{"expiry object", with("exp", "{}"), `"exp" is not a number`},
		{"nonce number", with("nonce", "4711"), `"nonce" is not a string`},
		{"tid array", with("tid", "[]"), `"tid" is not a string`},
		{"oid object", with("oid", "{}"), `"oid" is not a string`},
		{"preferred_username array", with("preferred_username", `["sEcReT"]`), `"preferred_username" is not a string`},
		{"email bool", with("email", "true"), `"email" is not a string`},
		{"upn number", with("upn", "4711"), `"upn" is not a string`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := entra.ReadIDToken(tt.raw)
			if err == nil || got != nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %v and error %v, want %q", got, err, tt.want)
			}
			if strings.Contains(err.Error(), "sEcReT") || strings.Contains(err.Error(), "4711") {
				t.Errorf("the error shows a value: %q", err)
			}
		})
	}
}
