package bench_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/xoauth2/go-xoauth2/bench/internal/lab"
)

// TestFirstToken: the first token takes one request.
func TestFirstToken(t *testing.T) {
	endpoint := new(lab.Endpoint)
	_ = must[string](t)(lab.Libraries()[0].App(endpoint.Client())(t.Context()))
	if got := endpoint.Visits.Load(); got != 1 {
		t.Errorf("got %d requests, want 1", got)
	}
}

// BenchmarkFirstToken: the round trips of the first token, TCP and TLS
// included, and the requests.
func BenchmarkFirstToken(b *testing.B) {
	measure := func(b *testing.B, unit string, value func(time.Duration, int64) float64) {
		var contestants []lab.Contestant
		for _, library := range lab.Libraries() {
			contestants = append(contestants, lab.Contestant{Name: library.Name, Measure: func() float64 {
				far := new(lab.Endpoint).Serve(lab.Link{RTT: rtt}, true)
				defer far.Close()
				client := far.Client()
				defer client.CloseIdleConnections()
				source := library.App(client)
				begin := time.Now()
				_ = must[string](b)(source(b.Context()))
				return value(time.Since(begin), far.Visits.Load())
			}})
		}
		lab.Contest(b, unit, contestants...)
	}
	b.Run("time", func(b *testing.B) {
		measure(b, "trips", func(took time.Duration, _ int64) float64 { return float64(took) / float64(rtt) })
	})
	b.Run("requests", func(b *testing.B) {
		measure(b, "requests", func(_ time.Duration, requests int64) float64 { return float64(requests) })
	})
}

// BenchmarkFleet: 1,000 accounts are renewed by 64 workers, at an endpoint that
// takes 50 ms: the time beside the ideal one, which is 16 times 50 ms, and the
// connections.
func BenchmarkFleet(b *testing.B) {
	for _, isHTTP2 := range []bool{false, true} {
		b.Run(fmt.Sprintf("http2=%v/time", isHTTP2), func(b *testing.B) {
			lab.Contest(b, "x-ideal", fleets(b, isHTTP2, func(took time.Duration, _ int64) float64 {
				return float64(took) / float64(idealTime)
			})...)
		})
		b.Run(fmt.Sprintf("http2=%v/connections", isHTTP2), func(b *testing.B) {
			lab.Contest(b, "connections", fleets(b, isHTTP2, func(_ time.Duration, connections int64) float64 {
				return float64(connections)
			})...)
		})
	}
}

func fleets(b *testing.B, isHTTP2 bool, value func(time.Duration, int64) float64) []lab.Contestant {
	var contestants []lab.Contestant
	for _, library := range lab.Libraries() {
		contestants = append(contestants, lab.Contestant{Name: library.Name, Measure: func() float64 {
			return value(renewFleet(b, library, isHTTP2))
		}})
	}
	return contestants
}

// The fleet, and how long it takes at best.
const (
	accounts, workers = 1_000, 64
	idealTime         = (accounts + workers - 1) / workers * rtt
)

// TestFleet: in virtual time the fleet takes the ideal one.
func TestFleet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		endpoint := &lab.Endpoint{Lifetime: time.Second}
		sources := signInFleet(t, lab.Libraries()[0].Users(endpoint.Client()))
		time.Sleep(endpoint.Lifetime) // the tokens of the sign-ins are over
		endpoint.Delay, endpoint.Lifetime = rtt, time.Hour
		if got := useAll(t, sources); got != idealTime {
			t.Errorf("got %v, want %v", got, idealTime)
		}
	})
}

func signInFleet(tb testing.TB, users func(string) (lab.Source, error)) []lab.Source {
	tb.Helper()
	sources := make([]lab.Source, accounts)
	for i := range sources {
		sources[i] = must[lab.Source](tb)(users(username(i)))
	}
	return sources
}

// useAll has the workers get the tokens, and returns how long that took.
func useAll(tb testing.TB, sources []lab.Source) time.Duration {
	tb.Helper()
	begin := time.Now()
	lab.Together(workers, func(worker int) {
		for i := worker; i < len(sources); i += workers {
			if _, err := sources[i](context.Background()); err != nil {
				tb.Error(err)
			}
		}
	})
	return time.Since(begin)
}

func renewFleet(b *testing.B, library lab.Library, isHTTP2 bool) (took time.Duration, connections int64) {
	far := (&lab.Endpoint{Lifetime: 4 * time.Second}).Serve(lab.Link{}, isHTTP2)
	defer far.Close()
	client := far.Client()
	defer client.CloseIdleConnections()
	users := library.Users(client)
	if library.Name == "ours" {
		app := far.App()
		users = func(username string) (lab.Source, error) {
			account, err := lab.SignIn(app, username)
			return lab.Of(account), err
		}
	}
	sources := signInFleet(b, users)
	time.Sleep(far.Lifetime) // the tokens of the sign-ins are over
	far.Delay, far.Lifetime = rtt, time.Hour
	before := far.Requests.Load()
	took = useAll(b, sources)
	if got := far.Requests.Load() - before; got != accounts {
		b.Errorf("%s: got %d requests, want %d", library.Name, got, accounts)
	}
	return took, far.Connections.Load()
}
