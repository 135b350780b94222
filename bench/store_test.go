package bench_test

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/cache"
	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/public"
	"golang.org/x/oauth2"

	"github.com/xoauth2/go-xoauth2"
	"github.com/xoauth2/go-xoauth2/bench/internal/lab"
)

var stored = flag.Int("accounts", 1_000, "accounts in the store of BenchmarkRenewalStored")

// counting is a store that counts what is asked of it.
type counting struct {
	xoauth2.TokenStore
	loads, updates int
}

func (c *counting) Load(ctx context.Context, key string) ([]byte, error) {
	c.loads++
	return c.TokenStore.Load(ctx, key)
}

func (c *counting) Update(ctx context.Context, key string, change func([]byte) ([]byte, error)) error {
	c.updates++
	return c.TokenStore.Update(ctx, key, change)
}

// TestStoreHit: a cached token asks nothing of the store.
func TestStoreHit(t *testing.T) {
	app := lab.App(new(lab.Endpoint).Client())
	store := &counting{TokenStore: xoauth2.FileStore(filepath.Join(t.TempDir(), "store"))}
	app.Store = store
	account := signIn(t, app, 1)[0]
	_ = must[*oauth2.Token](t)(account.Token())
	store.loads, store.updates = 0, 0
	_ = must[*oauth2.Token](t)(account.Token())
	if store.loads+store.updates != 0 {
		t.Errorf("got %d loads and %d updates, want none", store.loads, store.updates)
	}
}

// BenchmarkRenewalStored: a renewal with a FileStore of n accounts, beside the
// writing, flushing and renaming of a file of that size.
func BenchmarkRenewalStored(b *testing.B) {
	for _, n := range []int{10, *stored} {
		b.Run(fmt.Sprintf("accounts=%d", n), func(b *testing.B) {
			dir, spare := filepath.Join(b.TempDir(), "store"), filepath.Join(b.TempDir(), "record")
			renew := storedAccounts(b, dir, n)
			contestants := []lab.Contestant{
				{Name: "floor", Measure: func() float64 { return milliseconds(func() { writeFile(b, spare, make([]byte, 2_500)) }) }},
				{Name: "ours", Measure: renew},
			}
			if n <= 1_000 {
				contestants = append(contestants, lab.Contestant{Name: "msal", Measure: storedAtMSAL(b, n)})
			}
			lab.Contest(b, "ms", contestants...)
		})
	}
}

func milliseconds(f func()) float64 {
	begin := time.Now()
	f()
	return time.Since(begin).Seconds() * 1e3
}

// storedAccounts fills a directory with n accounts whose tokens are over, and
// returns what renews the next of them.
func storedAccounts(b *testing.B, dir string, n int) func() float64 {
	endpoint := &lab.Endpoint{Lifetime: time.Second}
	seeds := lab.App(endpoint.Client())
	seeds.Store = xoauth2.MemoryStore()
	signIn(b, seeds, n)
	time.Sleep(endpoint.Lifetime)
	endpoint.Lifetime = time.Hour
	keys := must[[]string](b)(seeds.Store.Keys(b.Context()))
	fill := func() *xoauth2.App {
		store := xoauth2.FileStore(dir)
		for _, key := range keys {
			record := must[[]byte](b)(seeds.Store.Load(b.Context(), key))
			if err := store.Update(b.Context(), key, func([]byte) ([]byte, error) { return record, nil }); err != nil {
				b.Fatal(err)
			}
		}
		app := lab.App(endpoint.Client())
		app.Store = store
		return app
	}
	app, next := fill(), 0
	return func() float64 {
		if next == n {
			app, next = fill(), 0
		}
		account := must[*xoauth2.Account](b)(app.Account(b.Context(), username(next)))
		next++
		return milliseconds(func() { _ = must[*oauth2.Token](b)(account.Token()) })
	}
}

// writeFile is the floor: it makes a file change whole or not at all.
func writeFile(tb testing.TB, path string, octets []byte) {
	tb.Helper()
	f := must[*os.File](tb)(os.OpenFile(path+".tmp", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600))
	_, writeErr := f.Write(octets)
	for _, err := range []error{writeErr, f.Sync(), f.Close(), os.Rename(path+".tmp", path)} {
		if err != nil {
			tb.Fatal(err)
		}
	}
}

// wholeFile keeps MSAL's cache, which is one text, in a file.
type wholeFile struct {
	tb   testing.TB
	path string
	off  bool
}

func (w *wholeFile) Replace(_ context.Context, c cache.Unmarshaler, _ cache.ReplaceHints) error {
	text, err := os.ReadFile(w.path)
	if err != nil || w.off {
		return nil // there is none yet
	}
	return c.Unmarshal(text)
}

func (w *wholeFile) Export(_ context.Context, c cache.Marshaler, _ cache.ExportHints) error {
	if w.off {
		return nil
	}
	text, err := c.Marshal()
	if err == nil {
		writeFile(w.tb, w.path, text)
	}
	return err
}

func storedAtMSAL(b *testing.B, n int) func() float64 {
	endpoint := &lab.Endpoint{Lifetime: time.Second} // which MSAL never takes from its cache
	file := &wholeFile{tb: b, path: filepath.Join(b.TempDir(), "cache"), off: true}
	users := lab.MSALUsers(&http.Client{Transport: endpoint}, public.WithCache(file))
	sources := make([]lab.Source, n)
	for i := range sources {
		file.off = i < n-1
		sources[i] = must[lab.Source](b)(users(username(i)))
	}
	next := 0
	return func() float64 {
		next++
		return milliseconds(func() { _ = must[string](b)(sources[next%n](b.Context())) })
	}
}
