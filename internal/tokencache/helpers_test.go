package tokencache_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/oauth2"

	"github.com/xoauth2/go-xoauth2/internal/tokencache"
)

// TestMain fails if a test leaves a goroutine behind.
func TestMain(m *testing.M) {
	before := runtime.NumGoroutine()
	code := m.Run()
	for deadline := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before && code == 0; runtime.Gosched() {
		if time.Now().After(deadline) {
			fmt.Fprintln(os.Stderr, "goroutines left behind:")
			pprof.Lookup("goroutine").WriteTo(os.Stderr, 1)
			code = 1
		}
	}
	os.Exit(code)
}

var (
	errRefused = errors.New("invalid_client")
	errOutage  = errors.New("service unavailable")
)

// throttled is a temporary failure with a Retry-After.
type throttled time.Duration

func (t throttled) Error() string { return "too many requests" }

func temporary(err error) (time.Duration, bool) {
	var t throttled
	if errors.As(err, &t) {
		return time.Duration(t), true
	}
	return 0, errors.Is(err, errOutage)
}

// An endpoint issues tokens named canary-1, canary-2 and so on.
type endpoint struct {
	takes    time.Duration                              // per request
	lifetime time.Duration                              // of its tokens; 0: an hour
	answer   func(n int) error                          // to the nth request; nil: always a token
	alter    func(n int, t *oauth2.Token) *oauth2.Token // nil: as it is

	mu      sync.Mutex
	at      []time.Duration // when it was asked, since it began
	refused []string
	began   time.Time
	running int
}

// source returns a Source that asks e.
func (e *endpoint) source() *tokencache.Source {
	e.began = time.Now()
	return tokencache.New(tokencache.Config{Fetch: e.fetch, Temporary: temporary})
}

func (e *endpoint) fetch(ctx context.Context, refused string) (*oauth2.Token, error) {
	e.mu.Lock()
	e.at = append(e.at, time.Since(e.began))
	e.refused = append(e.refused, refused)
	n := len(e.at)
	e.running++
	overlap := e.running > 1
	e.mu.Unlock()
	defer func() {
		e.mu.Lock()
		e.running--
		e.mu.Unlock()
	}()
	if overlap {
		panic("two requests at once")
	}
	select {
	case <-time.After(e.takes):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if e.answer != nil {
		if err := e.answer(n); err != nil {
			return nil, err
		}
	}
	lifetime := e.lifetime
	if lifetime == 0 {
		lifetime = time.Hour
	}
	token := &oauth2.Token{AccessToken: fmt.Sprintf("canary-%d", n), Expiry: time.Now().Add(lifetime)}
	if e.alter != nil {
		token = e.alter(n, token)
	}
	return token, nil
}

func (e *endpoint) requests() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.at)
}

func (e *endpoint) wantRequests(t *testing.T, want int) {
	t.Helper()
	synctest.Wait()
	if got := e.requests(); got != want {
		t.Errorf("requests: got %d, want %d", got, want)
	}
}

// wantRefused checks what the requests were told not to return.
func (e *endpoint) wantRefused(t *testing.T, want ...string) {
	t.Helper()
	if !slices.Equal(e.refused, want) {
		t.Errorf("refused: got %q, want %q", e.refused, want)
	}
}

// fails answers the first n requests with err.
func fails(n int, err error) func(int) error {
	return func(i int) error {
		if i <= n {
			return err
		}
		return nil
	}
}

// wantToken checks that s gives the nth token, and after how long.
func wantToken(t *testing.T, s *tokencache.Source, n int, after time.Duration) {
	t.Helper()
	start := time.Now()
	token, err := s.Token(t.Context())
	if err != nil {
		t.Fatalf("Token: %v", err)
	}
	if got, want := token.AccessToken, fmt.Sprintf("canary-%d", n); got != want {
		t.Errorf("token: got %s, want %s", got, want)
	}
	if got := time.Since(start); got != after {
		t.Errorf("Token took %v, want %v", got, after)
	}
}

// wantError checks that s gives the error want, and after how long.
func wantError(t *testing.T, ctx context.Context, s *tokencache.Source, want error, after time.Duration) {
	t.Helper()
	start := time.Now()
	if _, err := s.Token(ctx); !errors.Is(err, want) {
		t.Errorf("Token: got error %v, want %v", err, want)
	}
	if got := time.Since(start); got != after {
		t.Errorf("Token took %v, want %v", got, after)
	}
}

// within returns a context that ends after d.
func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// bubble runs f as a parallel subtest with a clock of its own.
func bubble(t *testing.T, name string, f func(t *testing.T)) {
	t.Run(name, func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, f)
	})
}
