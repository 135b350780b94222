package tokencache_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/oauth2"

	"github.com/xoauth2/go-xoauth2/internal/tokencache"
)

func TestHit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := &endpoint{}
		s := e.source()
		if s.Cached() != nil {
			t.Error("an empty Source has a token")
		}
		first, err := s.Token(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if again, _ := s.Token(t.Context()); again != first || s.Cached() != first {
			t.Error("callers do not share the token")
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if again, err := s.Token(ended); again != first || err != nil {
			t.Errorf("with an ended context: got %v, want the cached token", err)
		}
		e.wantRequests(t, 1)
	})
}

func TestHitAllocatesNothing(t *testing.T) { // not parallel: it counts allocations
	s := (&endpoint{}).source()
	if _, err := s.Token(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(1000, func() { s.Cached() }); n != 0 {
		t.Errorf("Cached: %v allocations, want 0", n)
	}
	if n := testing.AllocsPerRun(1000, func() { s.Token(context.Background()) }); n != 0 {
		t.Errorf("Token: %v allocations, want 0", n)
	}
}

func TestOneFetchForAll(t *testing.T) {
	t.Parallel()
	for _, takes := range []time.Duration{0, time.Second} {
		bubble(t, takes.String(), func(t *testing.T) {
			e := &endpoint{takes: takes}
			s := e.source()
			var callers sync.WaitGroup
			for range 1000 {
				callers.Go(func() { wantToken(t, s, 1, takes) })
			}
			callers.Wait()
			e.wantRequests(t, 1)
		})
	}
}

// A caller that finds no token, and is overtaken by a whole flight before it
// joins, takes what that brought.
func TestOvertaken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := &endpoint{}
		s := e.source()
		ctx := hook{t.Context(), func() { wantToken(t, s, 1, 0) }}
		if _, err := s.Token(ctx); err != nil {
			t.Error(err)
		}
		e.wantRequests(t, 1)
	})
}

// A hook is a context that calls onErr when it is asked whether it ended.
type hook struct {
	context.Context
	onErr func()
}

func (h hook) Err() error {
	h.onErr()
	return h.Context.Err()
}

func TestCallerLeaves(t *testing.T) {
	t.Parallel()
	bubble(t, "others get their token", func(t *testing.T) {
		e := &endpoint{takes: time.Second}
		s := e.source()
		reason := errors.New("the user closed the window")
		first, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(300*time.Millisecond, func() { cancel(reason) })
		var callers sync.WaitGroup
		callers.Go(func() { wantError(t, first, s, reason, 300*time.Millisecond) })
		synctest.Wait() // the one that leaves is the first
		callers.Go(func() { wantToken(t, s, 1, time.Second) })
		callers.Go(func() { wantError(t, within(t, time.Millisecond), s, context.DeadlineExceeded, time.Millisecond) })
		callers.Wait()
		e.wantRequests(t, 1)
	})
	bubble(t, "all of them", func(t *testing.T) {
		e := &endpoint{takes: time.Second}
		s := e.source()
		wantError(t, within(t, time.Millisecond), s, context.DeadlineExceeded, time.Millisecond)
		time.Sleep(time.Second)
		wantToken(t, s, 1, 0)
		e.wantRequests(t, 1)
	})
	bubble(t, "before it came", func(t *testing.T) {
		e := &endpoint{}
		s := e.source()
		reason := errors.New("too late")
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(reason)
		wantError(t, ctx, s, reason, 0)
		e.wantRequests(t, 0)
	})
}

func TestFetchContext(t *testing.T) {
	t.Parallel()
	type key struct{}
	bubble(t, "keeps the values", func(t *testing.T) {
		var got any
		s := tokencache.New(tokencache.Config{Fetch: func(ctx context.Context, _ string) (*oauth2.Token, error) {
			got = ctx.Value(key{})
			return &oauth2.Token{AccessToken: "canary"}, nil
		}})
		if _, err := s.Token(context.WithValue(t.Context(), key{}, "value")); err != nil || got != "value" {
			t.Errorf("got value %v and error %v, want the caller's value", got, err)
		}
	})
	bubble(t, "is bounded, and that is not remembered", func(t *testing.T) {
		e := &endpoint{takes: time.Hour}
		s := e.source()
		wantError(t, t.Context(), s, context.DeadlineExceeded, 2*time.Minute)
		e.takes = 0
		wantToken(t, s, 2, 0)
	})
}

func TestForget(t *testing.T) {
	t.Parallel()
	bubble(t, "the token", func(t *testing.T) {
		e := &endpoint{}
		s := e.source()
		wantToken(t, s, 1, 0)
		s.Forget()
		if s.Cached() != nil {
			t.Error("the token is still there")
		}
		wantToken(t, s, 2, 0)
		e.wantRefused(t, "", "")
	})
	bubble(t, "the failure", func(t *testing.T) {
		e := &endpoint{answer: fails(1, errRefused)}
		s := e.source()
		wantError(t, t.Context(), s, errRefused, 0)
		s.Forget()
		wantToken(t, s, 2, 0)
	})
	bubble(t, "the refused token", func(t *testing.T) {
		e := &endpoint{}
		s := e.source()
		wantToken(t, s, 1, 0)
		time.Sleep(2 * time.Minute)
		s.Refused("canary-1")
		s.Forget()
		wantToken(t, s, 2, 0)
		e.wantRefused(t, "", "")
	})
}

