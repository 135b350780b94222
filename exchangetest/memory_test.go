package exchangetest_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/xoauth2/go-xoauth2"
	"github.com/xoauth2/go-xoauth2/exchangetest"
)

// TestBubble runs everything in the time of testing/synctest.
func TestBubble(t *testing.T) {
	t.Parallel()
	srv := start(t, hello)
	synctest.Test(t, func(t *testing.T) {
		app := srv.App(nil)
		app.HTTPClient = srv.MemoryHTTPClient()
		ts := app.ClientCredentials()
		o := srv.DialOptions()
		o.DialContext = srv.MemoryDial
		for _, protocol := range []xoauth2.Protocol{xoauth2.IMAP, xoauth2.POP3, xoauth2.SMTP} {
			if err := tryLoginWith(t, o, protocol, alice, ts); err != nil {
				t.Errorf("%v: %v", protocol, err)
			}
		}
		begin := time.Now()
		fault := srv.StallConnections(exchangetest.DuringLogin)
		defer fault.Clear()
		_, err := xoauth2.DialIMAP(t.Context(), alice, ts, o)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != time.Minute {
			t.Errorf("stalled: got %v after %v, want a minute", err, time.Since(begin))
		}
	})
}

// TestBubbleIMAPSession keeps a session open until its token ends.
func TestBubbleIMAPSession(t *testing.T) {
	t.Parallel()
	srv := start(t)
	srv.SetTokenLifetime(10 * time.Minute)
	synctest.Test(t, func(t *testing.T) {
		o := srv.DialOptions()
		o.DialContext = srv.MemoryDial
		begin := time.Now()
		client, err := xoauth2.DialIMAP(t.Context(), alice, srv.TokenSource(alice), o)
		if err != nil {
			t.Fatal(err)
		}
		<-client.Closed()
		if got, want := time.Since(begin), 10*time.Minute; got != want {
			t.Errorf("the session ended after %v, want %v", got, want)
		}
		_ = client.Close()
	})
}

func TestBubbleTokens(t *testing.T) {
	t.Parallel()
	srv := start(t)
	synctest.Test(t, func(t *testing.T) {
		app := srv.App(nil)
		app.HTTPClient = srv.MemoryHTTPClient()
		begin := time.Now()
		srv.DelayTokens(5 * time.Second).Times(1)
		srv.ThrottleTokens(30 * time.Second).Times(1)
		if _, err := app.ClientCredentials().Token(); err != nil {
			t.Fatal(err)
		}
		if got := time.Since(begin); got < 35*time.Second || got > 45*time.Second {
			t.Errorf("it took %v, want 35 s and some jitter", got)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		srv.StallTokens()
		other := srv.App(nil)
		other.HTTPClient = srv.MemoryHTTPClient()
		if _, err := other.ClientCredentials().TokenContext(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("stalled: got %v", err)
		}
		srv.Heal()
		time.Sleep(5 * time.Minute) // until nothing is in flight
	})
}

func TestMemoryDialKnowsItsAddresses(t *testing.T) {
	t.Parallel()
	if _, err := start(t).MemoryDial(t.Context(), "tcp", "127.0.0.1:1"); err == nil {
		t.Error("got a connection to nowhere")
	}
}
