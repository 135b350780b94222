package diagnosis_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xoauth2/go-xoauth2/internal/diagnosis"
)

// kinds tells by its words what a certain cause claims. Two of one kind would
// contradict each other, as would a judgement of permissions beside the verdict
// that the token is for another resource.
var kinds = []struct{ words, kind string }{
	{"token is for", "resource"},
	{"token grants", "permission"},
	{"carries the role", "permission"},
	{"but the token is", "user"},
	{"token ended at", "time"},
}

func kindOf(t *testing.T, problem string) string {
	for _, k := range kinds {
		if strings.Contains(problem, k.words) {
			return k.kind
		}
	}
	t.Errorf("a certain cause of an unknown kind: %q", problem)
	return ""
}

// TestCertainCausesAgree generates tokens of all combinations and shows every
// refusal with each of them.
func TestCertainCausesAgree(t *testing.T) {
	t.Parallel()
	certain := 0
	for token := range generatedTokens {
		for _, refusal := range refusals {
			f := refusal
			f.Token = token
			certain += checkAgreement(t, f)
		}
	}
	if certain == 0 {
		t.Error("no certain cause at all: the test tests nothing")
	}
}

func checkAgreement(t *testing.T, f diagnosis.Facts) (certain int) {
	var found []string
	possible := false
	for _, cause := range diagnosis.Explain(f).Causes {
		if !cause.Certain {
			possible = true
			continue
		}
		if possible {
			t.Errorf("%+v: a certain cause after one that is not: %q", f.Token, cause.Problem)
		}
		kind := kindOf(t, cause.Problem)
		if slices.Contains(found, kind) {
			t.Errorf("%+v: two certain causes of the kind %s", f.Token, kind)
		}
		found = append(found, kind)
	}
	if slices.Contains(found, "resource") && slices.Contains(found, "permission") {
		t.Errorf("%+v: judges the permissions of a token for another resource", f.Token)
	}
	if len(found) > 0 && (f.Token.Opaque || f.Token.Length == 0) {
		t.Errorf("%+v: certain without claims: %q", f.Token, found)
	}
	return len(found)
}

var refusals = []diagnosis.Facts{
	{Protocol: "IMAP", Login: true, Username: "ann@contoso.com", Reply: diagnosis.Reply{Status: "NO", Text: "AUTHENTICATE failed."}},
	{Protocol: "IMAP", Login: true, Username: "ann@contoso.com", Reply: diagnosis.Reply{Status: "BAD", Text: "User is authenticated but not connected."}},
	{Protocol: "POP3", Login: true, Username: "ann@contoso.com", Reply: diagnosis.Reply{Status: "-ERR", Text: "Authentication failure: unknown user name or bad password."}},
	{Protocol: "SMTP", Login: true, Username: "ann@contoso.com", Reply: diagnosis.Reply{Status: "535", Code: "5.7.3", Text: "Authentication unsuccessful"}},
	{Protocol: "SMTP", Login: true, Username: "ann@contoso.com", Addr: "smtp.office365.com:587", Provider: diagnosis.Provider{Cloud: diagnosis.Worldwide}, Reply: diagnosis.Reply{Status: "535", Text: "5.7.3 Authentication unsuccessful"}},
	{Protocol: "IMAP", Login: true, Username: "ann@contoso.com", Document: "401", Reply: diagnosis.Reply{Status: "NO", Code: "AUTHENTICATIONFAILED", Text: "Authentication failed."}},
	{Protocol: "SMTP", Login: true, Username: "ann@contoso.com", Reply: diagnosis.Reply{Status: "599", Text: "nonsense"}},
}

// generatedTokens yields tokens of every combination of the claims that matter.
func generatedTokens(yield func(diagnosis.Token) bool) {
	if !yield(diagnosis.Token{}) || !yield(diagnosis.Token{Opaque: true, Length: 1500}) {
		return
	}
	now := time.Now()
	for _, aud := range []string{
		"", "https://outlook.office365.com", "https://outlook.office.com/", "https://outlook.office365.us",
		"00000002-0000-0ff1-ce00-000000000000", "https://graph.microsoft.com", "00000003-0000-0000-c000-000000000000",
		"https://ps.outlook.com", "api://contoso", "https://unheard.of",
	} {
		for _, user := range []string{"", "ann@contoso.com", "bob@contoso.com", "bob_gmail.com#EXT#@contoso.com"} {
			for _, scopes := range [][]string{nil, {"SMTP.Send"}, {"IMAP.AccessAsUser.All", "POP.AccessAsUser.All"}} {
				for _, roles := range [][]string{nil, {"SMTP.SendAsApp"}, {"IMAP.AccessAsApp"}} {
					for _, expiry := range []time.Time{now.Add(-time.Hour), now.Add(time.Hour)} {
						for _, appOnly := range []bool{false, true} {
							if !yield(diagnosis.Token{
								AppOnly: appOnly, Length: 1500,
								Audience: aud, Username: user, Scopes: scopes, Roles: roles, Expiry: expiry,
							}) {
								return
							}
						}
					}
				}
			}
		}
	}
}

