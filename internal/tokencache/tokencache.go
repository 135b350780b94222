// Package tokencache keeps an access token at hand: it gets one when it is
// first asked for, renews it before it expires, and asks for it once however
// many callers wait.
//
// All that happens, happens because a caller asks; there are no timers. A
// Source has a token or has none. It may besides have one flight, a single call
// of Fetch in a goroutine of its own, and the memory of the last flight that
// failed. A caller takes the token; without one it joins the flight, or
// starts it. After a failure that may pass it is the callers who wait, each as
// long as its context allows, and the first to wake starts the next flight. So
// when they leave, nothing goes on but the one flight.
package tokencache

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/oauth2"
)

// maxFailures is how many flights a caller sees fail before it gives up.
const maxFailures = 5

// trustFor is how long a token is believed to be good whatever a mail server
// says: a mailbox that is set up wrongly refuses every token.
const trustFor = time.Minute

// Config says how a Source gets tokens.
type Config struct {
	// Fetch gets a new token. It must not return the access token refused,
	// which a server refused ("" if none), and if it looks into a shared
	// store it takes only a token that is [Fresh], with an Extra
	// "obtained_at" (a time.Time); such a token loses its Extras. It
	// returns when its context ends, which has the first caller's values
	// but not its end, and lasts two minutes. A panic becomes an error.
	Fetch func(ctx context.Context, refused string) (*oauth2.Token, error)

	// Temporary reports whether err may pass by itself, and how long the
	// server asks to wait (0: it does not say). Nil: no error does.
	Temporary func(err error) (retryAfter time.Duration, ok bool)
}

// Source is a source of tokens that keeps the last one. It is safe for
// concurrent use. Make it with New.
type Source struct {
	config Config
	entry  atomic.Pointer[entry] // written under mu; may have expired

	mu      sync.Mutex
	flight  *flight // under way
	failed  *flight // the last one, if it failed
	dropped *entry  // the refused one: it serves the others again if it cannot be replaced
	refused *string // by a mail server; nil once there is a new token; a pointer is all that fmt shows
}

// New returns an empty Source.
func New(c Config) *Source { return &Source{config: c} }

// Cached returns a token that still serves, or nil. It does not wait. When a
// renewal is due it starts one in the background. Callers share the token and
// must not change it.
func (s *Source) Cached() *oauth2.Token { return s.cached(context.Background()) }

func (s *Source) cached(ctx context.Context) *oauth2.Token {
	e := s.entry.Load()
	now := time.Now().UnixNano()
	if e == nil || now >= e.end {
		return nil
	}
	if !e.isQuiet(now) {
		s.renew(ctx, now)
	}
	return e.token
}

// renew starts the renewal of a token that still serves.
func (s *Source) renew(ctx context.Context, now int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entry.Load()
	if e == nil || e.isQuiet(now) {
		return // another caller was faster
	}
	s.entry.Store(e.postponed(now, renewInterval)) // keeps callers out of here meanwhile
	if s.flight == nil {
		s.start(ctx)
	}
}

// Token returns the cached token or waits for a new one until ctx ends; what
// it waits for goes on for the others. Failures that may pass are tried again,
// after as long as the server asks for, unless ctx ends before that: then, and
// after the fifth, the error is returned. Other failures are returned at once,
// to everybody who asks in the next seconds.
func (s *Source) Token(ctx context.Context) (*oauth2.Token, error) {
	failures := 0
	for {
		if token := s.cached(ctx); token != nil {
			return token, nil
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		f := s.join(ctx)
		if f == nil {
			continue
		}
		select {
		case <-f.done:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		if f.err == nil {
			continue // there is a token, unless Forget or Refused overtook the flight
		}
		if failures++; !f.temporary || f.restored || failures == maxFailures {
			return nil, f.err
		}
		if err := f.waitOut(ctx); err != nil {
			return nil, err
		}
	}
}

// join returns the flight whose outcome is the caller's: the one under way, a
// failed one that is not to be repeated yet, or a new one. It returns nil if
// there is a token by now.
func (s *Source) join(ctx context.Context) *flight {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if e := s.entry.Load(); e != nil && now.UnixNano() < e.end {
		return nil
	}
	if s.flight == nil {
		if s.failed != nil && now.Before(s.failed.until) {
			return s.failed
		}
		s.start(ctx)
	}
	return s.flight
}

// Refused tells that a mail server refused accessToken, and reports whether
// Token is worth asking for another one. It drops the cached token if that is
// the one and was obtained more than a minute ago. If then no other can be
// fetched, the dropped one is back: one mailbox's refusal is not the others'.
func (s *Source) Refused(accessToken string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entry.Load()
	if e == nil || e.token.AccessToken != accessToken {
		return true
	}
	age := time.Duration(time.Now().UnixNano() - e.obtained)
	if 0 <= age && age <= trustFor { // below 0 the clock was set back
		return false
	}
	if s.failed != nil && time.Now().Before(s.failed.until) {
		return false // there is no other one now
	}
	s.dropped = e
	s.entry.Store(nil)
	s.refused = &accessToken
	return true
}

// Forget drops everything, also the token that a flight under way will bring:
// who waits for that gets what a new Fetch brings.
func (s *Source) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entry.Store(nil)
	s.flight, s.failed, s.dropped, s.refused = nil, nil, nil, nil
}
