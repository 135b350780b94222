package exchangetest_test

import (
	"strings"
	"testing"
	"time"

	"github.com/xoauth2/go-xoauth2/exchangetest"
)

func TestCodes(t *testing.T) {
	t.Parallel()
	srv := start(t)
	f := newFlow(t, srv)
	code := func() string {
		srv.SignIn(alice)
		return f.answer().Get("code")
	}
	used := code()
	f.redeemCode(used)
	tests := map[string]struct {
		code  string
		pairs []string
		want  int
	}{
		"twice":             {used, nil, 54005},
		"unknown":           {"x", nil, 70000},
		"wrong verifier":    {code(), []string{"code_verifier", "x"}, 501481},
		"no verifier":       {code(), []string{"code_verifier", ""}, 501481},
		"another redirect":  {code(), []string{"redirect_uri", "http://localhost:6000"}, 500112},
		"two resources":     {code(), []string{"scope", outlookIMAP + " https://graph.microsoft.com/User.Read"}, 28000},
		"no scope, two":     {code(), []string{"scope", ""}, 28000},
		"not consented":     {code(), []string{"scope", "https://outlook.office.com/Mail.Read"}, 65001},
		"with a secret":     {code(), []string{"client_secret", "x"}, 700025},
		"everything":        {code(), []string{"scope", "https://outlook.office.com/.default"}, 0},
		"another protocol":  {code(), []string{"scope", outlookSMTP}, 0},
		"Graph":             {code(), []string{"scope", "User.Read"}, 0},
		"another host name": {code(), []string{"scope", "https://outlook.office365.com/SMTP.Send"}, 0},
	}
	for name, test := range tests {
		if got := f.redeemCode(test.code, test.pairs...); got.code() != test.want {
			t.Errorf("%s: got AADSTS%d (%s), want AADSTS%d", name, got.code(), got.Description, test.want)
		}
	}
	late := code()
	srv.SkewClock(11 * time.Minute)
	if got, want := f.redeemCode(late).code(), 70008; got != want {
		t.Errorf("late: got AADSTS%d, want AADSTS%d", got, want)
	}
}

func TestRefreshTokensRotate(t *testing.T) {
	t.Parallel()
	srv := start(t)
	f := newFlow(t, srv)
	first := f.signIn().RefreshToken
	second := f.refresh(first)
	if second.RefreshToken == "" || second.RefreshToken == first || second.AccessToken == "" {
		t.Fatalf("got %+v", second)
	}
	if got, want := f.refresh(second.RefreshToken, "scope", "").code(), 900144; got != want {
		t.Errorf("without scope: got AADSTS%d, want AADSTS%d", got, want)
	}
	// A refusal does not use the token up.
	if got, want := f.refresh(second.RefreshToken, "scope", "https://outlook.office.com/Mail.Read").code(), 65001; got != want {
		t.Errorf("not consented: got AADSTS%d, want AADSTS%d", got, want)
	}
	third := f.refresh(second.RefreshToken, "scope", outlookSMTP)
	if third.code() != 0 || claims(t, srv, third.AccessToken)["scp"] != "SMTP.Send" {
		t.Errorf("got %+v", third)
	}
	for name, token := range map[string]string{"used": first, "of a revoked sign-in": third.RefreshToken} {
		if name == "of a revoked sign-in" {
			f.refresh(first)
		}
		if got := f.refresh(token); got.code() != 50173 || got.Error != "invalid_grant" {
			t.Errorf("%s: got %s AADSTS%d, want invalid_grant AADSTS50173", name, got.Error, got.code())
		}
	}
}

func TestRotation(t *testing.T) {
	t.Parallel()
	for rotation, wantNew := range map[exchangetest.Rotation]bool{exchangetest.RotateLenient: true, exchangetest.RotateNever: false} {
		srv := start(t)
		srv.SetRotation(rotation)
		f := newFlow(t, srv)
		token := f.signIn().RefreshToken
		for range 2 {
			if got := f.refresh(token); got.code() != 0 || (got.RefreshToken != "") != wantNew {
				t.Errorf("%d: got %+v", rotation, got)
			}
		}
	}
}

func TestSignInsEnd(t *testing.T) {
	t.Parallel()
	srv := start(t)
	f := newFlow(t, srv)
	tests := map[string]struct {
		end  func()
		want int
	}{
		"sessions revoked":  {func() { srv.RevokeSessions(strings.ToUpper(alice)) }, 50173},
		"consent withdrawn": {srv.WithdrawConsents, 65001},
		"expired":           {func() { srv.ExpireRefreshTokens().Times(1) }, 700082},
		"MFA":               {func() { srv.FailToken(50076).Times(1) }, 50076},
	}
	for name, test := range tests {
		token := f.signIn().RefreshToken
		test.end()
		if got := f.refresh(token); got.code() != test.want {
			t.Errorf("%s: got AADSTS%d, want AADSTS%d", name, got.code(), test.want)
		}
	}
	token := f.signIn().RefreshToken
	other := newFlow(t, srv)
	if got, want := other.refresh(token).code(), 70000; got != want {
		t.Errorf("another application's: got AADSTS%d, want AADSTS%d", got, want)
	}
	srv.RevokeSessions(bob)
	if got := f.refresh(token).code(); got != 0 {
		t.Errorf("somebody else's session revoked: got AADSTS%d", got)
	}
}