// TestCertain has what the claims prove, and what they must not be taken to
// prove.
func TestCertain(t *testing.T) {
	t.Parallel()
	const exchange = "https://outlook.office365.com"
	imap, smtp, dovecot := refusals[0], refusals[3], refusals[5]
	tests := []struct {
		name    string
		refusal diagnosis.Facts
		token   diagnosis.Token
		want    string // words of the certain cause; empty: there is none
	}{
		{"Graph, by URL", imap, diagnosis.Token{Audience: "https://graph.microsoft.com", Username: "ann@contoso.com", Scopes: []string{"IMAP.AccessAsUser.All"}}, "Microsoft Graph"},
		{"Graph, by id", smtp, diagnosis.Token{Audience: "00000003-0000-0000-c000-000000000000", AppOnly: true, Roles: []string{"SMTP.SendAsApp"}}, "Microsoft Graph"},
		{"Graph at a server that may want it", dovecot, diagnosis.Token{Audience: "https://graph.microsoft.com", Username: "ann@contoso.com"}, ""},
		{"ps.outlook.com", imap, diagnosis.Token{Audience: "https://ps.outlook.com", AppOnly: true, Roles: []string{"IMAP.AccessAsApp"}}, "admin-consent page"},
		{"an id_token", imap, diagnosis.Token{Audience: "11111111-2222-3333-4444-555555555555", Username: "ann@contoso.com"}, "not Exchange"},
		{"an audience nobody knows", imap, diagnosis.Token{Audience: "https://unheard.of", Username: "ann@contoso.com"}, ""},
		{"scope of another protocol", imap, diagnosis.Token{Audience: exchange, Username: "ann@contoso.com", Scopes: []string{"SMTP.Send"}}, "not IMAP.AccessAsUser.All"},
		{"scope in other letters", imap, diagnosis.Token{Audience: exchange, Username: "ann@contoso.com", Scopes: []string{"imap.accessasuser.all"}}, ""},
		{"role of another protocol", imap, diagnosis.Token{Audience: exchange, AppOnly: true, Roles: []string{"SMTP.SendAsApp"}}, "not IMAP.AccessAsApp"},
		{"no role", imap, diagnosis.Token{Audience: exchange, AppOnly: true, AppID: "a"}, ""},
		{"no role for SMTP, as with RBAC", smtp, diagnosis.Token{Audience: exchange, AppOnly: true, AppID: "a"}, ""},
		{"other roles for SMTP, as with RBAC", smtp, diagnosis.Token{Audience: exchange, AppOnly: true, Roles: []string{"IMAP.AccessAsApp"}}, ""},
		{"SMTP as a shared mailbox", smtp, diagnosis.Token{Audience: exchange, Username: "bob@contoso.com", Scopes: []string{"SMTP.Send"}}, "but the token is"},
		{"SMTP as oneself, in capitals", smtp, diagnosis.Token{Audience: exchange, Username: "ANN@CONTOSO.COM", Scopes: []string{"SMTP.Send"}}, ""},
		{"SMTP as a guest", smtp, diagnosis.Token{Audience: exchange, Username: "ann_contoso.com#EXT#@fabrikam.com", Scopes: []string{"SMTP.Send"}}, ""},
		{"IMAP of a shared mailbox", imap, diagnosis.Token{Audience: exchange, Username: "bob@contoso.com", Scopes: []string{"IMAP.AccessAsUser.All"}}, ""},
		{"expired", imap, diagnosis.Token{Audience: exchange, Username: "ann@contoso.com", Scopes: []string{"IMAP.AccessAsUser.All"}, Expiry: time.Now().Add(-time.Hour)}, "ended at"},
		{"expired, elsewhere", dovecot, diagnosis.Token{Audience: "mail", Username: "ann@contoso.com", Expiry: time.Now().Add(-time.Hour)}, "ended at"},
		{"not expired", imap, diagnosis.Token{Audience: exchange, Username: "ann@contoso.com", Scopes: []string{"IMAP.AccessAsUser.All"}, Expiry: time.Now().Add(time.Hour)}, ""},
		{"opaque", imap, diagnosis.Token{Opaque: true, Length: 1200}, ""},
		{"unknown", imap, diagnosis.Token{}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.refusal.Token = tt.token
			if tt.token.Length == 0 && tt.name != "unknown" {
				tt.refusal.Token.Length = 1500
			}
			d := diagnosis.Explain(tt.refusal)
			if len(d.Causes) == 0 {
				t.Fatal("no causes")
			}
			got := d.Causes[0]
			if got.Certain != (tt.want != "") || !strings.Contains(got.Problem, tt.want) {
				t.Errorf("got %q (certain: %t), want %q", got.Problem, got.Certain, tt.want)
			}
		})
	}
}

