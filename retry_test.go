package xoauth2_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/xoauth2/go-xoauth2"
)

// doorman is a server that decides by the token, and remembers each that it saw
// as "connection 1: token 2".
type doorman struct {
	way
	accepts func(n int) bool           // the number of a token
	refusal func(p *peer, n int)       // nil: the usual words
	after   func(p *peer, refused int) // what it does after so many refusals; nil: goes on

	mu   sync.Mutex
	seen []string
}

func (d *doorman) script(p *peer) {
	d.play(p, func(at string, lines ...string) { d.respond(p, at, lines...) })
}

func (d *doorman) respond(p *peer, at string, lines ...string) {
	switch {
	case at == atHandshake:
		p.handshake()
		return
	case !strings.Contains(lines[len(lines)-1], "welcome"):
		p.say(lines...)
		return
	}
	refused := 0
	for n := d.look(p); !d.accepts(n); n = d.look(p) {
		refused++
		d.refuse(p, n)
		if d.after != nil {
			d.after(p, refused)
		}
		d.hearAuth(p)
	}
	p.say(d.wordsFor(p, true))
}

// look returns the number of the token that was heard last.
func (d *doorman) look(p *peer) (n int) {
	words := strings.Fields(p.heard[len(p.heard)-1])
	payload, _ := base64.StdEncoding.DecodeString(words[len(words)-1])
	_, token, _ := strings.Cut(string(payload), "Bearer ")
	fmt.Sscanf(token, canaryToken+".%d", &n)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.seen = append(d.seen, fmt.Sprintf("connection %d: token %d", p.number, n))
	return n
}

func (d *doorman) refuse(p *peer, n int) {
	if d.refusal != nil {
		d.refusal(p, n)
		return
	}
	p.say(d.wordsFor(p, false))
}

func (d *doorman) wordsFor(p *peer, welcome bool) string {
	words := map[xoauth2.Protocol][2]string{
		xoauth2.IMAP: {p.tag + " NO AUTHENTICATE failed.", p.tag + " OK [CAPABILITY IMAP4rev1] welcome"},
		xoauth2.POP3: {"-ERR Authentication failure", "+OK welcome"},
		xoauth2.SMTP: {"535 5.7.3 Authentication unsuccessful", "235 2.7.0 welcome"},
	}[d.proto]
	if welcome {
		return words[1]
	}
	return words[0]
}

// hearAuth hears the next attempt.
func (d *doorman) hearAuth(p *peer) {
	p.expect("AUTH")
	if d.proto == xoauth2.POP3 {
		p.say("+ ")
		p.hear()
	}
}

func (d *doorman) assertSeen(t *testing.T, want ...string) {
	t.Helper()
	if !reflect.DeepEqual(d.seen, want) {
		t.Errorf("got %q, want %q", d.seen, want)
	}
}

// warm returns a source that got its first token a while ago.
func (e *fakeEndpoint) warm(t *testing.T, age time.Duration) xoauth2.TokenSource {
	t.Helper()
	source := e.source()
	if _, err := source.Token(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(age)
	return source
}

// old is when the cache takes a refusal for the token's fault.
const old = time.Minute + time.Second

func only(n int) func(int) bool { return func(got int) bool { return got == n } }

func nobody(int) bool { return false }

func hangUp(p *peer, _ int) { p.hangUp() }

func TestRetry(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		age      time.Duration
		accepts  func(int) bool
		after    func(*peer, int)
		seen     []string
		requests int
		err      string // in the error; empty: success
	}{
		{name: "accepted", age: old, accepts: only(1), seen: []string{"connection 1: token 1"}, requests: 1},
		{name: "old", age: old, accepts: only(2),
			seen: []string{"connection 1: token 1", "connection 1: token 2"}, requests: 2},
		{name: "a minute old", age: time.Minute, accepts: only(2),
			seen: []string{"connection 1: token 1"}, requests: 1, err: "refuses"},
		{name: "just fetched", age: 0, accepts: only(2),
			seen: []string{"connection 1: token 1"}, requests: 1, err: "refuses"},
		{name: "refused again", age: old, accepts: nobody,
			seen: []string{"connection 1: token 1", "connection 1: token 2"}, requests: 2, err: "refuses"},
		{name: "hangs up after the refusal", age: old, accepts: only(2), after: hangUp,
			seen: []string{"connection 1: token 1", "connection 2: token 2"}, requests: 2},
		{name: "hangs up when the new token comes", age: old, accepts: only(2),
			after: func(p *peer, _ int) { p.hear(); p.hangUp() },
			seen:  []string{"connection 1: token 1", "connection 2: token 2"}, requests: 2},
		{name: "hangs up after every refusal", age: old, accepts: nobody, after: hangUp,
			seen: []string{"connection 1: token 1", "connection 2: token 2"}, requests: 2, err: "refuses"},
		{name: "talks nonsense after the refusal", age: old, accepts: only(2),
			after: func(p *peer, _ int) { p.hear(); p.say("nonsense") },
			seen:  []string{"connection 1: token 1", "connection 2: token 2"}, requests: 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			eachWay(t, func(t *testing.T, w way) {
				bubble(t, func(t *testing.T) {
					d := &doorman{way: w, accepts: tt.accepts, after: tt.after}
					h := newPipeHost(t, d.script)
					e := new(fakeEndpoint)
					source := e.warm(t, tt.age)
					opts := w.options(h)
					var trace strings.Builder
					opts.Trace = &trace
					client, err := w.dial(t.Context(), testUser, source, opts)
					if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
						t.Errorf("got error %v, want %q", err, tt.err)
					}
					if err != nil {
						w.assertFailed(t, err, "AUTH")
						h.assertClosed(t)
					} else {
						client.Close()
					}
					h.finish(t)
					d.assertSeen(t, tt.seen...)
					if got := e.count(); got != tt.requests {
						t.Errorf("got %d token requests, want %d", got, tt.requests)
					}
					assertNoCanary(t, "the trace", trace.String())
				})
			})
		})
	}
}

