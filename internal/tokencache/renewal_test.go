package tokencache_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/oauth2"

	"github.com/xoauth2/go-xoauth2/internal/tokencache"
)

func TestRenewalMoment(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		lifetime, from, jitter, end time.Duration
	}{
		{time.Hour, 55 * time.Minute, time.Minute, time.Hour - 10*time.Second},
		{24 * time.Hour, 24*time.Hour - 5*time.Minute, time.Minute, 24*time.Hour - 10*time.Second},
		{10 * time.Minute, 5 * time.Minute, time.Minute, 10*time.Minute - 10*time.Second},
		{5 * time.Minute, 150 * time.Second, 30 * time.Second, 290 * time.Second},
		{time.Minute, 30 * time.Second, 6 * time.Second, 54 * time.Second},
		{5 * time.Second, 2500 * time.Millisecond, 500 * time.Millisecond, 4500 * time.Millisecond},
	} {
		bubble(t, tt.lifetime.String(), func(t *testing.T) {
			e := &endpoint{lifetime: tt.lifetime, takes: time.Millisecond}
			s := e.source()
			wantToken(t, s, 1, time.Millisecond)
			time.Sleep(tt.from - 1)
			wantToken(t, s, 1, 0)
			e.wantRequests(t, 1)

			time.Sleep(1 + tt.jitter)
			wantToken(t, s, 1, 0) // starts the renewal
			e.wantRequests(t, 2)
			time.Sleep(time.Millisecond)
			synctest.Wait()
			wantToken(t, s, 2, 0)
		})
		bubble(t, tt.lifetime.String()+" expires", func(t *testing.T) {
			e := &endpoint{lifetime: tt.lifetime, answer: func(n int) error {
				if n == 2 {
					return errRefused // the renewal
				}
				return nil
			}}
			s := e.source()
			wantToken(t, s, 1, 0)
			time.Sleep(tt.end - 1)
			if s.Cached() == nil {
				t.Error("the token is gone too early")
			}
			synctest.Wait()
			time.Sleep(time.Nanosecond)
			if s.Cached() != nil {
				t.Error("the token is still there")
			}
			e.wantRequests(t, 2)
		})
	}
}

// Many accounts whose tokens were obtained at the same moment are not renewed
// at the same moment, but each within the first minute of the window.
func TestRenewalJitter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const accounts, buckets = 1000, 12
		e := make([]*endpoint, accounts)
		s := make([]*tokencache.Source, accounts)
		for i := range s {
			e[i] = &endpoint{}
			s[i] = e[i].source()
			wantToken(t, s[i], 1, 0)
		}
		time.Sleep(55 * time.Minute)
		renewed := 0
		for bucket := range buckets {
			time.Sleep(time.Minute / buckets)
			total := 0
			for i := range s {
				s[i].Cached()
				synctest.Wait()
				total += e[i].requests() - 1
			}
			if n := total - renewed; n == 0 || n > 3*accounts/buckets {
				t.Errorf("interval %d: %d renewals, want about %d", bucket, n, accounts/buckets)
			}
			renewed = total
		}
		if renewed != accounts {
			t.Errorf("got %d renewals in the first minute, want %d", renewed, accounts)
		}
	})
}

func TestRenewalDisturbsNobody(t *testing.T) {
	t.Parallel()
	for name, first := range map[string]error{"succeeds": nil, "outage": errOutage, "throttled": throttled(time.Second), "refusal": errRefused} {
		bubble(t, name, func(t *testing.T) {
			e := &endpoint{takes: 150 * time.Millisecond}
			s := e.source()
			wantToken(t, s, 1, e.takes)
			e.answer = func(n int) error {
				if n == 2 {
					return first
				}
				return nil
			}
			time.Sleep(56 * time.Minute)
			for range 150 {
				wantToken(t, s, 1, 0)
				time.Sleep(time.Millisecond)
			}
			e.wantRequests(t, 2)
			if first == nil {
				wantToken(t, s, 2, 0)
				return
			}
			time.Sleep(30*time.Second - 1)
			wantToken(t, s, 1, 0)
			e.wantRequests(t, 2)
			time.Sleep(time.Nanosecond)
			wantToken(t, s, 1, 0)
			time.Sleep(e.takes)
			synctest.Wait()
			wantToken(t, s, 3, 0)
		})
	}
}