// A token that was asked for before a sign-out must not be there after it, and
// not reach those who wait either.
func TestForgetDuringFlight(t *testing.T) {
	t.Parallel()
	for name, outcome := range map[string]error{"token": nil, "refusal": errRefused} {
		bubble(t, name, func(t *testing.T) {
			forgotten := make(chan struct{})
			requests := 0
			s := tokencache.New(tokencache.Config{Fetch: func(ctx context.Context, _ string) (*oauth2.Token, error) {
				if requests++; requests == 1 {
					<-forgotten
					return &oauth2.Token{AccessToken: "canary-1"}, outcome
				}
				return &oauth2.Token{AccessToken: "canary-2"}, nil
			}})
			var waiting sync.WaitGroup
			waiting.Go(func() {
				token, err := s.Token(t.Context())
				if !errors.Is(err, outcome) || err == nil && token.AccessToken != "canary-2" {
					t.Errorf("the waiting caller got %v, %v", token, err)
				}
			})
			synctest.Wait()
			s.Forget()
			close(forgotten)
			waiting.Wait()
			wantToken(t, s, 2, 0)
			if requests != 2 {
				t.Errorf("requests: got %d, want 2", requests)
			}
		})
	}
}

func TestFetchThatBreaksOff(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		fetch func()
		want  string
	}{
		"panic":         {func() { panic("canary") }, "panic of type string while fetching a token"},
		"runtime error": {func() { var p *int; *p = 0 }, "panic while fetching a token: runtime error: invalid memory address or nil pointer dereference"},
		"nil panic":     {func() { panic(nil) }, "panic while fetching a token: panic called with nil argument"},
		"Goexit":        {runtime.Goexit, "fetching the token was broken off"},
	} {
		bubble(t, name, func(t *testing.T) {
			s := tokencache.New(tokencache.Config{Fetch: func(context.Context, string) (*oauth2.Token, error) {
				tt.fetch()
				return nil, nil
			}})
			if _, err := s.Token(t.Context()); err == nil || !strings.HasPrefix(err.Error(), tt.want) {
				t.Errorf("got %q, want %q", err, tt.want)
			}
		})
	}
	bubble(t, "panic in Temporary", func(t *testing.T) {
		s := tokencache.New(tokencache.Config{
			Fetch:     func(context.Context, string) (*oauth2.Token, error) { return nil, errOutage },
			Temporary: func(error) (time.Duration, bool) { panic("canary") },
		})
		if _, err := s.Token(t.Context()); err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("got %v, want an error without the value", err)
		}
	})
}

// No rendering of a Source shows a token, in whatever state it is.
func TestRenderingShowsNoToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := &endpoint{}
		s := e.source()
		check := func(state string) {
			synctest.Wait()
			for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
				if text := fmt.Sprintf(verb, s); strings.Contains(text, "canary") {
					t.Errorf("%s, %s: %s", state, verb, text)
				}
			}
		}
		wantToken(t, s, 1, 0)
		check("cached")
		time.Sleep(2 * time.Minute)
		if !s.Refused("canary-1") {
			t.Fatal("not dropped")
		}
		check("refused")
		e.answer = fails(9, errRefused)
		wantError(t, t.Context(), s, errRefused, 0)
		check("failed")
	})
}

func TestMemory(t *testing.T) { // not parallel: it reads the heap's size
	plain := func(t *oauth2.Token) *oauth2.Token { return t }
	fromStore := func(t *oauth2.Token) *oauth2.Token {
		return t.WithExtra(map[string]any{"obtained_at": time.Now().Add(-time.Minute)})
	}
	t.Run("plain", func(t *testing.T) { measureMemory(t, 100_000, plain) })
	t.Run("out of a store", func(t *testing.T) { measureMemory(t, 10_000, fromStore) })
}

// measureMemory checks what a Source takes with its token, strings aside.
func measureMemory(t *testing.T, sources int, alter func(*oauth2.Token) *oauth2.Token) {
	config := tokencache.Config{Fetch: func(context.Context, string) (*oauth2.Token, error) {
		return alter(&oauth2.Token{AccessToken: "canary", Expiry: time.Now().Add(time.Hour)}), nil
	}}
	kept := make([]*tokencache.Source, sources)
	before := heap()
	for i := range kept {
		kept[i] = tokencache.New(config)
		if _, err := kept[i].Token(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	each := float64(heap()-before) / float64(sources)
	t.Logf("%.0f bytes per Source with its token", each)
	if each > 400 || each < 100 {
		t.Errorf("got %.0f bytes per Source, want at most 400", each)
	}
	runtime.KeepAlive(kept)
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}

// Everything at once, for the race detector: nothing hangs, no two requests
// run at the same time, and no token is served that is over.
func TestStress(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := &endpoint{takes: 150 * time.Millisecond, lifetime: 3 * time.Minute}
		e.answer = func(int) error {
			return []error{nil, nil, nil, errOutage, throttled(2 * time.Second), errRefused}[rand.N(6)]
		}
		s := e.source()
		var callers sync.WaitGroup
		var served, failed int
		var mu sync.Mutex
		for range 50 {
			callers.Go(func() {
				for range 200 {
					ctx, cancel := context.WithTimeout(t.Context(), rand.N(20*time.Second))
					token, err := s.Token(ctx)
					cancel()
					mu.Lock()
					switch {
					case err == nil && !time.Now().Before(token.Expiry):
						t.Error("a token was served that is over")
					case err == nil:
						served++
					case strings.Contains(err.Error(), "panic"):
						t.Error(err)
					default:
						failed++
					}
					mu.Unlock()
					if err == nil && rand.N(20) == 0 {
						s.Refused(token.AccessToken)
					}
					time.Sleep(rand.N(10 * time.Second))
				}
			})
		}
		callers.Wait()
		t.Logf("%d tokens served, %d errors, %d requests in %v", served, failed, e.requests(), time.Since(e.began))
		if served == 0 || failed == 0 {
			t.Errorf("got %d tokens and %d errors, want some of both", served, failed)
		}
	})
}