// TestRetryKeepsTheNewToken shows that a mailbox which refuses everything does
// not make the token endpoint work.
func TestRetryKeepsTheNewToken(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, w way) {
		bubble(t, func(t *testing.T) {
			d := &doorman{way: w, accepts: nobody}
			e := new(fakeEndpoint)
			source := e.warm(t, old)
			for range 10 {
				h := newPipeHost(t, d.script)
				if _, err := w.dial(t.Context(), testUser, source, w.options(h)); err == nil {
					t.Error("got no error, want the refusal")
				}
				h.finish(t)
			}
			if len(d.seen) != 11 || e.count() != 2 {
				t.Errorf("got %d attempts and %d token requests in ten calls, want 11 and 2", len(d.seen), e.count())
			}
		})
	})
}

// TestRetryHidesBothTokens has a server that repeats the first token when it
// refuses the second, on the same connection or on the next.
func TestRetryHidesBothTokens(t *testing.T) {
	t.Parallel()
	first, second := strings.Repeat("first-", 10), strings.Repeat("SECOND.", 10)
	refusal := map[xoauth2.Protocol]string{xoauth2.IMAP: "NO " + first, xoauth2.POP3: "-ERR " + first, xoauth2.SMTP: "535 5.7.3 " + first}
	for name, after := range map[string]func(*peer, int){"goes on": nil, "hangs up": hangUp} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachWay(t, func(t *testing.T, w way) {
				bubble(t, func(t *testing.T) {
					d := &doorman{way: w, accepts: nobody, after: after, refusal: func(p *peer, _ int) {
						if w.proto == xoauth2.IMAP {
							p.reply(refusal[w.proto])
							return
						}
						p.say(refusal[w.proto])
					}}
					h := newPipeHost(t, d.script)
					e := &fakeEndpoint{tokens: []string{first, second}}
					var trace strings.Builder
					opts := w.options(h)
					opts.Trace = &trace
					_, err := w.dial(t.Context(), testUser, e.warm(t, old), opts)
					h.finish(t)
					text := fmt.Sprintf("%v %#v %s", err, errors.Unwrap(err), trace.String())
					if err == nil || e.count() != 2 || strings.Contains(text, first[:20]) {
						t.Errorf("got after %d token requests: %s", e.count(), text)
					}
				})
			})
		})
	}
}

func TestRetryForeignSource(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, w way) {
		bubble(t, func(t *testing.T) {
			d := &doorman{way: w, accepts: nobody}
			h := newPipeHost(t, d.script)
			calls := 0
			source := ctxSourceFunc(func(context.Context) (*oauth2.Token, error) {
				calls++
				return &oauth2.Token{AccessToken: tokenNumber(calls)}, nil
			})
			time.Sleep(old)
			_, err := w.dial(t.Context(), testUser, source, w.options(h))
			w.assertFailed(t, err, "AUTH")
			h.finish(t)
			d.assertSeen(t, "connection 1: token 1")
			if calls != 1 {
				t.Errorf("got %d calls of the source, want 1", calls)
			}
		})
	})
}

