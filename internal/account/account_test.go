package account_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/oauth2"

	"github.com/xoauth2/go-xoauth2/internal/account"
)

// store is a store of one record, which fails to write on demand.
type store struct {
	mu      sync.Mutex
	data    []byte
	failing error
	writes  int
}

func (s *store) Update(_ context.Context, _ string, change func([]byte) ([]byte, error)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	data, err := change(s.data)
	if err != nil {
		return err
	}
	if s.failing != nil {
		return s.failing
	}
	s.data = data
	s.writes++
	return nil
}

// endpoint gives tokens that last an hour, and rotates its refresh token.
type endpoint struct {
	requests int
	refresh  string
	life     time.Duration
	err      error
}

func (e *endpoint) renew(_ context.Context, refreshToken, scope, _ string) (*oauth2.Token, error) {
	if e.err != nil {
		return nil, e.err
	}
	if refreshToken != e.refresh {
		return nil, fmt.Errorf("a spent refresh token was sent")
	}
	e.requests++
	e.refresh = fmt.Sprintf("refresh%d", e.requests)
	return &oauth2.Token{
		AccessToken:  fmt.Sprintf("%s%d", scope, e.requests),
		RefreshToken: e.refresh,
		Expiry:       time.Now().Add(e.life),
	}, nil
}

func signedIn(t *testing.T) (*store, *endpoint, *account.Renewer) {
	t.Helper()
	s, e := &store{}, &endpoint{refresh: "refresh0", life: time.Hour}
	r := &account.Renewer{Store: s, Key: "k", Refresh: e.renew}
	rec := account.New("alice@contoso.test", "")
	rec.Put("imap", &oauth2.Token{AccessToken: "first", RefreshToken: "refresh0", Expiry: time.Now().Add(time.Hour)}, time.Now())
	if err := r.Save(t.Context(), rec); err != nil {
		t.Fatal(err)
	}
	return s, e, r
}

func wantToken(t *testing.T, r *account.Renewer, scope, refused, want string) {
	t.Helper()
	token, err := r.Token(t.Context(), scope, refused)
	if err != nil || token.AccessToken != want {
		t.Fatalf("got %v, %v, want token %q", token != nil, err, want)
	}
	if token.RefreshToken != "" {
		t.Error("the refresh token is handed out")
	}
}

func TestToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, e, r := signedIn(t)
		wantToken(t, r, "imap", "", "first")
		if s.writes != 1 || e.requests != 0 {
			t.Errorf("got %d writes, %d requests, want 1 and 0", s.writes, e.requests)
		}
		wantToken(t, r, "imap", "first", "imap1") // a server refused the first one
		wantToken(t, r, "smtp", "", "smtp2")      // narrower, from the same sign-in
		wantToken(t, r, "imap", "", "imap1")
		time.Sleep(54 * time.Minute)
		wantToken(t, r, "imap", "", "imap1")
		time.Sleep(2 * time.Minute)
		wantToken(t, r, "imap", "", "imap3") // its renewal is due
		if s.writes != 4 || e.requests != 3 {
			t.Errorf("got %d writes, %d requests, want 4 and 3", s.writes, e.requests)
		}
	})
}

func TestSecondProcessTakesWhatTheFirstStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, e, first := signedIn(t)
		second := &account.Renewer{Store: s, Key: "k", Refresh: e.renew}
		time.Sleep(time.Hour)
		wantToken(t, first, "imap", "", "imap1")
		wantToken(t, second, "imap", "", "imap1")
		wantToken(t, second, "imap", "imap1", "imap2")
		wantToken(t, first, "imap", "imap1", "imap2")
		if e.requests != 2 {
			t.Errorf("got %d requests, want 2", e.requests)
		}
	})
}

func TestShortLivedTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, e, r := signedIn(t)
		e.life = time.Minute
		wantToken(t, r, "imap", "first", "imap1")
		time.Sleep(29 * time.Second)
		wantToken(t, r, "imap", "", "imap1")
		time.Sleep(2 * time.Second)
		wantToken(t, r, "imap", "", "imap2")
	})
}

func TestFailingStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, e, r := signedIn(t)
		s.failing = errors.New("disk full")
		for range 3 {
			if _, err := r.Token(t.Context(), "imap", "first"); !errors.Is(err, s.failing) {
				t.Fatalf("got %v, want the store's error", err)
			}
		}
		if e.requests != 1 {
			t.Errorf("got %d requests while the store fails, want 1", e.requests)
		}
		s.failing = nil
		wantToken(t, r, "imap", "first", "imap1")
		if e.requests != 1 || s.writes != 2 {
			t.Errorf("got %d requests, %d writes, want 1 and 2: what could not be stored is stored now", e.requests, s.writes)
		}
		other := &account.Renewer{Store: s, Key: "k", Refresh: e.renew}
		wantToken(t, other, "smtp", "", "smtp2") // with the rotated refresh token
	})
}

func TestNewSignInBeatsWhatCouldNotBeStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, e, r := signedIn(t)
		s.failing = errors.New("disk full")
		r.Token(t.Context(), "imap", "first")
		s.failing = nil
		rec := account.New("alice@contoso.test", "")
		rec.Put("imap", &oauth2.Token{AccessToken: "again", RefreshToken: "fresh", Expiry: time.Now().Add(time.Hour)}, time.Now())
		if err := r.Save(t.Context(), rec); err != nil {
			t.Fatal(err)
		}
		e.refresh = "fresh"
		wantToken(t, r, "imap", "", "again")
	})
}

func TestRefusedRenewalChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, e, r := signedIn(t)
		before := string(s.data)
		e.err = errors.New("refused")
		if _, err := r.Token(t.Context(), "smtp", ""); !errors.Is(err, e.err) {
			t.Errorf("got %v, want the endpoint's error", err)
		}
		if string(s.data) != before {
			t.Error("the record changed")
		}
	})
}

func TestSignedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _, r := signedIn(t)
		if err := r.Delete(t.Context()); err != nil || s.data != nil {
			t.Fatalf("got %v, %d bytes left", err, len(s.data))
		}
		if _, err := r.Token(t.Context(), "imap", ""); !errors.Is(err, account.ErrGone) {
			t.Errorf("got %v, want ErrGone", err)
		}
	})
}

func TestClockSetBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, e, r := signedIn(t)
		rec := account.New("alice@contoso.test", "")
		future := time.Now().Add(48 * time.Hour)
		rec.Put("imap", &oauth2.Token{AccessToken: "stale", RefreshToken: "refresh0", Expiry: future.Add(time.Hour)}, future)
		s.data, _ = rec.Encode()
		wantToken(t, r, "imap", "", "imap1")
		if e.requests != 1 {
			t.Errorf("got %d requests, want 1", e.requests)
		}
	})
}

func TestDecode(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, data, want string }{
		{"empty", "", "damaged"},
		{"no JSON", "secret", "damaged"},
		{"null", "null", "version or user name is missing"},
		{"no user", `{"version":1}`, "version or user name is missing"},
		{"wrong type", `{"version":1,"username":1}`, "damaged"},
		{"newer", `{"version":2,"username":"a"}`, "update the program"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := account.Decode([]byte(tt.data))
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "secret") {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func FuzzDecode(f *testing.F) {
	rec := account.New("alice@contoso.test", "")
	rec.Put("imap", &oauth2.Token{AccessToken: "t", RefreshToken: "r", Expiry: time.Unix(2e9, 0)}, time.Unix(1e9, 0))
	seed, err := rec.Encode()
	if err != nil || len(seed) == 0 {
		f.Fatalf("no seed: %v", err)
	}
	f.Add(seed)
	f.Add([]byte(`{"version":1,"username":"a","access_tokens":{"x":{"expiry":"0001-01-01T00:00:00Z"}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		rec, err := account.Decode(data)
		if err != nil {
			return
		}
		rec.Get("imap")
		if again, err := rec.Encode(); err != nil || len(again) == 0 {
			t.Errorf("what was decoded does not encode: %v", err)
		}
	})
}

func TestRecordHidesItself(t *testing.T) {
	t.Parallel()
	rec := account.New("alice@contoso.test", "")
	rec.Put("imap", &oauth2.Token{AccessToken: "CANARY", RefreshToken: "CANARY", Expiry: time.Now().Add(time.Hour)}, time.Now())
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
		if text := fmt.Sprintf(verb, rec); strings.Contains(text, "CANARY") || text != "account.Record" {
			t.Errorf("%s shows %q", verb, text)
		}
	}
}

func TestIndex(t *testing.T) {
	t.Parallel()
	var x account.Index[int]
	for i := range 1000 {
		if got := x.Set(fmt.Sprintf("User%d@Contoso.test", i), i); got != i {
			t.Fatalf("got %d, want %d", got, i)
		}
	}
	if got := x.Set("uSER7@contoso.TEST", 5000); got != 7 {
		t.Errorf("got %d, want the value that was there, 7", got)
	}
	for i := range 1000 {
		for _, name := range []string{fmt.Sprintf("user%d@contoso.test", i), fmt.Sprintf("USER%d@contoso.test", i)} {
			for range 2 {
				if got, ok := x.Get(name); got != i || !ok {
					t.Fatalf("%s: got %d, %v", name, got, ok)
				}
			}
		}
	}
	x.Delete("User7@contoso.test")
	for _, name := range []string{"user7@contoso.test", "USER7@contoso.test", "uSER7@contoso.TEST", "nobody"} {
		if got, ok := x.Get(name); ok {
			t.Errorf("%s: got %d, want none", name, got)
		}
	}
}

func TestIndexConcurrently(t *testing.T) {
	t.Parallel()
	var x account.Index[int]
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 500 {
				name := fmt.Sprintf("user%d@contoso.test", i)
				x.Set(name, i)
				if got, ok := x.Get(strings.ToUpper(name)); got != i || !ok {
					t.Errorf("goroutine %d, %s: got %d, %v", g, name, got, ok)
				}
			}
		})
	}
	wg.Wait()
}

func BenchmarkIndex(b *testing.B) {
	for _, n := range []int{1, 1000, 100_000} {
		var x account.Index[int]
		floor := make(map[string]int)
		names := make([]string, n)
		for i := range n {
			names[i] = fmt.Sprintf("user%d@contoso.test", i)
			floor[names[i]] = x.Set(names[i], i)
		}
		for _, name := range names {
			x.Get(name)
		}
		b.Run(fmt.Sprintf("map/%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				_ = floor[names[i%n]]
			}
		})
		b.Run(fmt.Sprintf("index/%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				x.Get(names[i%n])
			}
		})
	}
}
