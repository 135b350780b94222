package tokencache_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/xoauth2/go-xoauth2/internal/tokencache"
)

// One request per attempt, five at most, whose error all callers share.
func TestOutage(t *testing.T) {
	t.Parallel()
	for _, takes := range []time.Duration{0, time.Second} {
		bubble(t, "takes "+takes.String(), func(t *testing.T) {
			e := &endpoint{takes: takes, answer: fails(99, errOutage)}
			s := e.source()
			var callers sync.WaitGroup
			for range 100 {
				callers.Go(func() {
					if _, err := s.Token(t.Context()); err != errOutage {
						t.Errorf("got %v, want %v", err, errOutage)
					}
				})
			}
			callers.Wait()
			e.wantRequests(t, 5)
			for i := range len(e.at) - 1 {
				least := time.Second << i
				if pause := e.at[i+1] - e.at[i] - takes; pause < least || pause > least*3/2 {
					t.Errorf("pause %d: got %v, want %v to %v", i+1, pause, least, least*3/2)
				}
			}
		})
	}
	bubble(t, "ends", func(t *testing.T) {
		e := &endpoint{answer: fails(3, errOutage)}
		s := e.source()
		var callers sync.WaitGroup
		for range 100 {
			callers.Go(func() {
				if token, err := s.Token(t.Context()); err != nil || token.AccessToken != "canary-4" {
					t.Errorf("got %v, want the token of the fourth request", err)
				}
			})
		}
		callers.Wait()
		e.wantRequests(t, 4)
	})
}

// Pauses grow from caller to caller, but not beyond eight seconds and a half of
// that; a success, a refusal or a quiet minute lets them begin anew.
func TestBackoff(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		between  func(e *endpoint, s *tokencache.Source)
		from, to time.Duration
	}{
		"next caller": {func(*endpoint, *tokencache.Source) {}, 8 * time.Second, 12 * time.Second},
		"success": {func(e *endpoint, s *tokencache.Source) {
			e.answer = nil
			s.Token(context.Background())
			time.Sleep(20 * time.Second)
		}, time.Second, 1500 * time.Millisecond},
		"refusal": {func(e *endpoint, s *tokencache.Source) {
			e.answer = fails(99, errRefused)
			s.Token(context.Background())
			time.Sleep(5 * time.Second)
		}, time.Second, 1500 * time.Millisecond},
		"quiet minute": {func(*endpoint, *tokencache.Source) {
			time.Sleep(72 * time.Second)
		}, time.Second, 1500 * time.Millisecond},
	} {
		bubble(t, name, func(t *testing.T) {
			e := &endpoint{lifetime: 20 * time.Second, answer: fails(99, errOutage)}
			s := e.source()
			wantOutage := func() {
				if _, err := s.Token(t.Context()); err != errOutage {
					t.Errorf("got %v, want %v", err, errOutage)
				}
			}
			wantOutage()
			tt.between(e, s)
			e.answer = fails(99, errOutage)
			n := e.requests()
			wantOutage()
			if got := e.at[n+1] - e.at[n]; got < tt.from || got > tt.to {
				t.Errorf("got a pause of %v, want %v to %v", got, tt.from, tt.to)
			}
		})
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ retryAfter, want time.Duration }{
		{10 * time.Millisecond, 10 * time.Millisecond},
		{time.Minute, time.Minute},
		{24 * time.Hour, 5 * time.Minute},
	} {
		bubble(t, tt.retryAfter.String(), func(t *testing.T) {
			e := &endpoint{answer: fails(1, throttled(tt.retryAfter))}
			wantToken(t, e.source(), 2, tt.want)
			e.wantRequests(t, 2)
		})
	}
	bubble(t, "negative", func(t *testing.T) {
		e := &endpoint{answer: fails(1, throttled(-time.Hour))}
		if _, err := e.source().Token(t.Context()); err != nil || e.at[1] < time.Second {
			t.Errorf("got %v and a pause of %v, want the usual one", err, e.at[1])
		}
	})
}

// Nobody waits for an attempt that comes after the own deadline.
func TestRetryBeyondDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := &endpoint{takes: time.Second, answer: fails(1, throttled(time.Minute))}
		s := e.source()
		busy := throttled(time.Minute)
		var callers sync.WaitGroup
		callers.Go(func() {
			wantError(t, within(t, 500*time.Millisecond), s, context.DeadlineExceeded, 500*time.Millisecond)
		})
		callers.Go(func() { wantError(t, within(t, 30*time.Second), s, busy, time.Second) })
		callers.Go(func() { wantError(t, within(t, 61*time.Second), s, busy, time.Second) })
		callers.Go(func() { wantToken(t, s, 2, 62*time.Second) })
		leaving, cancel := context.WithCancel(t.Context())
		callers.Go(func() { wantError(t, leaving, s, context.Canceled, 20*time.Second) })
		time.Sleep(20 * time.Second)
		cancel()

		// The same holds for those who come during the pause.
		wantError(t, within(t, 41*time.Second), s, busy, 0)
		callers.Go(func() { wantToken(t, s, 2, 42*time.Second) })
		callers.Wait()
		e.wantRequests(t, 2)
	})
}

// Without callers who wait there is no further attempt, and those who come and
// cannot wait cause none either.
func TestNobodyWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := &endpoint{takes: time.Second, answer: fails(1, errOutage)}
		s := e.source()
		wantError(t, within(t, time.Millisecond), s, context.DeadlineExceeded, time.Millisecond)
		time.Sleep(time.Second)
		for range 100 {
			wantError(t, within(t, time.Millisecond), s, errOutage, 0)
		}
		time.Sleep(time.Hour)
		e.wantRequests(t, 1)
		wantToken(t, s, 2, time.Second)
	})
}

func TestRefusalIsRemembered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := &endpoint{answer: fails(1, errRefused)}
		s := e.source()
		var callers sync.WaitGroup
		for range 100 {
			callers.Go(func() { wantError(t, t.Context(), s, errRefused, 0) })
		}
		callers.Wait()
		time.Sleep(5*time.Second - 1)
		wantError(t, t.Context(), s, errRefused, 0)
		e.wantRequests(t, 1)
		time.Sleep(time.Nanosecond)
		wantToken(t, s, 2, 0)
	})
}

// What a failed renewal learnt holds when the old token is over.
func TestRetryAfterOutlivesTheToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := &endpoint{}
		s := e.source()
		wantToken(t, s, 1, 0)
		e.answer = fails(2, throttled(time.Minute))
		time.Sleep(time.Hour - 11*time.Second)
		wantToken(t, s, 1, 0)
		time.Sleep(time.Second)
		wantError(t, within(t, 30*time.Second), s, throttled(time.Minute), 0)
		wantToken(t, s, 3, 59*time.Second)
	})
}