// TestRetryOnlyForTokens has refusals that no new token would change.
func TestRetryOnlyForTokens(t *testing.T) {
	t.Parallel()
	refusals := map[xoauth2.Protocol][]string{
		xoauth2.IMAP: {"BAD Command received in Invalid state.", "NO [UNAVAILABLE] Server Unavailable. 15", "NO [LIMIT] too many"},
		xoauth2.POP3: {"-ERR [SYS/TEMP] try later", "-ERR [IN-USE] locked", "-ERR [LOGIN-DELAY] slowly"},
		xoauth2.SMTP: {"454 4.7.0 Temporary authentication failure", "432 4.3.2 Concurrent connections limit exceeded", "504 5.7.4 Unrecognized authentication type", "550 5.7.30 no"},
	}
	eachWay(t, func(t *testing.T, w way) {
		for _, refusal := range refusals[w.proto] {
			bubble(t, func(t *testing.T) {
				d := &doorman{way: w, accepts: only(2), refusal: func(p *peer, _ int) {
					if w.proto == xoauth2.IMAP {
						p.reply(refusal)
						return
					}
					p.say(refusal)
				}}
				h := newPipeHost(t, d.script)
				e := new(fakeEndpoint)
				_, err := w.dial(t.Context(), testUser, e.warm(t, old), w.options(h))
				w.assertFailed(t, err, "AUTH")
				h.finish(t)
				d.assertSeen(t, "connection 1: token 1")
				if e.count() != 1 {
					t.Errorf("%q: got %d token requests, want 1", refusal, e.count())
				}
			})
		}
	})
}

// TestRetryRenewalFails has an endpoint that gives no second token.
func TestRetryRenewalFails(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, w way) {
		bubble(t, func(t *testing.T) {
			d := &doorman{way: w, accepts: nobody}
			h := newPipeHost(t, d.script)
			e := &fakeEndpoint{refuse: func(request int) bool { return request == 2 }}
			_, err := w.dial(t.Context(), testUser, e.warm(t, old), w.options(h))
			w.assertFailed(t, err, "token")
			if refusal, ok := errors.AsType[*xoauth2.TokenError](err); !ok || refusal.AADSTS != 7000222 {
				t.Errorf("got error %v, want the TokenError", err)
			}
			h.assertClosed(t)
			h.finish(t)
			d.assertSeen(t, "connection 1: token 1")
		})
	})
}

// TestRetryTakesNoLonger shows what a retry costs: the token and one attempt.
func TestRetryTakesNoLonger(t *testing.T) {
	t.Parallel()
	const takes = 150 * time.Millisecond
	eachWay(t, func(t *testing.T, w way) {
		bubble(t, func(t *testing.T) {
			d := &doorman{way: w, accepts: only(2)}
			h := newPipeHost(t, d.script)
			source := (&fakeEndpoint{takes: takes}).warm(t, old)
			began := time.Now()
			client, err := w.dial(t.Context(), testUser, source, w.options(h))
			if err != nil {
				t.Fatal(err)
			}
			if took := time.Since(began); took != takes {
				t.Errorf("got a login in %v, want it in %v", took, takes)
			}
			client.Close()
			h.finish(t)
		})
	})
}

// TestRetryEnds has a caller that goes while the new token is fetched.
func TestRetryEnds(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, w way) {
		bubble(t, func(t *testing.T) {
			d := &doorman{way: w, accepts: nobody}
			h := newPipeHost(t, d.script)
			source := (&fakeEndpoint{takes: 5 * time.Second}).warm(t, old)
			ctx, cancel := cancelAfter(t.Context(), time.Second, errLeft)
			defer cancel()
			began := time.Now()
			_, err := w.dial(ctx, testUser, source, w.options(h))
			w.assertFailed(t, err, "token")
			if took := time.Since(began); took != time.Second || !errors.Is(err, errLeft) {
				t.Errorf("got error %v after %v, want %v after a second", err, took, errLeft)
			}
			h.assertClosed(t)
			h.finish(t)
			time.Sleep(5 * time.Second) // the renewal goes on
		})
	})
}

// TestRetryTogether has many calls whose token is refused at once: one request
// brings the new one.
func TestRetryTogether(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, w way) {
		bubble(t, func(t *testing.T) {
			d := &doorman{way: w, accepts: only(2)}
			h := newPipeHost(t, d.script)
			e := &fakeEndpoint{takes: 150 * time.Millisecond}
			source := e.warm(t, old)
			var calls sync.WaitGroup
			for range 20 {
				calls.Go(func() {
					client, err := w.dial(t.Context(), testUser, source, w.options(h))
					if err != nil {
						t.Errorf("got error %v, want none", err)
						return
					}
					client.Close()
				})
			}
			calls.Wait()
			h.finish(t)
			if e.count() != 2 {
				t.Errorf("got %d token requests, want 2", e.count())
			}
		})
	})
}
