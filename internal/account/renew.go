package account

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/oauth2"
)

// Store is the part of a token store that an account needs; see the root
// package's TokenStore.
type Store interface {
	Update(ctx context.Context, key string, change func(old []byte) ([]byte, error)) error
}

// Refresh asks the token endpoint for a token with a refresh token. granted is
// what the sign-in brought; empty: the provider did not say. A token that comes
// with an error holds a new refresh token and nothing else.
type Refresh func(ctx context.Context, refreshToken, scope, granted string) (*oauth2.Token, error)

// ErrGone is returned by Renew if the store has no record of the account, or
// one without a refresh token.
var ErrGone = errors.New("the account is not in the token store: it was signed out, or never signed in")

// Renewer gets tokens for one account, and keeps its record. It is safe for
// concurrent use: the store lets one renewal of an account happen at a time,
// in all processes.
type Renewer struct {
	Store   Store
	Key     string
	Refresh Refresh

	mu      sync.Mutex
	unsaved *Record // renewed, but the store failed; guarded by mu
}

// errUnchanged leaves the record as it is.
var errUnchanged = errors.New("nothing to store")

// Token returns a token for scope. It takes the stored one if that is still
// good for a while and is not refused, which a server refused; so of
// several processes one asks the endpoint. Otherwise it renews: the new refresh
// token is stored before the access token is returned. If the store fails, so
// does the call; what was renewed is remembered and stored by the next one.
func (r *Renewer) Token(ctx context.Context, scope, refused string) (*oauth2.Token, error) {
	var token *oauth2.Token
	var renewed *Record
	var failure error // that the endpoint gave with a new refresh token
	err := r.Store.Update(ctx, r.Key, func(old []byte) ([]byte, error) {
		rec, saved, err := r.current(old)
		if err != nil {
			return nil, err
		}
		token = rec.Get(scope)
		if token != nil && token.AccessToken != refused && saved {
			return nil, errUnchanged
		}
		if token == nil || token.AccessToken == refused {
			var fresh *oauth2.Token
			fresh, failure = r.Refresh(ctx, rec.v.Refresh, scope, rec.v.Granted)
			if fresh == nil {
				return nil, failure
			}
			rec = rec.clone()
			rec.Put(scope, fresh, time.Now())
			token = withoutRefresh(fresh)
		}
		renewed = &rec
		return rec.Encode()
	})
	if errors.Is(err, errUnchanged) {
		return token, nil
	}
	if renewed != nil {
		r.remember(renewed, err)
	}
	if err != nil && renewed != nil {
		return nil, fmt.Errorf("the renewed token could not be stored (it is kept in memory, and storing it will be tried again): %w", err)
	}
	if err = cmp.Or(err, failure); err != nil {
		return nil, err
	}
	return token, nil
}

// current returns the newest record: the stored one, or one that could not be
// stored after it. saved reports whether it is the stored one.
func (r *Renewer) current(old []byte) (rec Record, saved bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if old == nil {
		return Record{}, false, ErrGone
	}
	rec, err = Decode(old)
	if err != nil {
		return Record{}, false, err
	}
	if r.unsaved != nil && r.unsaved.SignedIn().Equal(rec.SignedIn()) && r.unsaved.v.Generation > rec.v.Generation {
		return *r.unsaved, false, nil
	}
	if rec.v.Refresh == "" {
		return Record{}, false, ErrGone
	}
	return rec, true, nil
}

// remember keeps rec if storing it failed.
func (r *Renewer) remember(rec *Record, failure error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.unsaved = nil
	if failure != nil {
		r.unsaved = rec
	}
}

// Save stores the record of an account that has just signed in, in place of
// what an earlier sign-in left.
func (r *Renewer) Save(ctx context.Context, rec Record) error {
	err := r.Store.Update(ctx, r.Key, func(old []byte) ([]byte, error) {
		if earlier, err := Decode(old); len(old) > 0 && err == nil {
			rec.v.Generation = earlier.v.Generation + 1
		}
		return rec.Encode()
	})
	if err == nil {
		r.remember(nil, nil)
	}
	return err
}

// Delete removes the account's record from the store.
func (r *Renewer) Delete(ctx context.Context) error {
	r.remember(nil, nil)
	return r.Store.Update(ctx, r.Key, func(old []byte) ([]byte, error) { return nil, nil })
}

// withoutRefresh returns token as it is handed out: the refresh token stays in
// the record, where a renewal by somebody else cannot make it stale.
func withoutRefresh(token *oauth2.Token) *oauth2.Token {
	return &oauth2.Token{AccessToken: token.AccessToken, TokenType: token.TokenType, Expiry: token.Expiry}
}
