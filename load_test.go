package xoauth2_test

import (
	"context"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2/imapclient"

	"github.com/xoauth2/go-xoauth2"
	"github.com/xoauth2/go-xoauth2/exchangetest"
)

// loadSeed repeats a run, as far as the order of events allows.
var loadSeed = flag.Uint64("load.seed", 1, "decides which connections fail in TestLoad and BenchmarkLoad")

// roundTrip is how long the token endpoint takes in the tests of load.
const roundTrip = 10 * time.Millisecond

// wait waits for d, or until ctx ends.
func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// load is so much at once: logins, whose sessions stay open together, and token
// calls, for accounts that signed in before the program started, while one
// connection in ten fails.
type load struct {
	logins, calls, accounts int
	patience                time.Duration // of logins, and of most calls
}

// TestLoad is not parallel, since it counts what the process has open.
func TestLoad(t *testing.T) {
	before := takeStock()
	l := newLoadTest(t, load{logins: 100, calls: 1000, accounts: 40, patience: 10 * time.Second})
	defer l.srv.Close()
	peak := l.run(t.Context())
	l.check()
	t.Logf("%d token requests; %d of %d logins and %d of %d token calls failed; with %d sessions open: %d goroutines, %d descriptors, %d KiB",
		l.ledger.requests, l.failedLogins.Load(), l.logins, l.failedCalls.Load(), l.calls, l.open, peak.goroutines, peak.descriptors, peak.memory>>10)
	l.srv.Close()
	before.assertBack(t)
}

// BenchmarkLoad runs the whole load, a thousand logins and ten thousand token
// calls, and says what it takes while all sessions are open, with the server's
// half of them.
func BenchmarkLoad(b *testing.B) {
	before := takeStock()
	var peak stock
	for b.Loop() {
		b.StopTimer()
		l := newLoadTest(b, load{logins: 1000, calls: 10000, accounts: 200, patience: time.Minute})
		b.StartTimer()
		peak = l.run(b.Context())
		b.StopTimer()
		l.check()
		b.ReportMetric(float64(l.failedLogins.Load()), "failed-logins")
		b.ReportMetric(float64(l.failedCalls.Load()), "failed-calls")
		b.ReportMetric(float64(l.ledger.requests), "token-requests")
		l.srv.Close()
		before.assertBack(b)
		b.StartTimer()
	}
	b.ReportMetric(float64(peak.memory-before.memory)/(1<<20), "peak-MiB")
	b.ReportMetric(float64(peak.descriptors-before.descriptors), "peak-descriptors")
	b.ReportMetric(float64(peak.goroutines-before.goroutines), "peak-goroutines")
}

// loadTest is a load on a server.
type loadTest struct {
	load
	tb       testing.TB
	srv      *exchangetest.Server
	ledger   *ledger
	signedIn []*xoauth2.Account
	mail     misfortune
	tokens   misfortune

	open                      int // sessions, when all logins were over
	failedLogins, failedCalls atomic.Int64
}

// newLoadTest signs the accounts in and starts the program anew: it has their
// records, and no token in memory.
func newLoadTest(tb testing.TB, load load) *loadTest {
	tb.Helper()
	l := &loadTest{load: load, tb: tb, srv: exchangetest.NewServer()}
	l.mail = misfortune{seed: *loadSeed, span: 4000}
	l.tokens = misfortune{seed: *loadSeed + 1, span: 1000}
	l.srv.SetRotation(exchangetest.RotateLenient) // as Entra: a lost reply is no reason to sign in again
	l.ledger = newLedger(l.srv)
	desktop := l.srv.App(&exchangetest.AppOptions{Public: true})
	desktop.Store = xoauth2.MemoryStore()
	app := restart(desktop)
	app.HTTPClient = &http.Client{Transport: unluckyTransport{l.srv.HTTPClient().Transport, &l.tokens}}
	for i := range load.accounts {
		name := fmt.Sprintf("user%d@contoso.com", i)
		l.srv.AddMailbox(name)
		l.srv.SignIn(name)
		if _, err := desktop.BrowserLogin(tb.Context(), &xoauth2.BrowserOptions{Open: l.srv.Browse}); err != nil {
			tb.Fatal(err)
		}
		account, err := app.Account(tb.Context(), name)
		if err != nil {
			tb.Fatal(err)
		}
		l.signedIn = append(l.signedIn, account)
	}
	return l
}

// run does it all at once, and returns what there is when all sessions are open.
func (l *loadTest) run(ctx context.Context) (peak stock) {
	clients := make([]*imapclient.Client, l.logins)
	dialers := make([]unluckyDialer, l.logins)
	var running sync.WaitGroup
	for n := range clients {
		dialers[n].misfortune = &l.mail
		running.Go(func() { clients[n] = l.login(ctx, n, &dialers[n]) })
	}
	for n := range l.calls {
		running.Go(func() { l.call(ctx, n) })
	}
	running.Wait()
	l.open = l.srv.OpenConnections(xoauth2.IMAP)
	peak = takeStock()
	for n, client := range clients {
		if client != nil {
			running.Go(func() { l.leave(n, client, dialers[n].struck) })
		}
	}
	running.Wait()
	return peak
}

