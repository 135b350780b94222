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
	"github.com/xoauth2/go-xoauth2/internal/filestore"
)

// neighbours are the records beside those that are renewed: as a flag, since to
// write 100,000 files takes a while.
var neighbours = flag.Int("neighbours", 1_000, "other records in the larger store of BenchmarkRenewalStored")

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

// BenchmarkRenewalStored: a renewal with a FileStore, alone and with neighbours,
// beside the writing, flushing and renaming of a file of that size. MSAL has
// 1,000 accounts at most: its cache is one text.
func BenchmarkRenewalStored(b *testing.B) {
	for _, n := range []int{0, *neighbours} {
		b.Run(fmt.Sprintf("neighbours=%d", n), func(b *testing.B) {
			dir, spare := filepath.Join(b.TempDir(), "store"), filepath.Join(b.TempDir(), "record")
			renew := storedAccount(b, dir)
			settle(b, dir, n)
			lab.Contest(b, "ms",
				lab.Contestant{Name: "floor", Measure: func() float64 {
					return milliseconds(func() { writeFile(b, spare, make([]byte, 2_500)) })
				}},
				lab.Contestant{Name: "ours", Measure: renew},
				lab.Contestant{Name: "msal", Measure: storedAtMSAL(b, min(n+1, 1_000))},
			)
		})
	}
}

// settle puts the records of n other accounts, and their locks, into a store.
func settle(b *testing.B, dir string, n int) {
	for i := range n {
		key := fmt.Sprintf("neighbour-%d", i)
		record := filestore.Encode(key, make([]byte, 2_000))
		for suffix, octets := range map[string][]byte{".token": record, ".token.lock": nil} {
			if err := os.WriteFile(filepath.Join(dir, "key-"+key+suffix), octets, 0o600); err != nil {
				b.Fatal(err)
			}
		}
	}
	keys := must[[]string](b)(xoauth2.FileStore(dir).Keys(b.Context()))
	if len(keys) != n+1 {
		b.Fatalf("got %d records, want %d", len(keys), n+1)
	}
}

func milliseconds(f func()) float64 {
	begin := time.Now()
	f()
	return time.Since(begin).Seconds() * 1e3
}

// storedAccount signs a user in to a store in dir, and returns what renews the
// user's token, as a process does that has just begun.
func storedAccount(b *testing.B, dir string) func() float64 {
	endpoint := &lab.Endpoint{Lifetime: 4 * time.Second}
	newApp := func() *xoauth2.App {
		app := lab.App(endpoint.Client())
		app.Store = xoauth2.FileStore(dir)
		return app
	}
	name := signIn(b, newApp(), 1)[0].Username()
	return func() float64 {
		account := must[*xoauth2.Account](b)(newApp().Account(b.Context(), name))
		time.Sleep(endpoint.Lifetime/2 + 100*time.Millisecond) // the stored token is due
		before := endpoint.Requests.Load()
		took := milliseconds(func() { _ = must[*oauth2.Token](b)(account.Token()) })
		if got := endpoint.Requests.Load() - before; got != 1 {
			b.Errorf("got %d requests, want 1", got)
		}
		return took
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
