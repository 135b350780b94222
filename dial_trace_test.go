package xoauth2_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"golang.org/x/oauth2"

	"github.com/xoauth2/go-xoauth2"
	"github.com/xoauth2/go-xoauth2/internal/transcript"
)

// transcripts takes a trace apart and parses each transcript in it.
func transcripts(t *testing.T, trace string) []string {
	t.Helper()
	var all []string
	for text := range strings.SplitSeq(trace, "expect: ") {
		if len(all) > 0 {
			class, rest, _ := strings.Cut(text, "\n")
			all[len(all)-1] += "expect: " + class + "\n"
			text = rest
		}
		if text != "" {
			all = append(all, text)
		}
	}
	for _, text := range all {
		if _, err := transcript.Parse("trace", []byte(text)); err != nil {
			t.Errorf("got %v, want a transcript, from\n%s", err, text)
		}
	}
	return all
}

func TestTraceContent(t *testing.T) {
	t.Parallel()
	want := map[way][]string{
		{xoauth2.IMAP, false}: {"# Transport: implicit TLS", "# (TLS handshake: TLSv1.3)", "S: * OK ready", "C: T1 CAPABILITY", "C: T2 AUTHENTICATE XOAUTH2 {ir}", "S: T2 OK"},
		{xoauth2.IMAP, true}:  {"# Transport: plain TCP, then STARTTLS", "S: * OK ready", "C: T1 STARTTLS", "S: T1 OK begin", "# (TLS handshake: TLSv1.3)", "C: T3 AUTHENTICATE XOAUTH2 {ir}"},
		{xoauth2.POP3, false}: {"# Transport: implicit TLS", "# (TLS handshake: TLSv1.3)", "S: +OK ready", "C: AUTH XOAUTH2", "S: + ", "C: {ir}", "S: +OK welcome"},
		{xoauth2.POP3, true}:  {"# Transport: plain TCP, then STARTTLS", "S: +OK ready", "C: STLS", "S: +OK begin", "# (TLS handshake: TLSv1.3)", "C: AUTH XOAUTH2", "C: {ir}"},
		{xoauth2.SMTP, false}: {"# Transport: implicit TLS", "# (TLS handshake: TLSv1.3)", "S: 220 ", "C: EHLO localhost", "C: AUTH XOAUTH2 {ir}", "S: 235"},
		{xoauth2.SMTP, true}:  {"# Transport: plain TCP, then STARTTLS", "S: 220 ", "C: EHLO localhost", "C: STARTTLS", "S: 220 begin", "# (TLS handshake: TLSv1.3)", "C: EHLO localhost", "C: AUTH XOAUTH2 {ir}", "S: 235"},
	}
	eachWay(t, func(t *testing.T, w way) {
		h := newMailHost(t, w.polite())
		opts := w.options(h)
		var trace strings.Builder
		opts.Trace = &trace
		client, err := w.dial(t.Context(), testUser, canarySource(), opts)
		if err != nil {
			t.Fatal(err)
		}
		done := trace.String()
		client.Close()
		h.finish(t)
		if trace.String() != done {
			t.Error("got more trace after the login, want none")
		}
		assertNoCanary(t, "the trace", done)
		rest := transcripts(t, done)[0]
		for _, line := range append(want[w], "expect: ok\n") {
			_, after, ok := strings.Cut(rest, line)
			if !ok {
				t.Fatalf("got no %q in its place in the trace\n%s", line, done)
			}
			rest = after
		}
	})
}

// echoes are the ways in which a server may repeat a credential.
func echoes() []string {
	payload, _ := xoauth2.InitialResponse(testUser, canaryToken)
	whole := base64.StdEncoding.EncodeToString(payload)
	all := []string{
		canaryToken, canaryToken[5:], canaryToken[:30], "<" + canaryToken + ">", `"` + canaryToken + `"`,
		whole, whole[7:], whole[:len(whole)-9], whole[:90],
		"token=" + canaryToken + ";again=" + canaryToken,
	}
	for shift := range 3 {
		text := strings.Repeat("x", shift) + canaryToken
		all = append(all,
			base64.StdEncoding.EncodeToString([]byte(text)),
			base64.StdEncoding.EncodeToString([]byte(text+"and more")),
			base64.RawURLEncoding.EncodeToString([]byte(text)),
			base64.StdEncoding.EncodeToString([]byte(text))[5:40],
			base64.StdEncoding.EncodeToString([]byte(base64.StdEncoding.EncodeToString([]byte(text)))),
		)
	}
	return all
}