// source returns an account and one of its four sources of tokens, which share
// a refresh token.
func (l *loadTest) source(n int) (*xoauth2.Account, xoauth2.TokenSource) {
	account := l.signedIn[n%len(l.signedIn)]
	protocols := [][]xoauth2.Protocol{{xoauth2.IMAP}, {xoauth2.POP3}, {xoauth2.SMTP}, nil}
	return account, account.For(protocols[n/len(l.signedIn)%len(protocols)]...)
}

func (l *loadTest) login(ctx context.Context, n int, dialer *unluckyDialer) *imapclient.Client {
	ctx, cancel := context.WithTimeout(ctx, l.patience)
	defer cancel()
	account := l.signedIn[n%len(l.signedIn)]
	opts := l.srv.DialOptions()
	opts.DialContext = dialer.DialContext
	client, err := xoauth2.DialIMAP(ctx, account.Username(), account.For(xoauth2.IMAP), opts)
	if err != nil {
		l.failedLogins.Add(1)
		l.judge(fmt.Sprintf("login %d", n), err, dialer.struck || strings.Contains(err.Error(), ": token: "))
		return nil
	}
	return client
}

// leave uses the session once, which nobody has but this login, and ends it.
func (l *loadTest) leave(n int, client *imapclient.Client, struck bool) {
	if err := client.Noop().Wait(); err != nil {
		l.judge(fmt.Sprintf("session %d", n), err, struck)
	}
	client.Close()
}

// call gets a token. Every third caller does not wait for a second attempt.
func (l *loadTest) call(ctx context.Context, n int) {
	patience := l.patience
	if n%3 == 0 {
		patience = min(patience, 500*time.Millisecond)
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	account, source := l.source(n)
	token, err := source.TokenContext(ctx)
	if err != nil {
		l.failedCalls.Add(1)
		l.judge(fmt.Sprintf("token call %d", n), err, true)
		return
	}
	if got := xoauth2.InspectToken(token.AccessToken).Username; got != account.Username() {
		l.tb.Errorf("token call %d: got a token of %q, want one of %q", n, got, account.Username())
	}
}

// judge expects a failure that its reason excuses, and that passes.
func (l *loadTest) judge(what string, err error, excused bool) {
	if !excused {
		l.tb.Errorf("seed %d: %s: got %v on a connection that was not struck", *loadSeed, what, err)
	}
	if got := xoauth2.Diagnose(err).Class; got != xoauth2.ClassTemporary {
		l.tb.Errorf("seed %d: %s: got class %v for %v, want %v", *loadSeed, what, got, err, xoauth2.ClassTemporary)
	}
}

// check looks at what came of it all.
func (l *loadTest) check() {
	failed, struck := l.failedLogins.Load(), l.mail.strikes.Load()
	if failed == 0 || struck == 0 || l.tokens.strikes.Load() == 0 {
		l.tb.Errorf("seed %d: got %d logins failed, %d of their connections and %d token requests struck, want some of each", *loadSeed, failed, struck, l.tokens.strikes.Load())
	}
	if least := l.logins / 2; l.open < least || l.failedCalls.Load() > int64(l.calls/2) {
		l.tb.Errorf("seed %d: got %d sessions and %d failed token calls, want %d sessions and fewer failures", *loadSeed, l.open, l.failedCalls.Load(), least)
	}
	if open := l.mail.open.Load(); open != 0 {
		l.tb.Errorf("seed %d: got %d connections left open, want none", *loadSeed, open)
	}
	l.ledger.mu.Lock()
	defer l.ledger.mu.Unlock()
	if l.ledger.most != 1 || l.ledger.strange != 0 || l.ledger.requests < 3*l.accounts {
		l.tb.Errorf("seed %d: got %d requests, up to %d at once of one account, %d with an unknown refresh token; want %d or more, 1 and 0",
			*loadSeed, l.ledger.requests, l.ledger.most, l.ledger.strange, 3*l.accounts)
	}
}

// stock is what the process has.
type stock struct {
	goroutines, descriptors int
	memory                  uint64 // in use, after a collection
}

func takeStock() stock {
	return stock{runtime.NumGoroutine(), countDescriptors(), usedMemory()}
}

// countDescriptors returns 0 where the system does not tell.
func countDescriptors() int {
	if l, err := net.Listen("tcp", "127.0.0.1:0"); err == nil {
		l.Close() // the runtime's poller, which has descriptors of its own, is there from now on
	}
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(open)
}

// assertBack waits until there is no more than there was.
func (before stock) assertBack(tb testing.TB) {
	tb.Helper()
	var now stock
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); wait(tb.Context(), 20*time.Millisecond) {
		now = takeStock()
		if now.goroutines <= before.goroutines && now.descriptors <= before.descriptors {
			return
		}
	}
	tb.Errorf("seed %d: got %d goroutines and %d descriptors left, want %d and %d: %s",
		*loadSeed, now.goroutines, now.descriptors, before.goroutines, before.descriptors, strings.Join(foreignStacks(), "\n\n"))
}
