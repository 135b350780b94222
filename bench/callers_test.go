package bench_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/xoauth2/go-xoauth2/bench/internal/lab"
)

// everyLibrary has the libraries compete.
func everyLibrary(b *testing.B, unit string, measure func(testing.TB, lab.Library) float64) {
	var contestants []lab.Contestant
	for _, library := range lab.Libraries() {
		contestants = append(contestants, lab.Contestant{
			Name: library.Name, Measure: func() float64 { return measure(b, library) },
		})
	}
	lab.Contest(b, unit, contestants...)
}

// ours holds this library to a goal, in the time of testing/synctest. Peers that
// hold a mutex while they wait could not be measured there.
func ours(t *testing.T, want float64, measure func(testing.TB, lab.Library) float64) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		if got := measure(t, lab.Libraries()[0]); got != want {
			t.Errorf("got %v, want %v", got, want)
		}
		time.Sleep(2 * time.Second) // what was left behind ends
	})
}

// Without a token, 1,000 callers make one request.
func TestThousandCallers(t *testing.T)      { ours(t, 1, requestsOfThousand) }
func BenchmarkThousandCallers(b *testing.B) { everyLibrary(b, "requests", requestsOfThousand) }

func requestsOfThousand(tb testing.TB, library lab.Library) float64 {
	endpoint := &lab.Endpoint{Delay: 100 * time.Millisecond}
	source := library.App(endpoint.Client())
	lab.Together(1_000, func(int) { _, _ = source(tb.Context()) })
	return float64(endpoint.Requests.Load())
}

// When the token of a user is over, 1,000 callers make one request, and none
// sends a refresh token that is spent.
func TestThousandRenewals(t *testing.T)      { ours(t, 1, requestsOfThousandRenewals) }
func BenchmarkThousandRenewals(b *testing.B) { everyLibrary(b, "requests", requestsOfThousandRenewals) }

func TestThousandReplays(t *testing.T)      { ours(t, 0, replaysOfThousand) }
func BenchmarkThousandReplays(b *testing.B) { everyLibrary(b, "replays", replaysOfThousand) }

func requestsOfThousandRenewals(tb testing.TB, library lab.Library) float64 {
	return float64(thousandRenewals(tb, library).Requests.Load() - 1) // the sign-in
}

func replaysOfThousand(tb testing.TB, library lab.Library) float64 {
	return float64(thousandRenewals(tb, library).Replays.Load())
}

func thousandRenewals(tb testing.TB, library lab.Library) *lab.Endpoint {
	endpoint := &lab.Endpoint{Delay: 100 * time.Millisecond, Lifetime: time.Second}
	source := must[lab.Source](tb)(library.Users(endpoint.Client())(username(1)))
	time.Sleep(endpoint.Lifetime) // the token of the sign-in is over
	endpoint.Lifetime = time.Hour
	lab.Together(1_000, func(int) { _, _ = source(tb.Context()) })
	return endpoint
}

// While the endpoint is out of order, 100 callers who wait two seconds make
// one request at once, and one after a second or more.
func TestFailingEndpoint(t *testing.T)      { ours(t, 2, requestsOfFailing) }
func BenchmarkFailingEndpoint(b *testing.B) { everyLibrary(b, "requests", requestsOfFailing) }

func requestsOfFailing(tb testing.TB, library lab.Library) float64 {
	endpoint := &lab.Endpoint{Delay: 10 * time.Millisecond, Fails: true}
	source := library.App(endpoint.Client())
	lab.Together(100, func(int) {
		ctx, cancel := context.WithTimeout(tb.Context(), 2*time.Second)
		defer cancel()
		if _, err := source(ctx); err == nil {
			tb.Error("got a token, want an error")
		}
	})
	return float64(endpoint.Requests.Load())
}

// While a token that still serves is renewed, in 150 ms, nobody waits: the
// longest wait in milliseconds, of a caller who comes back every millisecond.
func TestRenewalDue(t *testing.T)      { ours(t, 0, longestWait) }
func BenchmarkRenewalDue(b *testing.B) { everyLibrary(b, "ms", longestWait) }

func longestWait(tb testing.TB, library lab.Library) float64 {
	// x/oauth2 renews 10 s before the end, MSAL 5 minutes, ours halfway if
	// that is later: so each does within the time that this takes.
	lifetime := map[string]time.Duration{"x-oauth2": 12 * time.Second, "msal": 302 * time.Second}[library.Name]
	endpoint := &lab.Endpoint{Delay: 150 * time.Millisecond, Lifetime: max(lifetime, 4*time.Second)}
	source := library.App(endpoint.Client())
	_ = must[string](tb)(source(tb.Context()))
	longest := time.Duration(0)
	for begin := time.Now(); time.Since(begin) < 3*time.Second; time.Sleep(time.Millisecond) {
		start := time.Now()
		_ = must[string](tb)(source(tb.Context()))
		longest = max(longest, time.Since(start))
	}
	if got := endpoint.Requests.Load(); got != 2 {
		tb.Errorf("%s made %d requests, want 2: nothing was renewed", library.Name, got)
	}
	return longest.Seconds() * 1e3
}

// A caller whose context ends, while the endpoint takes a second, returns at
// once: how many milliseconds too late. The others get their token.
func TestContextEnds(t *testing.T)      { ours(t, 0, contextEnds) }
func BenchmarkContextEnds(b *testing.B) { everyLibrary(b, "ms", contextEnds) }

func contextEnds(tb testing.TB, library lab.Library) float64 {
	const patience = 20 * time.Millisecond
	endpoint := &lab.Endpoint{Delay: time.Second}
	source := library.App(endpoint.Client())
	var late time.Duration
	var served atomic.Int64
	lab.Together(11, func(i int) {
		ctx := tb.Context()
		if i > 0 {
			time.Sleep(patience / 2) // the first one starts the request
			if _, err := source(ctx); err == nil {
				served.Add(1)
			}
			return
		}
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		begin := time.Now()
		_, _ = source(ctx)
		late = time.Since(begin) - patience
	})
	if served.Load() != 10 {
		tb.Errorf("%s: %d of the 10 others got a token", library.Name, served.Load())
	}
	return late.Seconds() * 1e3
}
