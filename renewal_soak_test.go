package xoauth2_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/xoauth2/go-xoauth2"
)

// TestSoak holds an IMAP IDLE session with tokens of five seconds: the server
// ends it with each of them, and the client comes back.
func TestSoak(t *testing.T) {
	const (
		lives    = 200
		lifetime = 5 * time.Second
	)
	srv := newExchange(t) // and not in parallel: it looks at the heap
	inMemory(t, srv, func(t *testing.T) {
		srv.SetTokenLifetime(lifetime)
		_, account := memoryAccount(t, srv, nil)
		source := account.For(xoauth2.IMAP)
		o := srv.DialOptions()
		o.DialContext = srv.MemoryDial
		var goroutines int
		var heap int64
		begin := time.Now()
		for life := range lives {
			idleOnce(t, source, o)
			if open := srv.OpenConnections(); open != 0 {
				t.Fatalf("life %d: %d connections are left open", life, open)
			}
			switch life {
			case lives / 4:
				goroutines, heap = bubbleGoroutines(), liveHeap()
			case lives - 1:
				if got := bubbleGoroutines(); got != goroutines {
					t.Errorf("got %d goroutines, want the %d of before", got, goroutines)
				}
				// What the server keeps for its tests grows, by some 20 kB a life.
				if grown := liveHeap() - heap; grown > 8<<20 {
					t.Errorf("%d bytes of heap more than after a quarter of the time", grown)
				}
			}
		}
		if took := time.Since(begin); took > lives*(lifetime+time.Second) {
			t.Errorf("%d lives took %v", lives, took)
		}
		if got := srv.Logins(xoauth2.IMAP); got != lives {
			t.Errorf("got %d logins, want %d", got, lives)
		}
		if got := srv.TokenRequests(grantRefresh); got < lives || got > lives+1 {
			t.Errorf("got %d renewals, want one for each life", got)
		}
	})
}

// idleOnce logs in and waits until the server ends the session.
func idleOnce(t *testing.T, source xoauth2.TokenSource, o *xoauth2.DialOptions) {
	t.Helper()
	client, err := xoauth2.DialIMAP(t.Context(), ada, source, o)
	if err != nil {
		t.Fatal(err)
	}
	// go-imap asks for them in a goroutine, which would wait for the end of IDLE
	// behind a mutex, and a bubble's clock stands still as long as somebody does.
	client.Caps()
	if _, err := client.Select("INBOX", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	idle, err := client.Idle()
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-client.Closed():
	case <-time.After(time.Minute):
		t.Fatal("the session goes on without a token")
	}
	_ = idle.Close() // the connection has ended
	_ = client.Close()
	synctest.Wait()
}
