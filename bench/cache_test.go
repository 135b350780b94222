package bench_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/xoauth2/go-xoauth2"
	"github.com/xoauth2/go-xoauth2/bench/internal/lab"
)

// must ends the benchmark or test if something failed that it only needs.
func must[T any](tb testing.TB) func(T, error) T {
	return func(v T, err error) T {
		tb.Helper()
		if err != nil {
			tb.Fatal(err)
		}
		return v
	}
}

// held is the floor of a cached token: an atomic load and a reading of the
// clock.
type held struct {
	token atomic.Pointer[oauth2.Token]
	end   int64
}

func hold(token *oauth2.Token) *held {
	h := &held{end: token.Expiry.UnixNano()}
	h.token.Store(token)
	return h
}

//go:noinline
func (h *held) Token(context.Context) *oauth2.Token {
	if token := h.token.Load(); time.Now().UnixNano() < h.end {
		return token
	}
	return nil
}

// registry is the floor of an account by name: a look-up in a map.
type registry map[string]*xoauth2.Account

//go:noinline
func (r registry) Account(username string) (*xoauth2.Account, bool) {
	account, ok := r[username]
	return account, ok
}

// BenchmarkCachedAppToken: a cached token of the application, by one and many
// goroutines.
func BenchmarkCachedAppToken(b *testing.B) {
	ctx := b.Context()
	client := new(lab.Endpoint).Client()
	ours := lab.App(client).ClientCredentials()
	floor := hold(must[*oauth2.Token](b)(ours.TokenContext(ctx)))
	x := oauth2.ReuseTokenSource(must[*oauth2.Token](b)(ours.Token()), nil)
	msal := lab.Libraries()[2].App(client)
	for _, goroutines := range []int{1, 16} {
		b.Run(fmt.Sprintf("goroutines=%d", goroutines), func(b *testing.B) {
			lab.Contest(b, "ns",
				lab.TimedBy(goroutines, "floor", 20_000, func() { floor.Token(ctx) }),
				lab.TimedBy(goroutines, "ours", 20_000, func() { _, _ = ours.TokenContext(ctx) }),
				lab.TimedBy(goroutines, "x-oauth2", 20_000, func() { _, _ = x.Token() }),
				lab.TimedBy(goroutines, "msal", 1_000, func() { _, _ = msal(ctx) }),
			)
		})
	}
}

// signIn signs n users in, and returns what app holds of them.
func signIn(tb testing.TB, app *xoauth2.App, n int) []*xoauth2.Account {
	tb.Helper()
	accounts := make([]*xoauth2.Account, n)
	for i := range accounts {
		accounts[i] = must[*xoauth2.Account](tb)(lab.SignIn(app, username(i)))
	}
	return accounts
}

// username is of the usual form, and its own string each time.
func username(i int) string { return strings.ToLower(fmt.Sprintf("user%06d@contoso.com", i)) }

// BenchmarkCachedUserToken: a cached token of one of n accounts, held and by
// name. "by-name" is to be compared with "map", not with the floor.
func BenchmarkCachedUserToken(b *testing.B) {
	ctx := b.Context()
	for _, n := range []int{1, 1_000, 100_000} {
		b.Run(fmt.Sprintf("accounts=%d", n), func(b *testing.B) {
			client := new(lab.Endpoint).Client()
			app := lab.App(client)
			accounts := make(registry, n)
			names := make([]string, n)
			for i, account := range signIn(b, app, n) {
				_ = must[*oauth2.Token](b)(account.Token())
				names[i] = account.Username()
				accounts[names[i]] = account
			}
			for range 2 * n { // as in a program that has run for a while
				_ = must[*xoauth2.Account](b)(app.Account(ctx, names[0]))
			}
			some := accounts[names[n/2]]
			floor := hold(must[*oauth2.Token](b)(some.Token()))
			var turn [2]int
			next := func(i int) string { turn[i]++; return names[turn[i]*7919%n] }
			contestants := []lab.Contestant{
				lab.Timed("floor", 20_000, func() { floor.Token(ctx) }),
				lab.Timed("held", 20_000, func() { _, _ = some.TokenContext(ctx) }),
				lab.Timed("map", 20_000, func() { _, _ = accounts.Account(next(0)) }),
				lab.Timed("by-name", 20_000, func() { _, _ = app.Account(ctx, next(1)) }),
			}
			if n <= 1_000 || !testing.Short() {
				msal := userOfMSAL(b, client, n)
				contestants = append(contestants, lab.Timed("msal", max(1, 1_000/n), func() { _, _ = msal(ctx) }))
			}
			lab.Contest(b, "ns", contestants...)
		})
	}
}