// TestTraceHidesEchoes has servers that repeat the credential in their refusals
// and error documents.
func TestTraceHidesEchoes(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, w way) {
		for _, echo := range echoes() {
			for _, document := range []*xoauth2.ServerError{nil, {Status: echo, Schemes: "Bearer " + echo, Scope: echo}} {
				h := newMailHost(t, w.interrupted(w.final(), func(p *peer) {
					no := map[xoauth2.Protocol]string{xoauth2.IMAP: " NO [X-" + echo[:20] + "] ", xoauth2.POP3: "-ERR [" + echo[:20] + "] ", xoauth2.SMTP: "535 5.7.8 "}[w.proto]
					p.refuse(w, document, no+"what is "+echo)
				}))
				opts := w.options(h)
				var trace strings.Builder
				opts.Trace = &trace
				_, err := w.dial(t.Context(), testUser, canarySource(), opts)
				w.assertFailed(t, err, "AUTH")
				h.finish(t)
				assertNoCanary(t, "the trace with "+fmt.Sprintf("%.8s…", echo), trace.String())
				transcripts(t, trace.String())
				if t.Failed() {
					t.Fatalf("echo %q\n%s\n%v", echo, trace.String(), err)
				}
			}
		}
	})
}

// final returns the point of the final reply to AUTH.
func (w way) final() string {
	if w.proto == xoauth2.POP3 {
		return atPayload
	}
	return atAuth
}

// TestTraceHidesEveryToken has a server that repeats a token on the connection
// after the one where it was refused.
func TestTraceHidesEveryToken(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, w way) {
		bubble(t, func(t *testing.T) {
			d := &doorman{way: w, accepts: only(2), after: hangUp}
			h := newPipeHost(t, func(p *peer) {
				d.play(p, func(at string, lines ...string) {
					if at == atGreeting && p.number == 2 {
						p.say(lines[0] + " " + tokenNumber(1))
						return
					}
					d.respond(p, at, lines...)
				})
			})
			opts := w.options(h)
			var trace strings.Builder
			opts.Trace = &trace
			client, err := w.dial(t.Context(), testUser, new(fakeEndpoint).warm(t, old), opts)
			if err != nil {
				t.Fatal(err)
			}
			client.Close()
			h.finish(t)
			assertNoCanary(t, "the trace", trace.String())
			if got := transcripts(t, trace.String()); len(got) != 2 || !strings.Contains(got[1], "expect: ok") {
				t.Errorf("got %d transcripts, want one for each connection, from\n%s", len(got), trace.String())
			}
		})
	})
}

// TestTracesDoNotMix has calls at once that share a writer.
func TestTracesDoNotMix(t *testing.T) {
	t.Parallel()
	var trace lockedBuffer
	var calls sync.WaitGroup
	for range 5 {
		for _, w := range allWays() {
			calls.Go(func() {
				h := newMailHost(t, w.polite())
				opts := w.options(h)
				opts.Trace = &trace
				source := oauth2.StaticTokenSource(&oauth2.Token{AccessToken: canaryToken})
				client, err := w.dial(t.Context(), testUser, source, opts)
				if err != nil {
					t.Error(err)
					return
				}
				client.Close()
				h.finish(t)
			})
		}
	}
	calls.Wait()
	all := transcripts(t, trace.buffer.String())
	if want := 5 * len(allWays()); len(all) != want {
		t.Errorf("got %d transcripts, want %d", len(all), want)
	}
	for _, text := range all {
		if strings.Count(text, "# Transport") != 1 || strings.Count(text, "TLS handshake") != 1 || strings.Count(text, "{ir}") != 1 {
			t.Errorf("got a mixture of sessions:\n%s", text)
		}
	}
}

type lockedBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(p)
}

// fullDisk is a writer that takes nothing.
type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

func TestTraceWriterFails(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, w way) {
		h := newMailHost(t, w.polite())
		opts := w.options(h)
		opts.Trace = fullDisk{}
		client, err := w.dial(t.Context(), testUser, canarySource(), opts)
		if err != nil {
			t.Fatalf("got error %v, want none", err)
		}
		client.Close()
		h.finish(t)
	})
}
