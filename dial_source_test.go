package xoauth2_test

import (
	"context"
	"errors"
	"net"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/oauth2"

	"github.com/xoauth2/go-xoauth2"
)

// sourceFunc is a foreign source that takes no context.
type sourceFunc func() (*oauth2.Token, error)

func (f sourceFunc) Token() (*oauth2.Token, error) { return f() }

// ctxSourceFunc is a foreign source that takes one.
type ctxSourceFunc func(ctx context.Context) (*oauth2.Token, error)

func (f ctxSourceFunc) Token() (*oauth2.Token, error)                           { return f(context.Background()) }
func (f ctxSourceFunc) TokenContext(ctx context.Context) (*oauth2.Token, error) { return f(ctx) }

var errSource = errors.New("the vault is closed")

// TestDialSourceFails has a server that never greets, so that only the failure
// of the source can end the call.
func TestDialSourceFails(t *testing.T) {
	t.Parallel()
	const after = 150 * time.Millisecond
	tests := []struct {
		name   string
		source oauth2.TokenSource
		is     error // that the error wraps; may be nil
		want   string
	}{
		{"error", sourceFunc(func() (*oauth2.Token, error) { return nil, errSource }), errSource, "the vault is closed"},
		{"error beside a token", sourceFunc(func() (*oauth2.Token, error) {
			return &oauth2.Token{AccessToken: canaryToken}, errSource
		}), errSource, "the vault is closed"},
		{"error of the source's own context", sourceFunc(func() (*oauth2.Token, error) {
			return nil, context.Canceled
		}), context.Canceled, "canceled"},
		{"error of a source with contexts", ctxSourceFunc(func(context.Context) (*oauth2.Token, error) {
			return nil, errSource
		}), errSource, "the vault is closed"},
		{"no token", sourceFunc(func() (*oauth2.Token, error) { return nil, nil }), nil, "returned no token"},
		{"panic", sourceFunc(func() (*oauth2.Token, error) { panic(canaryToken) }), nil, "panic"},
		{"panic of the runtime", sourceFunc(func() (*oauth2.Token, error) {
			var none *oauth2.Token
			return &oauth2.Token{AccessToken: none.AccessToken}, nil
		}), nil, "panic"},
		{"end of its goroutine", sourceFunc(func() (*oauth2.Token, error) {
			runtime.Goexit()
			return nil, nil
		}), nil, "token source"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			eachWay(t, func(t *testing.T, w way) {
				bubble(t, func(t *testing.T) {
					h := newPipeHost(t, (*peer).drain)
					source := ctxSourceFunc(func(ctx context.Context) (*oauth2.Token, error) {
						time.Sleep(after)
						return xoauth2.Token(ctx, tt.source)
					})
					began := time.Now()
					_, err := w.dial(t.Context(), testUser, source, w.options(h))
					w.assertFailed(t, err, "token")
					if took := time.Since(began); took != after {
						t.Errorf("got an answer after %v, want it after %v", took, after)
					}
					if !strings.Contains(err.Error(), tt.want) || tt.is != nil && !errors.Is(err, tt.is) {
						t.Errorf("got error %q, want %q", err, tt.want)
					}
					h.assertClosed(t)
					h.finish(t)
				})
			})
		})
	}
}

// TestDialTokenError shows that the endpoint's refusal can be had from the
// dialer's error.
func TestDialTokenError(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, w way) {
		h := newMailHost(t, w.polite())
		source := (&fakeEndpoint{refuse: func(int) bool { return true }}).source()
		_, err := w.dial(t.Context(), testUser, source, w.options(h))
		w.assertFailed(t, err, "token")
		refusal, ok := errors.AsType[*xoauth2.TokenError](err)
		if !ok || refusal.AADSTS != 7000222 {
			t.Errorf("got %v, want a TokenError with AADSTS7000222", err)
		}
		h.assertClosed(t)
		h.finish(t)
	})
}

// TestDialForeignSourceBlocks has a source that nothing can interrupt.
func TestDialForeignSourceBlocks(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	for name, source := range map[string]oauth2.TokenSource{
		"without contexts": sourceFunc(func() (*oauth2.Token, error) {
			<-release
			return nil, errSource
		}),
		"that ignores contexts": ctxSourceFunc(func(context.Context) (*oauth2.Token, error) {
			<-release
			return nil, errSource
		}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachWay(t, func(t *testing.T, w way) {
				reached := make(chan struct{})
				h := newMailHost(t, w.polite())
				ctx, cancel := context.WithCancelCause(t.Context())
				opts := w.options(h)
				opts.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
					defer close(reached)
					return h.DialContext(ctx, network, addr)
				}
				go func() {
					<-reached
					cancel(errSource)
				}()
				_, err := w.dial(ctx, testUser, source, opts)
				if !errors.Is(err, errSource) || !errors.Is(err, context.Canceled) {
					t.Errorf("got error %v, want the cause of the cancellation", err)
				}
				h.assertClosed(t)
				h.finish(t)
			})
		})
	}
}