func TestRenewalHonoursRetryAfter(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ retryAfter, want time.Duration }{
		{time.Second, 30 * time.Second},
		{2 * time.Minute, 2 * time.Minute},
		{24 * time.Hour, 5 * time.Minute},
	} {
		bubble(t, tt.retryAfter.String(), func(t *testing.T) {
			e := &endpoint{lifetime: time.Hour}
			s := e.source()
			wantToken(t, s, 1, 0)
			e.answer = fails(2, throttled(tt.retryAfter))
			time.Sleep(55 * time.Minute)
			for e.requests() == 1 { // up to the minute's jitter
				time.Sleep(time.Millisecond)
				s.Cached()
				synctest.Wait()
			}
			time.Sleep(tt.want - 1)
			s.Cached()
			e.wantRequests(t, 2)
			time.Sleep(time.Nanosecond)
			if _, err := s.Token(t.Context()); err != nil {
				t.Error(err)
			}
			e.wantRequests(t, 3)
		})
	}
}

// A renewal that hangs is not joined by another, and does not send every caller
// to the lock.
func TestRenewalHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := &endpoint{}
		s := e.source()
		wantToken(t, s, 1, 0)
		e.takes = 100 * time.Second
		time.Sleep(56 * time.Minute)
		for range 9 {
			wantToken(t, s, 1, 0)
			if !s.IsQuiet() {
				t.Error("the next caller would take the lock")
			}
			time.Sleep(11 * time.Second)
		}
		e.wantRequests(t, 2)
		time.Sleep(time.Second)
		synctest.Wait()
		wantToken(t, s, 2, 0)
	})
}

// A renewal that lasts longer than the old token is the one that callers then
// wait for.
func TestRenewalFinishesAfterExpiry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := &endpoint{}
		s := e.source()
		wantToken(t, s, 1, 0)
		time.Sleep(time.Hour - 11*time.Second)
		e.takes = 20 * time.Second
		wantToken(t, s, 1, 0)
		time.Sleep(time.Second)
		wantToken(t, s, 2, 19*time.Second)
		e.wantRequests(t, 2)
	})
}

// The renewal goes on when the caller that started it is gone.
func TestRenewalSurvivesItsCaller(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := &endpoint{}
		s := e.source()
		wantToken(t, s, 1, 0)
		e.takes = time.Second
		time.Sleep(57 * time.Minute)
		ctx, cancel := context.WithCancel(t.Context())
		if _, err := s.Token(ctx); err != nil {
			t.Fatal(err)
		}
		cancel()
		time.Sleep(time.Second)
		synctest.Wait()
		wantToken(t, s, 2, 0)
	})
}

func TestClockMoves(t *testing.T) {
	t.Parallel()
	bubble(t, "forward past expiry", func(t *testing.T) {
		s := (&endpoint{}).source()
		wantToken(t, s, 1, 0)
		s.MoveClock(2 * time.Hour)
		wantToken(t, s, 2, 0)
	})
	bubble(t, "forward into the window", func(t *testing.T) {
		s := (&endpoint{}).source()
		wantToken(t, s, 1, 0)
		s.MoveClock(57 * time.Minute)
		wantToken(t, s, 1, 0)
		synctest.Wait()
		wantToken(t, s, 2, 0)
	})
	bubble(t, "back", func(t *testing.T) { // the expiry, too, was reckoned by the wrong clock
		e := &endpoint{answer: func(n int) error {
			if n == 2 {
				return errOutage
			}
			return nil
		}}
		s := e.source()
		wantToken(t, s, 1, 0)
		s.MoveClock(-2 * time.Hour)
		wantToken(t, s, 1, 0)
		synctest.Wait()
		wantToken(t, s, 1, 0)
		time.Sleep(30*time.Second - 1)
		wantToken(t, s, 1, 0)
		e.wantRequests(t, 2)
		time.Sleep(time.Nanosecond)
		wantToken(t, s, 1, 0)
		synctest.Wait()
		wantToken(t, s, 3, 0)
		time.Sleep(54 * time.Minute)
		wantToken(t, s, 3, 0)
		e.wantRequests(t, 3)
	})
	bubble(t, "back, token without expiry", func(t *testing.T) {
		e := &endpoint{alter: func(_ int, token *oauth2.Token) *oauth2.Token {
			token.Expiry = time.Time{}
			return token
		}}
		s := e.source()
		wantToken(t, s, 1, 0)
		s.MoveClock(-2 * time.Hour)
		wantToken(t, s, 1, 0)
		time.Sleep(1000 * time.Hour)
		wantToken(t, s, 1, 0)
		e.wantRequests(t, 1)
	})
}
