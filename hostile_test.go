package xoauth2_test

import (
	"errors"
	"io"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/xoauth2/go-xoauth2"
	"github.com/xoauth2/go-xoauth2/internal/wire"
)

// maxGrowth is how much memory a hostile server may make a login take.
const maxGrowth = 4 << 20

// rudeness is what a hostile server does instead of speaking. It is polite
// about nothing, but for the bytes that it begins with.
type rudeness struct {
	name string
	do   func(p *peer, w way, point string)
	at   []string // points; nil: all
	only []xoauth2.Protocol
}

func allRudeness() []rudeness {
	afterHandshake := []string{atGreeting, atHello, atStartTLS, atCapabilities, atAuth, atPayload, atMailbox}
	imap, pop3, smtp := []xoauth2.Protocol{xoauth2.IMAP}, []xoauth2.Protocol{xoauth2.POP3}, []xoauth2.Protocol{xoauth2.SMTP}
	return []rudeness{
		{name: "hangs up", do: func(p *peer, _ way, _ string) { p.hangUp() }},
		{name: "hangs up in a line", do: func(p *peer, w way, point string) {
			p.write(strings.TrimRight(w.more(p, point), "\r\n"))
			p.hangUp()
		}},
		{name: "NUL bytes", do: func(p *peer, _ way, _ string) { p.write(strings.Repeat("\x00", 100) + "\r\n") }},
		{name: "binary garbage", do: func(p *peer, _ way, _ string) { p.write(garbage(8 << 10)) }},
		{name: "endless NUL bytes", do: func(p *peer, _ way, _ string) { p.flood(strings.Repeat("\x00", 32<<10)) }},
		{name: "a line without end", do: func(p *peer, w way, point string) {
			p.write(strings.TrimRight(w.more(p, point), "\r\n"))
			p.flood(strings.Repeat("x", 32<<10))
		}},
		{name: "a line of 10 MB", do: func(p *peer, w way, point string) {
			p.write(strings.TrimRight(w.more(p, point), "\r\n"))
			p.write(strings.Repeat("x", 10<<20))
			p.write("\r\n")
		}},
		{name: "lines without end", at: afterHandshake, do: func(p *peer, w way, point string) {
			p.flood(strings.Repeat(w.more(p, point), 1000))
		}},
		{name: "long lines without end", only: imap, at: []string{atAuth}, do: func(p *peer, w way, point string) {
			p.flood("* OK " + strings.Repeat("x", 60<<10) + "\r\n")
		}},
		{name: "long lines without end", only: append(pop3, smtp...), at: afterHandshake, do: func(p *peer, w way, point string) {
			more := strings.TrimRight(w.more(p, point), "\r\n")
			p.flood(more + strings.Repeat("x", 60<<10) + "\r\n")
		}},
		{name: "lines of 1,900 bytes without end", only: smtp, at: afterHandshake, do: func(p *peer, w way, point string) {
			more := strings.TrimRight(w.more(p, point), "\r\n")
			p.flood(more + strings.Repeat("x", 1900) + "\r\n")
		}},
		{name: "a refusal without end", only: smtp, at: afterHandshake, do: func(p *peer, w way, point string) {
			p.flood(strings.Repeat("535-no\r\n", 1000))
		}},
		{name: "capabilities without end", only: imap, at: []string{atCapabilities}, do: func(p *peer, _ way, _ string) {
			p.flood("* CAPABILITY" + strings.Repeat(" AUTH=XOAUTH2", 4000) + "\r\n")
		}},
		{name: "capabilities without end", only: pop3, at: []string{atCapabilities}, do: func(p *peer, _ way, _ string) {
			p.flood("+OK\r\n" + strings.Repeat("SASL XOAUTH2\r\n", 4000))
		}},
		{name: "a literal of 4 GB", only: imap, at: afterHandshake, do: func(p *peer, _ way, _ string) {
			p.write("* OK {4294967295}\r\n")
			p.flood(strings.Repeat("x", 32<<10))
		}},
		{name: "a million continuations", at: []string{atAuth, atPayload}, do: func(p *peer, w way, _ string) {
			p.flood(strings.Repeat(w.challenge(""), 1000))
		}},
		{name: "a million error documents", at: []string{atAuth, atPayload}, do: func(p *peer, w way, _ string) {
			p.flood(strings.Repeat(w.challenge("eyJzdGF0dXMiOiI0MDAifQ=="), 1000))
		}},
		{name: "a challenge that is not base64", only: []xoauth2.Protocol{xoauth2.IMAP, xoauth2.SMTP}, at: []string{atAuth}, do: func(p *peer, w way, _ string) {
			p.write(w.challenge("!\x1b[2J!"))
		}},
		{name: "a second challenge that is not base64", only: pop3, at: []string{atPayload}, do: func(p *peer, w way, _ string) {
			p.write(w.challenge("!\x1b[2J!"))
		}},
	}
}