// TestDialEndsTheSource shows that a source's context ends when the connection
// fails, and that the call waits for nobody else then.
func TestDialEndsTheSource(t *testing.T) {
	t.Parallel()
	type key struct{}
	eachWay(t, func(t *testing.T, w way) {
		bubble(t, func(t *testing.T) {
			var cause error
			source := ctxSourceFunc(func(ctx context.Context) (*oauth2.Token, error) {
				if ctx.Value(key{}) != "value" {
					t.Error("got a context without the caller's values")
				}
				<-ctx.Done()
				cause = ctx.Err()
				return nil, ctx.Err()
			})
			opts := w.options(newPipeHost(t, nil))
			opts.DialContext = func(context.Context, string, string) (net.Conn, error) { return nil, syscall.ECONNREFUSED }
			_, err := w.dial(context.WithValue(t.Context(), key{}, "value"), testUser, source, opts)
			synctest.Wait() // for the source, for which the call did not
			w.assertFailed(t, err, "connect")
			if !errors.Is(err, syscall.ECONNREFUSED) || cause == nil {
				t.Errorf("got error %v, the source's context ended with %v, want it refused and ended", err, cause)
			}
		})
	})
}

// TestDialOverlap shows that the token is fetched while the connection is made:
// after both, there is one round trip.
func TestDialOverlap(t *testing.T) {
	t.Parallel()
	const roundTrip = 50 * time.Millisecond
	tests := []struct {
		name              string
		token, connection time.Duration
	}{
		{"connection takes longer", 150 * time.Millisecond, 200 * time.Millisecond},
		{"token takes longer", 350 * time.Millisecond, 200 * time.Millisecond},
		{"both take as long", 200 * time.Millisecond, 200 * time.Millisecond},
	}
	for _, tt := range tests {
		for name, newSource := range map[string]func() oauth2.TokenSource{
			"own":     func() oauth2.TokenSource { return (&fakeEndpoint{takes: tt.token}).source() },
			"foreign": func() oauth2.TokenSource { return slowSource(tt.token) },
		} {
			t.Run(tt.name+"/"+name, func(t *testing.T) {
				t.Parallel()
				eachWay(t, func(t *testing.T, w way) {
					bubble(t, func(t *testing.T) {
						h := newPipeHost(t, w.slowAuth(roundTrip))
						opts := w.options(h)
						opts.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
							time.Sleep(tt.connection)
							return h.DialContext(ctx, network, addr)
						}
						began := time.Now()
						client, err := w.dial(t.Context(), testUser, newSource(), opts)
						if err != nil {
							t.Fatal(err)
						}
						if took, want := time.Since(began), max(tt.token, tt.connection)+roundTrip; took != want {
							t.Errorf("got a login in %v, want it in %v", took, want)
						}
						client.Close()
						h.finish(t)
					})
				})
			})
		}
	}
}

func slowSource(takes time.Duration) oauth2.TokenSource {
	return sourceFunc(func() (*oauth2.Token, error) {
		time.Sleep(takes)
		return &oauth2.Token{AccessToken: canaryToken}, nil
	})
}

// slowAuth returns a polite script whose final reply takes some time.
func (w way) slowAuth(takes time.Duration) func(*peer) {
	final := atAuth
	if w.proto == xoauth2.POP3 {
		final = atPayload
	}
	return func(p *peer) {
		w.play(p, func(at string, lines ...string) {
			switch at {
			case atHandshake:
				p.handshake()
				return
			case final:
				time.Sleep(takes)
			}
			p.say(lines...)
		})
	}
}

// TestDialCachedToken shows that nothing is started for a token that is there.
func TestDialCachedToken(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, w way) {
		bubble(t, func(t *testing.T) {
			e := &fakeEndpoint{takes: time.Millisecond}
			source := e.source()
			h := newPipeHost(t, w.polite())
			opts := w.options(h)
			var during []int
			opts.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
				synctest.Wait()
				during = append(during, bubbleGoroutines())
				return h.DialContext(ctx, network, addr)
			}
			synctest.Wait()
			before := bubbleGoroutines() + 1 // the caller's DialContext has one of its own
			for range 2 {
				client, err := w.dial(t.Context(), testUser, source, opts)
				if err != nil {
					t.Fatal(err)
				}
				client.Close()
				h.finish(t)
				synctest.Wait()
			}
			if during[0] <= before || during[1] != before {
				t.Errorf("got %d goroutines while connecting, want more than %d without a cached token and as many with it", during, before)
			}
			if e.count() != 1 {
				t.Errorf("got %d token requests, want 1", e.count())
			}
		})
	})
}
