package exchangetest_test

import (
	"io"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

const deviceGrant = "urn:ietf:params:oauth:grant-type:device_code"

func (f *flow) device() reply {
	f.t.Helper()
	return post(f.t, f.srv, "/"+f.tenant+"/oauth2/v2.0/devicecode", "client_id", f.clientID, "scope", outlookIMAP+" openid profile offline_access")
}

func (f *flow) poll(d reply) reply {
	f.t.Helper()
	return f.redeem("grant_type", deviceGrant, "device_code", d.DeviceCode)
}

func TestDevice(t *testing.T) {
	t.Parallel()
	srv := start(t)
	var passed atomic.Int64
	begin := time.Now()
	srv.SetClock(func() time.Time { return begin.Add(time.Duration(passed.Load())) })
	wait := func(d time.Duration) { passed.Add(int64(d)) }
	srv.SetDeviceInterval(5 * time.Second)
	f := newFlow(t, srv)
	d := f.device()
	if d.Interval != 5 || d.ExpiresIn != 900 || len(d.UserCode) != 9 || d.Verify != srv.URL()+"/devicelogin" {
		t.Errorf("got %+v", d)
	}
	check := func(step, wantError string, wantCode int) {
		t.Helper()
		if got := f.poll(d); got.Error != wantError || got.code() != wantCode {
			t.Errorf("%s: got %s AADSTS%d, want %s AADSTS%d", step, got.Error, got.code(), wantError, wantCode)
		}
	}
	check("at first", "authorization_pending", 70016)
	wait(time.Second)
	check("too fast", "slow_down", 70016)
	wait(5 * time.Second)
	check("as fast as before", "slow_down", 70016)
	wait(15 * time.Second)
	check("slowly", "authorization_pending", 70016)
	srv.SignIn(alice)
	wait(15 * time.Second)
	check("signed in", "", 0)
	wait(15 * time.Second)
	check("again", "bad_verification_code", 70018)

	d = f.device()
	srv.DeclineSignIn()
	check("declined", "authorization_declined", 70018)
	d = f.device()
	wait(15 * time.Minute)
	check("late", "expired_token", 70019)
	d = f.device()
	srv.SlowDownDevices().Times(1)
	check("scripted", "slow_down", 70016)
	srv.FailDeviceCode(53003)
	if got, want := f.device().code(), 53003; got != want {
		t.Errorf("blocked: got AADSTS%d, want AADSTS%d", got, want)
	}
}

func TestDevicePage(t *testing.T) {
	t.Parallel()
	srv := start(t)
	f := newFlow(t, srv)
	submit := func(code, username, action string) string {
		t.Helper()
		response, err := srv.HTTPClient().PostForm(srv.URL()+"/devicelogin", url.Values{"code": {code}, "username": {username}, "action": {action}})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = response.Body.Close() }()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(body)
	}
	declined, approved := f.device(), f.device()
	tests := []struct{ code, username, action, want string }{
		{"WRONG", alice, "signin", "not known"},
		{approved.UserCode, "nobody@contoso.com", "signin", "no account"},
		{" " + strings.ToLower(approved.UserCode), alice, "signin", "signed in"},
		{declined.UserCode, "", "cancel", "declined"},
	}
	for _, test := range tests {
		if got := submit(test.code, test.username, test.action); !strings.Contains(got, test.want) {
			t.Errorf("%+v: got %s", test, got)
		}
	}
	if got := f.poll(approved); got.AccessToken == "" || got.RefreshToken == "" || got.IDToken == "" {
		t.Errorf("approved: got %+v", got)
	}
	if got, want := f.poll(declined).Error, "authorization_declined"; got != want {
		t.Errorf("declined: got %s, want %s", got, want)
	}
}
