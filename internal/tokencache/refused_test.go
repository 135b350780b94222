package tokencache_test

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/oauth2"

	"github.com/xoauth2/go-xoauth2/internal/tokencache"
)

func wantRefusal(t *testing.T, s *tokencache.Source, n int, want bool) {
	t.Helper()
	if got := s.Refused(fmt.Sprintf("canary-%d", n)); got != want {
		t.Errorf("Refused: got %t, want %t", got, want)
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	bubble(t, "within the first minute", func(t *testing.T) {
		e := &endpoint{}
		s := e.source()
		wantToken(t, s, 1, 0)
		wantRefusal(t, s, 1, false)
		time.Sleep(time.Minute)
		wantRefusal(t, s, 1, false)
		wantToken(t, s, 1, 0)
		e.wantRequests(t, 1)
	})
	bubble(t, "later", func(t *testing.T) {
		e := &endpoint{takes: time.Second}
		s := e.source()
		wantToken(t, s, 1, e.takes)
		time.Sleep(time.Minute + 1)
		wantRefusal(t, s, 1, true)
		if s.Cached() != nil {
			t.Error("the token is still cached")
		}
		wantRefusal(t, s, 1, true) // by another server, meanwhile
		wantToken(t, s, 2, e.takes)
		wantRefusal(t, s, 1, true) // and later
		wantRefusal(t, s, 2, false)
		wantToken(t, s, 2, 0)
		e.wantRefused(t, "", "canary-1")
		time.Sleep(2 * time.Hour)
		wantToken(t, s, 3, e.takes)
		e.wantRefused(t, "", "canary-1", "")
	})
	bubble(t, "never had one", func(t *testing.T) {
		e := &endpoint{}
		s := e.source()
		wantRefusal(t, s, 7, true)
		wantToken(t, s, 1, 0)
		e.wantRefused(t, "")
	})
	bubble(t, "renewed", func(t *testing.T) {
		// However often it is renewed, each token has its minute.
		e := &endpoint{}
		s := e.source()
		for range 600 {
			token, err := s.Token(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			s.Refused(token.AccessToken)
			time.Sleep(time.Second)
		}
		if n := e.requests(); n > 10 {
			t.Errorf("%d requests in 10 minutes, want at most 10", n)
		}
	})
	bubble(t, "clock set back", func(t *testing.T) {
		s := (&endpoint{}).source()
		wantToken(t, s, 1, 0)
		s.MoveClock(-time.Hour)
		wantRefusal(t, s, 1, true)
		wantToken(t, s, 2, 0)
	})
	bubble(t, "out of a store", func(t *testing.T) {
		e := &endpoint{alter: func(n int, token *oauth2.Token) *oauth2.Token {
			if n == 1 {
				return stored(2*time.Minute, time.Hour)()
			}
			return token
		}}
		s := e.source()
		wantToken(t, s, 1, 0)
		wantRefusal(t, s, 1, true)
		wantToken(t, s, 2, 0)
		e.wantRefused(t, "", "canary-1")
	})
	bubble(t, "the next Fetch fails", func(t *testing.T) {
		e := &endpoint{}
		s := e.source()
		wantToken(t, s, 1, 0)
		time.Sleep(2 * time.Minute)
		wantRefusal(t, s, 1, true)
		e.answer = fails(2, errRefused)
		wantError(t, t.Context(), s, errRefused, 0)
		wantToken(t, s, 1, 0) // it is good for others
		wantRefusal(t, s, 1, false)
		time.Sleep(5 * time.Second)
		wantRefusal(t, s, 1, true)
		wantToken(t, s, 3, 0)
		e.wantRefused(t, "", "canary-1", "canary-1")
	})
}

// A renewal under way when its token's predecessor is refused may bring the
// refused one, out of a store. Then a new one is fetched.
func TestRefusedDuringFlight(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		second *oauth2.Token
		want   int
	}{
		"it brings the refused token": {&oauth2.Token{AccessToken: "canary-1"}, 3},
		"it brings another":           {&oauth2.Token{AccessToken: "canary-2"}, 2},
	} {
		bubble(t, name, func(t *testing.T) {
			e := &endpoint{takes: time.Second}
			e.alter = func(n int, token *oauth2.Token) *oauth2.Token {
				if n == 2 {
					return tt.second
				}
				return token
			}
			s := e.source()
			wantToken(t, s, 1, e.takes)
			time.Sleep(57 * time.Minute)
			wantToken(t, s, 1, 0) // starts the renewal
			synctest.Wait()
			wantRefusal(t, s, 1, true)
			var callers sync.WaitGroup
			for range 10 {
				callers.Go(func() { wantToken(t, s, tt.want, time.Duration(tt.want-1)*e.takes) })
			}
			callers.Wait()
			e.wantRequests(t, tt.want)
			if tt.want == 3 {
				e.wantRefused(t, "", "", "canary-1")
			}
		})
	}
}

// A server that issues the same token again gets it back; the mail server's
// refusal then says more than ours would.
func TestRefusedTokenIssuedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := &endpoint{alter: func(_ int, token *oauth2.Token) *oauth2.Token {
			token.AccessToken = "canary-1"
			return token
		}}
		s := e.source()
		wantToken(t, s, 1, 0)
		time.Sleep(2 * time.Minute)
		wantRefusal(t, s, 1, true)
		wantToken(t, s, 1, 0)
		wantRefusal(t, s, 1, false)
		e.wantRequests(t, 2)
	})
}