// userOfMSAL returns the source of one of n users.
func userOfMSAL(tb testing.TB, client *http.Client, n int) lab.Source {
	signIn := lab.MSALUsers(client)
	var some lab.Source
	for i := range n {
		source := must[lab.Source](tb)(signIn(username(i)))
		if i == n/2 {
			some = source
		}
	}
	return some
}

// TestCachedTokenAllocates nothing.
func TestCachedTokenAllocates(t *testing.T) {
	app := lab.App(new(lab.Endpoint).Client())
	account := signIn(t, app, 1)[0]
	for name, ts := range map[string]xoauth2.TokenSource{"app": app.ClientCredentials(), "account": account} {
		get := func() { _, _ = ts.TokenContext(t.Context()) }
		get()
		if got := testing.AllocsPerRun(1000, get); got != 0 {
			t.Errorf("a cached token of %s: got %v allocations, want none", name, got)
		}
	}
	byName := func() { _, _ = app.Account(t.Context(), account.Username()) }
	byName()
	if got := testing.AllocsPerRun(1000, byName); got != 0 {
		t.Errorf("an account by name: got %v allocations, want none", got)
	}
}

// BenchmarkAccountMemory: what an account with a cached token holds beyond its
// strings. The store's part, which is the program's choice, is left out.
func BenchmarkAccountMemory(b *testing.B) {
	const n = 10_000
	lab.Contest(b, "B/account",
		lab.Contestant{Name: "ours", Measure: func() float64 { return memoryOfOurs(b, n) }},
		lab.Contestant{Name: "msal", Measure: func() float64 { return memoryOfMSAL(b, n) }},
	)
}

func memoryOfOurs(tb testing.TB, n int) float64 {
	client := new(lab.Endpoint).Client()
	signedIn := lab.App(client)
	signedIn.Store = xoauth2.MemoryStore()
	signIn(tb, signedIn, n)
	app := lab.App(client)
	app.Store = signedIn.Store
	_ = must[*oauth2.Token](tb)(app.ClientCredentials().Token())
	keys := must[[]string](tb)(app.Store.Keys(tb.Context()))
	held := make([]*xoauth2.Account, n)
	strings := 0
	bytes := lab.HeapOf(func() {
		for i := range held {
			held[i] = must[*xoauth2.Account](tb)(app.Account(tb.Context(), username(i)))
			token := must[*oauth2.Token](tb)(held[i].Token())
			strings += len(token.AccessToken) + len(token.TokenType) + len(held[i].Username()) + len(keys[i])
		}
	}, app, held, signedIn)
	return float64(bytes-strings) / float64(n)
}

func memoryOfMSAL(tb testing.TB, n int) float64 {
	var sources []lab.Source
	strings := 0
	signIn := lab.MSALUsers(new(lab.Endpoint).Client())
	bytes := lab.HeapOf(func() {
		for i := range n {
			source := must[lab.Source](tb)(signIn(username(i)))
			sources = append(sources, source)
			if i == 0 { // all are of one length, as near as matters
				token := must[string](tb)(source(tb.Context()))
				strings = len(token) * 2 // it has an id_token as well
			}
		}
	}, &sources, signIn)
	return float64(bytes)/float64(n) - float64(strings)
}

// TestAccountMemory has to hold on every machine, unlike a duration.
func TestAccountMemory(t *testing.T) {
	const limit = 400
	if got := memoryOfOurs(t, 2_000); got > limit {
		t.Errorf("an account holds %.0f B beyond its strings, want at most %d", got, limit)
	}
}
