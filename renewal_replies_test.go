package xoauth2_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/xoauth2/go-xoauth2"
	"github.com/xoauth2/go-xoauth2/exchangetest"
)

// TestReuse has a copy of the store from before a renewal, as a backup is: to
// use it ends the sign-in, which is said clearly.
func TestReuse(t *testing.T) {
	withFakeClock(t, func(t *testing.T, srv *exchangetest.Server) {
		app, account := memoryAccount(t, srv, xoauth2.MemoryStore())
		backup := memoryRestart(srv, app)
		backup.Store = copyStore(t, app.Store)
		time.Sleep(2 * time.Hour)
		wantToken(t, account)
		restored, err := backup.Account(t.Context(), ada)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := restored.TokenContext(t.Context()); !errors.Is(err, xoauth2.ErrSignInRequired) {
			t.Errorf("the copy: got %v, want ErrSignInRequired", err)
		}
		time.Sleep(2 * time.Hour)
		if _, err := account.TokenContext(t.Context()); !errors.Is(err, xoauth2.ErrSignInRequired) {
			t.Errorf("the original: got %v, want ErrSignInRequired", err)
		}
	})
}

func copyStore(t *testing.T, from xoauth2.TokenStore) xoauth2.TokenStore {
	t.Helper()
	to := xoauth2.MemoryStore()
	keys, err := from.Keys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		value, err := from.Load(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		putRecord(t, to, key, value)
	}
	return to
}

// TestRenewalReplies gives odd lifetimes to renewed tokens.
func TestRenewalReplies(t *testing.T) {
	tests := []struct {
		name      string
		expiresIn any
		want      string // words of the error; empty: none
		requests  int    // for three calls
	}{
		{"string", "3600", "", 1},
		{"huge", 1e18, "", 1},
		{"none", nil, "", 1},
		{"negative", -5, "is negative", 1},
		{"zero", 0, "had expired when it arrived", 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			withFakeClock(t, func(t *testing.T, srv *exchangetest.Server) {
				_, account := memoryAccount(t, srv, nil)
				time.Sleep(2 * time.Hour)
				srv.RewriteTokenReplies(func(reply map[string]any) { reply["expires_in"] = tt.expiresIn })
				for range 3 {
					_, err := account.TokenContext(t.Context())
					if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
						t.Errorf("got %v, want %q", err, tt.want)
					}
					if errors.Is(err, xoauth2.ErrSignInRequired) {
						t.Error("an odd lifetime asks for a sign-in")
					}
				}
				wantRequests(t, srv, tt.requests, grantRefresh)
			})
		})
	}
}

// TestRotationInBrokenReply has the endpoint replace the refresh token in a reply
// that is of no use otherwise. The sign-in outlives it.
func TestRotationInBrokenReply(t *testing.T) {
	for name, wrong := range map[string]any{"access_token": nil, "token_type": "DPoP", "expires_in": "soon", "id_token": 7} {
		t.Run(name, func(t *testing.T) {
			withFakeClock(t, func(t *testing.T, srv *exchangetest.Server) {
				app, account := memoryAccount(t, srv, xoauth2.MemoryStore())
				time.Sleep(2 * time.Hour)
				srv.RewriteTokenReplies(func(reply map[string]any) { reply[name] = wrong }).Times(1)
				_, err := account.TokenContext(t.Context())
				wantError(t, err, "is malformed")
				assertSecret(t, err)
				wantToken(t, wantAccount(t, memoryRestart(srv, app), ada))
				wantRequests(t, srv, 2, grantRefresh)
			})
		})
	}
}

// TestRenewalWithWrongClock has the endpoint's clock ten minutes off.
func TestRenewalWithWrongClock(t *testing.T) {
	for _, skew := range []time.Duration{-10 * time.Minute, 10 * time.Minute} {
		t.Run(skew.String(), func(t *testing.T) {
			withFakeClock(t, func(t *testing.T, srv *exchangetest.Server) {
				srv.SkewClock(skew)
				_, account := memoryAccount(t, srv, nil)
				for renewals := range 5 {
					wantToken(t, account)
					synctest.Wait()
					wantRequests(t, srv, renewals, grantRefresh)
					time.Sleep(time.Hour)
				}
			})
		})
	}
}
