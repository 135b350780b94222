// Package account keeps what an account needs to get tokens without the user:
// the record in the store, and its renewal.
package account

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"time"

	"golang.org/x/oauth2"

	"github.com/xoauth2/go-xoauth2/internal/tokencache"
)

// clockSkew is how far the clocks of two computers that share a store may be
// apart.
const clockSkew = 5 * time.Minute

// Version is the version of the record format that this package writes.
const Version = 1

// Record is what the store holds of one account. All of it is secret: it is
// encoded with Encode only, and no fmt verb shows more than the type's name.
type Record struct {
	v *record
}

// record is the JSON of a Record.
type record struct {
	Version    int                    `json:"version"`
	Generation uint64                 `json:"generation"` // grows with every change
	Username   string                 `json:"username"`
	SignedIn   time.Time              `json:"signed_in"`
	Refresh    string                 `json:"refresh_token"`
	Granted    string                 `json:"granted,omitempty"`       // scopes that the sign-in brought, as far as it said so
	Tokens     map[string]accessToken `json:"access_tokens,omitempty"` // by scope
}

type accessToken struct {
	Value    string    `json:"access_token"`
	Obtained time.Time `json:"obtained"`
	Expiry   time.Time `json:"expiry"`
}

// New returns the record of an account that has just signed in, and was granted
// scopes; empty: the provider does not say.
func New(username, granted string) Record {
	return Record{&record{Version: Version, Username: username, SignedIn: time.Now(), Granted: granted}}
}

// Decode reads a record. A record of a later version is refused, and so are
// texts that are no record; the error shows nothing of them.
func Decode(data []byte) (Record, error) {
	var r record
	if err := json.Unmarshal(data, &r); err != nil {
		return Record{}, errors.New("the stored record of the account is damaged: it is not the JSON that this package writes")
	}
	if r.Version > Version {
		return Record{}, fmt.Errorf("the stored record of the account has version %d; this program knows %d: update the program", r.Version, Version)
	}
	if r.Version < 1 || r.Username == "" {
		return Record{}, errors.New("the stored record of the account is damaged: version or user name is missing")
	}
	return Record{&r}, nil
}

// Encode returns the record's JSON.
func (r Record) Encode() ([]byte, error) { return json.Marshal(r.v) }

// Username returns the account's user name.
func (r Record) Username() string { return r.v.Username }

// SignedIn returns when the user signed in.
func (r Record) SignedIn() time.Time { return r.v.SignedIn }

// Format keeps fmt from showing a record's secrets.
func (r Record) Format(f fmt.State, _ rune) { fmt.Fprint(f, "account.Record") }

// clone returns a copy that can be changed, of the next generation.
func (r Record) clone() Record {
	c := *r.v
	c.Tokens = maps.Clone(c.Tokens)
	c.Generation++
	return Record{&c}
}

// Put notes token as the one for scope, and its refresh token, if there is
// one, as the account's. Access tokens whose time is over are dropped.
func (r Record) Put(scope string, token *oauth2.Token, now time.Time) {
	if token.RefreshToken != "" {
		r.v.Refresh = token.RefreshToken
	}
	maps.DeleteFunc(r.v.Tokens, func(_ string, t accessToken) bool { return !now.Before(t.Expiry) })
	if token.Expiry.IsZero() {
		return // nobody could say when to stop using it
	}
	if r.v.Tokens == nil {
		r.v.Tokens = make(map[string]accessToken)
	}
	r.v.Tokens[scope] = accessToken{token.AccessToken, now, token.Expiry}
}

// Get returns the token for scope, or nil if there is none or its renewal is
// due. Its Extra("obtained_at") tells when it was obtained.
func (r Record) Get(scope string) *oauth2.Token {
	t, ok := r.v.Tokens[scope]
	if !ok || time.Until(t.Obtained) > clockSkew {
		return nil // a clock that was set back knows nothing of Expiry
	}
	token := &oauth2.Token{AccessToken: t.Value, TokenType: "Bearer", Expiry: t.Expiry}
	if !tokencache.Fresh(token, t.Obtained) {
		return nil
	}
	return token.WithExtra(map[string]any{"obtained_at": t.Obtained})
}
