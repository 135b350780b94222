package tokencache_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/oauth2"

	"github.com/xoauth2/go-xoauth2/internal/tokencache"
)

func TestExpiryOfFetchedToken(t *testing.T) {
	t.Parallel()
	const wrong = "the token had expired when it arrived: this machine's clock is wrong, or the server's expires_in is"
	for name, tt := range map[string]struct {
		token  func() *oauth2.Token
		serves time.Duration // 0: not at all
		err    string
	}{
		"nil":         {func() *oauth2.Token { return nil }, 0, "the answer holds no access token"},
		"empty":       {func() *oauth2.Token { return &oauth2.Token{} }, 0, "the answer holds no access token"},
		"past":        {expiring(-time.Second), 0, wrong},
		"now":         {expiring(0), 0, wrong},
		"one second":  {expiring(time.Second), 899 * time.Millisecond, ""},
		"none":        {func() *oauth2.Token { return &oauth2.Token{AccessToken: "canary-1"} }, 1000 * time.Hour, ""},
		"a century":   {expiring(100 * 365 * 24 * time.Hour), 1000 * time.Hour, ""},
		"year 9999":   {func() *oauth2.Token { return at(time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)) }, 1000 * time.Hour, ""},
		"year 1":      {func() *oauth2.Token { return at(time.Time{}.Add(1)) }, 0, wrong},
		"old, stored": {stored(time.Hour, 9*time.Second), 0, wrong},
		"year 1, stored": {func() *oauth2.Token {
			return expiring(time.Hour)().WithExtra(map[string]any{"obtained_at": time.Time{}.Add(1)})
		}, 59 * time.Minute, ""},
		"stored without time": {func() *oauth2.Token {
			return expiring(time.Second)().WithExtra(map[string]any{"obtained_at": time.Time{}})
		}, 899 * time.Millisecond, ""},
	} {
		bubble(t, name, func(t *testing.T) {
			requests := 0
			s := tokencache.New(tokencache.Config{Fetch: func(context.Context, string) (*oauth2.Token, error) {
				if requests++; requests > 1 && tt.err == "" {
					return nil, errRefused
				}
				return tt.token(), nil
			}})
			for range 2 {
				if _, err := s.Token(t.Context()); err != nil && err.Error() != tt.err || err == nil && tt.err != "" {
					t.Errorf("got %v, want %q", err, tt.err)
				}
			}
			if requests != 1 {
				t.Errorf("requests: got %d, want 1", requests)
			}
			time.Sleep(tt.serves)
			if got, want := s.Cached() != nil, tt.err == ""; got != want {
				t.Errorf("token cached after %v: got %t, want %t", tt.serves, got, want)
			}
			synctest.Wait()
		})
	}
}

func at(expiry time.Time) *oauth2.Token {
	return &oauth2.Token{AccessToken: "canary-1", Expiry: expiry}
}

func expiring(d time.Duration) func() *oauth2.Token {
	return func() *oauth2.Token { return at(time.Now().Add(d)) }
}

// stored returns a token out of a store, of some age and with left to live.
func stored(age, left time.Duration) func() *oauth2.Token {
	return func() *oauth2.Token {
		return expiring(left)().WithExtra(map[string]any{"obtained_at": time.Now().Add(-age)})
	}
}

// The lifetime of a stored token is its whole life, not what is left of it.
func TestStoredToken(t *testing.T) {
	t.Parallel()
	bubble(t, "renewed five minutes before expiry", func(t *testing.T) {
		e := &endpoint{alter: func(int, *oauth2.Token) *oauth2.Token { return stored(54*time.Minute, 6*time.Minute)() }}
		s := e.source()
		wantToken(t, s, 1, 0)
		time.Sleep(time.Minute - 1)
		wantToken(t, s, 1, 0)
		e.wantRequests(t, 1)
		time.Sleep(1 + time.Minute)
		wantToken(t, s, 1, 0)
		e.wantRequests(t, 2)
	})
	bubble(t, "a store that knows no better is not asked all the time", func(t *testing.T) {
		e := &endpoint{alter: func(int, *oauth2.Token) *oauth2.Token { return stored(58*time.Minute, 2*time.Minute)() }}
		s := e.source()
		for range 60 {
			wantToken(t, s, 1, 0)
			synctest.Wait()
			time.Sleep(time.Second)
		}
		e.wantRequests(t, 2)
	})
	bubble(t, "loses its extras", func(t *testing.T) {
		e := &endpoint{alter: func(int, *oauth2.Token) *oauth2.Token { return stored(time.Minute, time.Hour)() }}
		token, err := e.source().Token(t.Context())
		if err != nil || token.Extra("obtained_at") != nil {
			t.Errorf("got %v, %v, want no extra", token.Extra("obtained_at"), err)
		}
	})
	bubble(t, "others keep theirs", func(t *testing.T) {
		e := &endpoint{alter: func(_ int, token *oauth2.Token) *oauth2.Token {
			return token.WithExtra(map[string]any{"id_token": "canary"})
		}}
		token, err := e.source().Token(t.Context())
		if err != nil || token.Extra("id_token") != "canary" {
			t.Errorf("got %v, %v, want the extra", token.Extra("id_token"), err)
		}
	})
}

func TestFresh(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		age, left time.Duration
		want      bool
	}{
		{0, time.Hour, true},
		{55*time.Minute - 1, 5*time.Minute + 1, true},
		{55 * time.Minute, 5 * time.Minute, false},
		{2 * time.Second, 3 * time.Second, true},
		{3 * time.Second, 2 * time.Second, false},
		{-time.Hour, time.Hour, true}, // obtained in the future: the clock was set back
		{time.Hour, -time.Minute, false},
	} {
		bubble(t, fmt.Sprintf("%v+%v", tt.age, tt.left), func(t *testing.T) {
			if got := tokencache.Fresh(expiring(tt.left)(), time.Now().Add(-tt.age)); got != tt.want {
				t.Errorf("got %t, want %t", got, tt.want)
			}
		})
	}
	if !tokencache.Fresh(at(time.Time{}), time.Now().Add(-time.Hour)) {
		t.Error("a token without expiry: got false, want true")
	}
}
