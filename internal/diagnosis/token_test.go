package diagnosis_test

import (
	"encoding/base64"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/xoauth2/go-xoauth2/internal/diagnosis"
)

// jwt returns an unsigned token with the claims.
func jwt(claims string) string {
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"none"}`)) + "." + encode([]byte(claims)) + "." + encode([]byte("signature"))
}

func TestParseToken(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, claims string
		want         diagnosis.Token
	}{
		{
			"user, version 1.0",
			`{"aud":"https://outlook.office365.com","tid":"T","appid":"A","oid":"O","upn":"ann@contoso.com","scp":"IMAP.AccessAsUser.All SMTP.Send","exp":1700000000}`,
			diagnosis.Token{Audience: "https://outlook.office365.com", TenantID: "T", AppID: "A", ObjectID: "O", Username: "ann@contoso.com",
				Scopes: []string{"IMAP.AccessAsUser.All", "SMTP.Send"}, Expiry: time.Unix(1700000000, 0)},
		},
		{
			"application, version 2.0",
			`{"aud":["00000002-0000-0ff1-ce00-000000000000"],"azp":"A","oid":"O","idtyp":"app","roles":["IMAP.AccessAsApp"],"exp":1700000000.9}`,
			diagnosis.Token{Audience: "00000002-0000-0ff1-ce00-000000000000", AppID: "A", ObjectID: "O", Roles: []string{"IMAP.AccessAsApp"},
				AppOnly: true, Expiry: time.Unix(1700000000, 0)},
		},
		{"application without idtyp and roles", `{"aud":"x","appid":"A","oid":"O"}`, diagnosis.Token{Audience: "x", AppID: "A", ObjectID: "O", AppOnly: true}},
		{"user who has roles", `{"appid":"A","unique_name":"ann@contoso.com","roles":["R"],"idtyp":"user"}`, diagnosis.Token{AppID: "A", Username: "ann@contoso.com", Roles: []string{"R"}}},
		{"wrong types", `{"aud":7,"tid":{},"appid":[3],"oid":null,"upn":true,"scp":{"a":1},"roles":[1,"R",null],"exp":"soon"}`, diagnosis.Token{Roles: []string{"R"}}},
		{"several audiences, one of them Exchange", `{"aud":["https://graph.microsoft.com","https://outlook.office.com/"]}`, diagnosis.Token{Audience: "https://outlook.office.com/"}},
		{"several audiences, one of them unknown", `{"aud":["https://graph.microsoft.com","https://mail.contoso.test"]}`, diagnosis.Token{Audience: "https://mail.contoso.test"}},
		{"several audiences, none of a mail server", `{"aud":["https://graph.microsoft.com","api://contoso"]}`, diagnosis.Token{Audience: "https://graph.microsoft.com"}},
		{"Entra's email, which is no user name", `{"tid":"T","email":"ann@home.test"}`, diagnosis.Token{TenantID: "T"}},
		{"another issuer's email", `{"email":"ann@contoso.test"}`, diagnosis.Token{Username: "ann@contoso.test"}},
		{"no date", `{"aud":"x","exp":-1}`, diagnosis.Token{Audience: "x"}},
		{"far future", `{"aud":"x","exp":1e300}`, diagnosis.Token{Audience: "x"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			token := jwt(tt.claims)
			tt.want.Length = len(token)
			if got := diagnosis.ParseToken(token); !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %+v\nwant %+v", got, tt.want)
			}
		})
	}
}

func TestOpaqueTokens(t *testing.T) {
	t.Parallel()
	for _, token := range []string{
		"", "EwBAAl3BAAUFFpUAo7J3Ve0bjLBWZWCclRC3EoAA", "a.b.c", "..", "a..b", jwt("[]"), jwt("{}"), jwt("null"), jwt(`"x"`),
		jwt("{") + "x", jwt(`{"aud":"x"}`) + ".five", strings.Repeat("a", 1<<20), jwt(`{"a":"` + strings.Repeat("b", 1<<20) + `"}`),
	} {
		got := diagnosis.ParseToken(token)
		if want := (diagnosis.Token{Opaque: true, Length: len(token)}); !reflect.DeepEqual(got, want) {
			t.Errorf("%.20q: got %+v, want %+v", token, got, want)
		}
	}
}

func TestTokenIsBounded(t *testing.T) {
	t.Parallel()
	got := diagnosis.ParseToken(jwt(`{"aud":"` + strings.Repeat("a", 5000) + `","scp":"` + strings.Repeat("s ", 5000) + `","roles":["` + strings.Repeat("r", 5000) + `"]}`))
	if len(got.Audience) > 300 || len(got.Scopes) > 64 || len(got.Roles[0]) > 300 {
		t.Errorf("got %d bytes of audience, %d scopes, %d bytes of role", len(got.Audience), len(got.Scopes), len(got.Roles[0]))
	}
}