// more is a line after which, at point, more is to come.
func (w way) more(p *peer, point string) string {
	switch {
	case w.proto == xoauth2.IMAP:
		return "* OK still here\r\n"
	case w.proto == xoauth2.POP3 && (point == atAuth || point == atPayload):
		return "+ \r\n"
	case w.proto == xoauth2.POP3:
		return "+OK still here\r\n"
	case point == atGreeting || point == atStartTLS:
		return "220-still here\r\n"
	case point == atAuth:
		return "235-still here\r\n"
	}
	return "250-still here\r\n"
}

// challenge is a line that asks for more of a SASL exchange.
func (w way) challenge(text string) string {
	if w.proto == xoauth2.SMTP {
		return "334 " + text + "\r\n"
	}
	return "+ " + text + "\r\n"
}

func garbage(n int) string {
	r := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return string(b)
}

// flood sends text again and again until the client has gone, and keeps an eye
// on the memory meanwhile.
func (p *peer) flood(text string) {
	const enough, often = 128 << 20, 2 << 20
	for sent := 0; sent < enough; sent += len(text) {
		p.write(text)
		if sent/often != (sent+len(text))/often {
			synctest.Wait() // until the client has taken it
			p.host.growth.sample()
		}
	}
	p.host.t.Errorf("got a client that takes %d bytes, want it to go", enough)
}

// growth is the most memory in use since it was made.
type growth struct {
	before uint64
	most   atomic.Uint64
}

func newGrowth() *growth {
	g := &growth{before: usedMemory()}
	g.most.Store(g.before)
	return g
}

func (g *growth) sample() {
	if g == nil {
		return
	}
	if now := usedMemory(); now > g.most.Load() {
		g.most.Store(now)
	}
}

func (g *growth) assertBounded(t *testing.T) {
	t.Helper()
	g.sample()
	if grown := int64(g.most.Load()) - int64(g.before); grown > maxGrowth {
		t.Errorf("got %d KiB more memory in use, want less than %d", grown>>10, maxGrowth>>10)
	}
}

// usedMemory is what the collector leaves.
func usedMemory() uint64 {
	var stats runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

// TestHostileServers is not parallel, since it measures memory.
func TestHostileServers(t *testing.T) {
	for _, w := range allWays() {
		for _, point := range w.points() {
			if w.startTLS && !w.plain(point) && point != atHandshake {
				continue // as without STARTTLS
			}
			for _, r := range allRudeness() {
				if r.at != nil && !slices.Contains(r.at, point) || r.only != nil && !slices.Contains(r.only, w.proto) {
					continue
				}
				t.Run(w.String()+"/"+point+"/"+r.name, func(t *testing.T) {
					bubble(t, func(t *testing.T) { testHostileServer(t, w, point, r) })
				})
			}
		}
	}
}

func testHostileServer(t *testing.T, w way, point string, r rudeness) {
	h := newPipeHost(t, w.interrupted(point, func(p *peer) {
		r.do(p, w, point)
		p.drain()
		panic(gone{})
	}))
	h.growth = newGrowth()
	opts := w.options(h)
	opts.VerifyMailbox = true
	var trace strings.Builder
	opts.Trace = &trace
	began := time.Now()
	client, err := w.dial(t.Context(), testUser, canarySource(), opts)
	if took := time.Since(began); took > 0 {
		t.Errorf("got an answer after %v, want it at once", took)
	}
	if err == nil {
		client.Close()
		t.Fatal("got a login, want an error")
	}
	h.assertClosed(t)
	h.finish(t)
	h.growth.assertBounded(t)
	if prefix := "xoauth2: " + w.proto.String() + " " + w.addr() + ": "; !strings.HasPrefix(err.Error(), prefix) {
		t.Errorf("got error %q, want %q first", err, prefix)
	}
	if strings.Contains(r.name, "line") && errors.Is(err, io.ErrUnexpectedEOF) && !strings.Contains(r.name, "hangs up") {
		t.Errorf("got error %q, want none about the end of the connection", err)
	}
	if r.at == nil && !errors.Is(err, wire.ErrPlaintextAfterStartTLS) { // what comes after a greeting is no longer the greeting
		w.assertFailed(t, err, w.step(point))
	}
	assertNoCanary(t, "the trace", trace.String())
	if w.plain(point) && len(h.lines()) > 2 {
		t.Errorf("got %q from the client, want it to go before TLS", h.lines())
	}
}