// TestNotProven has tokens that look guilty, where something lets another
// reading in. The cause is still named, and first, unless it is empty.
func TestNotProven(t *testing.T) {
	t.Parallel()
	const exchange = "https://outlook.office365.com"
	own := func(f diagnosis.Facts) diagnosis.Facts { f.Addr = "mail.contoso.test:993"; return f }
	undated := func(f diagnosis.Facts) diagnosis.Facts { f.Undated = true; return f }
	imap, smtp := refusals[0], refusals[3]
	now := time.Now()
	good := diagnosis.Token{Audience: exchange, Username: "ann@contoso.com", Scopes: []string{"IMAP.AccessAsUser.All"}}
	ended := func(ago time.Duration) diagnosis.Token { t := good; t.Expiry = now.Add(-ago); return t }
	many := slices.Repeat([]string{"Some.Permission"}, 64)
	tests := []struct {
		name    string
		refusal diagnosis.Facts
		token   diagnosis.Token
		first   string
	}{
		{"Exchange's words by another server, Graph", own(imap), diagnosis.Token{Audience: "https://graph.microsoft.com", Username: "ann@contoso.com"}, "Microsoft Graph"},
		{"Exchange's words by another server, scope", own(imap), diagnosis.Token{Audience: exchange, Username: "ann@contoso.com", Scopes: []string{"x"}}, "but not"},
		{"Exchange's words by another server, role", own(imap), diagnosis.Token{Audience: exchange, AppOnly: true, AppID: "a", Roles: []string{"x"}}, "but not"},
		{"Exchange's words by another server, user", own(smtp), diagnosis.Token{Audience: exchange, Username: "bob@contoso.com", Scopes: []string{"SMTP.Send"}}, "but the token is"},
		{"one of Office's own resources", imap, diagnosis.Token{Audience: "00000007-0000-0ff1-ce00-000000000000", Username: "ann@contoso.com"}, ""},
		{"Exchange by its id, for a host", imap, diagnosis.Token{Audience: "00000002-0000-0ff1-ce00-000000000000/outlook.office365.com", Username: "ann@contoso.com", Scopes: good.Scopes}, ""},
		{"more scopes than are read", imap, diagnosis.Token{Audience: exchange, Username: "ann@contoso.com", Scopes: many}, ""},
		{"more roles than are read", imap, diagnosis.Token{Audience: exchange, AppOnly: true, AppID: "a", Roles: many}, "role"},
		{"a user and a mailbox in one name", diagnosis.Facts{Protocol: "SMTP", Login: true, Username: `bob@contoso.com\shared`, Reply: smtp.Reply}, diagnosis.Token{Audience: exchange, Username: "ann@contoso.com", Scopes: []string{"SMTP.Send"}}, "names a user and a mailbox"},
		{"ended within the leeway of servers", imap, ended(2 * time.Minute), "ended at"},
		{"refused nobody knows when", undated(imap), ended(time.Hour), "ended at"},
		{"refused long ago, for all anybody knows", undated(imap), ended(720 * time.Hour), "switched off"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.refusal.Token = tt.token
			tt.refusal.Token.Length = 1500
			d := diagnosis.Explain(tt.refusal)
			for i, cause := range d.Causes {
				if cause.Certain || i == 0 && !strings.Contains(cause.Problem, tt.first) {
					t.Errorf("got %q (certain: %t), want %q first and nothing certain", cause.Problem, cause.Certain, tt.first)
				}
			}
			if len(d.Causes) == 0 {
				t.Error("no causes")
			}
		})
	}
}

// TestExpiryByTheServersClock: a reply's own time counts, not the reader's.
func TestExpiryByTheServersClock(t *testing.T) {
	t.Parallel()
	f := refusals[3]
	f.Token = diagnosis.Token{Audience: "https://outlook.office.com", Username: "ann@contoso.com", Scopes: []string{"SMTP.Send"}, Length: 1500,
		Expiry: time.Date(2025, 3, 20, 12, 0, 0, 0, time.UTC)}
	for at, want := range map[string]bool{
		"2025-03-20T11:25:21.972Z": false,
		"2025-03-20T12:25:21.972Z": true,
		"2024-03-20T11:25:21.972Z": true, // another refusal's: there was no such token
	} {
		f.Reply.Text = fmt.Sprintf("Authentication unsuccessful [SGXP274CA0016.SGPP274.PROD.OUTLOOK.COM %s 08DD66EDEFB0DFDF]", at)
		if got := diagnosis.Explain(f).Causes[0].Certain; got != want {
			t.Errorf("refused at %s: got %t for a certain cause, want %t", at, got, want)
		}
	}
}

// TestWrongCloud needs both clouds.
func TestWrongCloud(t *testing.T) {
	t.Parallel()
	f := refusals[0]
	f.Token = diagnosis.Token{Audience: "https://outlook.office365.us", AppOnly: true, Roles: []string{"IMAP.AccessAsApp"}, Length: 1500}
	if got := diagnosis.Explain(f).Causes[0]; got.Certain {
		t.Errorf("got %q for certain, at a server of an unknown cloud", got.Problem)
	}
	f.Provider.Cloud = diagnosis.CloudOf("outlook.office365.com")
	got := diagnosis.Explain(f).Causes[0]
	if !got.Certain || !strings.Contains(got.Problem, string(diagnosis.Government)) || !strings.Contains(got.Problem, string(diagnosis.Worldwide)) {
		t.Errorf("got %q (certain: %t), want both clouds named", got.Problem, got.Certain)
	}
}
