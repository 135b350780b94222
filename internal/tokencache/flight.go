package tokencache

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"time"
)

const (
	flightTimeout = 2 * time.Minute // there may be no caller left to end it
	maxRetryAfter = 5 * time.Minute
	firstBackoff  = time.Second
	maxDoublings  = 3 // of firstBackoff

	// refusalLasts is how long a failure that does not pass by itself is not
	// tried again. Entra locks out a client that repeats itself: AADSTS50196
	// of "Microsoft Entra authentication and authorization error codes".
	refusalLasts = 5 * time.Second

	// streakEnds is how long after a failure the next one counts as the first.
	streakEnds = time.Minute
)

// errAborted is the outcome of a Fetch that ends its goroutine.
var errAborted = errors.New("fetching the token was broken off")

// A flight is one call of Fetch, shared by all who wait for it.
type flight struct {
	refused *string // what Fetch must not return, if anything
	streak  int     // failures just before it

	// done is closed when what follows is final.
	done      chan struct{}
	err       error
	temporary bool
	until     time.Time // before that, a failed flight is not repeated
	restored  bool      // it failed to replace a refused token, which serves again
}

// start begins a flight. s.mu is held and no flight is under way.
func (s *Source) start(ctx context.Context) {
	f := &flight{refused: s.refused, done: make(chan struct{})}
	if last := s.failed; last != nil && last.temporary && time.Since(last.until) < streakEnds {
		f.streak = last.streak + 1
	}
	s.flight = f
	go s.fly(context.WithoutCancel(ctx), f)
}

// fly runs f. Whatever Fetch does, those who wait get an answer.
func (s *Source) fly(ctx context.Context, f *flight) {
	ctx, cancel := context.WithTimeout(ctx, flightTimeout)
	defer cancel()
	var e *entry
	pause := refusalLasts
	f.err = errAborted
	defer func() {
		if v := recover(); v != nil {
			f.err = panicked(v)
		}
		s.land(f, e, pause)
	}()
	var refused string
	if f.refused != nil {
		refused = *f.refused
	}
	token, err := s.config.Fetch(ctx, refused)
	switch {
	case err == nil:
		e, f.err = newEntry(token, time.Now())
	case ctx.Err() != nil:
		f.err, pause = err, 0 // we broke it off: no reason not to try again
	default:
		f.err = err
		pause = s.judge(f)
	}
}

// judge returns for how long the failed f is not to be repeated.
func (s *Source) judge(f *flight) time.Duration {
	if s.config.Temporary == nil {
		return refusalLasts
	}
	retryAfter, ok := s.config.Temporary(f.err)
	f.temporary = ok
	switch {
	case !ok:
		return refusalLasts
	case retryAfter > 0:
		return min(retryAfter, maxRetryAfter)
	}
	backoff := firstBackoff << min(f.streak, maxDoublings)
	return backoff + rand.N(backoff/2)
}

// land makes the outcome of f known: e, or f.err for as long as pause.
func (s *Source) land(f *flight, e *entry, pause time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer close(f.done)
	now := time.Now()
	f.until = now.Add(pause)
	if s.flight != f {
		return // Forget
	}
	dropped := s.dropped
	s.flight, s.dropped = nil, nil
	if f.err != nil {
		s.failed = f
		f.restored = dropped != nil
		if old := cmp.Or(s.entry.Load(), dropped); old != nil {
			s.entry.Store(old.postponed(now.UnixNano(), max(pause, renewInterval)))
		}
		return
	}
	if r := s.refused; r != nil && r != f.refused && *r == e.token.AccessToken {
		return // refused after Fetch was called
	}
	s.entry.Store(e)
	s.failed, s.refused = nil, nil
}

// waitOut waits until the failed f may be repeated. It returns an error at
// once if ctx ends before that.
func (f *flight) waitOut(ctx context.Context) error {
	if deadline, ok := ctx.Deadline(); ok && !deadline.After(f.until) {
		return f.err
	}
	timer := time.NewTimer(time.Until(f.until))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// panicked returns the panic v as an error, without a value that may be or
// hold a secret.
func panicked(v any) error {
	if err, ok := v.(runtime.Error); ok {
		return fmt.Errorf("panic while fetching a token: %w", err)
	}
	return fmt.Errorf("panic of type %T while fetching a token", v)
}
