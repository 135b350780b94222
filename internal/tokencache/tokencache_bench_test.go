package tokencache_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/xoauth2/go-xoauth2/internal/tokencache"
)

// The floor of a cached token: one atomic load and one reading of the clock.
// Compare the medians of `go test -bench Hit -count 10`.
func BenchmarkHit(b *testing.B) {
	s := tokencache.New(tokencache.Config{Fetch: func(context.Context, string) (*oauth2.Token, error) {
		return &oauth2.Token{AccessToken: "canary", Expiry: time.Now().Add(24 * time.Hour)}, nil
	}})
	ctx := b.Context()
	if _, err := s.Token(ctx); err != nil {
		b.Fatal(err)
	}
	var floor atomic.Pointer[oauth2.Token]
	floor.Store(s.Cached())
	end := time.Now().Add(time.Hour).UnixNano()
	for _, bm := range []struct {
		name string
		get  func() *oauth2.Token
	}{
		{"floor", func() *oauth2.Token {
			if token := floor.Load(); time.Now().UnixNano() < end {
				return token
			}
			return nil
		}},
		{"Cached", func() *oauth2.Token { return s.Cached() }},
		{"Token", func() *oauth2.Token { token, _ := s.Token(ctx); return token }},
	} {
		b.Run("serial/"+bm.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if bm.get() == nil {
					b.Fatal("no token")
				}
			}
		})
		b.Run("parallel/"+bm.name, func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if bm.get() == nil {
						b.Error("no token")
					}
				}
			})
		})
	}
}

// 1,000 callers who wait for one token.
func BenchmarkMiss(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		release := make(chan struct{})
		s := tokencache.New(tokencache.Config{Fetch: func(context.Context, string) (*oauth2.Token, error) {
			<-release
			return &oauth2.Token{AccessToken: "canary"}, nil
		}})
		done := make(chan error)
		for range 1000 {
			go func() {
				_, err := s.Token(b.Context())
				done <- err
			}()
		}
		close(release)
		for range 1000 {
			if err := <-done; err != nil {
				b.Fatal(err)
			}
		}
	}
}
