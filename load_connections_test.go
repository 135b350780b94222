package xoauth2_test

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/xoauth2/go-xoauth2"
	"github.com/xoauth2/go-xoauth2/internal/account"
)

// renewersEnv holds the token endpoint for a process that runs TestRenewers.
const renewersEnv = "XOAUTH2_TEST_RENEWERS"

const (
	renewers = 64
	renewed  = 300 // accounts
)

// TestRenewalConnections renews many accounts by 64 workers, twice, with
// the package's own HTTP client, and counts the connections. The workers
// are another process, whose root certificates can be chosen.
func TestRenewalConnections(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("the system's root certificates cannot be chosen on " + runtime.GOOS)
	}
	for protocol, http2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			e := newBusyEndpoint(t, http2)
			command := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestRenewers$", "-test.timeout=2m")
			command.Env = append(os.Environ(), renewersEnv+"="+e.server.URL, "SSL_CERT_FILE="+e.roots, "GORACE=atexit_sleep_ms=0")
			if out, err := command.CombinedOutput(); err != nil {
				t.Fatalf("%v: %.2000s", err, out)
			}
			// On a busy machine net/http replaces some: those whose writer is 50 ms late.
			if got, most := e.connections.Load(), int64(renewers+renewers/8); got < 1 || got > most {
				t.Errorf("got %d connections, want 1 to %d", got, most)
			}
			if got := e.most.Load(); got < renewers/4 || got > renewers {
				t.Errorf("got up to %d requests at once, want the %d workers to be at work", got, renewers)
			}
			if got := e.requests.Load(); got != 2*renewed {
				t.Errorf("got %d requests, want %d", got, 2*renewed)
			}
			if got := e.protocol.Load(); got != protocol && got != protocol+".0" {
				t.Errorf("got %v, want %s", got, protocol)
			}
		})
	}
}

// busyEndpoint is a token endpoint that takes a while.
type busyEndpoint struct {
	server                            *httptest.Server
	roots                             string // file of its certificate
	connections, requests, open, most atomic.Int64
	protocol                          atomic.Value
}

func newBusyEndpoint(t *testing.T, http2 bool) *busyEndpoint {
	t.Helper()
	e := &busyEndpoint{roots: filepath.Join(t.TempDir(), "roots.pem")}
	e.server = httptest.NewUnstartedServer(e)
	e.server.EnableHTTP2 = http2
	e.server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			e.connections.Add(1)
		}
	}
	e.server.StartTLS()
	t.Cleanup(e.server.Close)
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: e.server.Certificate().Raw})
	if err := os.WriteFile(e.roots, certificate, 0o600); err != nil {
		t.Fatal(err)
	}
	return e
}

// ServeHTTP gives every refresh token a token and a new refresh token.
func (e *busyEndpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	open := e.open.Add(1)
	defer e.open.Add(-1)
	for most := e.most.Load(); open > most && !e.most.CompareAndSwap(most, open); most = e.most.Load() {
	}
	n := e.requests.Add(1)
	e.protocol.Store(r.Proto)
	wait(r.Context(), 2*roundTrip)
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(map[string]any{
		"token_type": "Bearer", "expires_in": 3600, "access_token": tokenNumber(int(n)),
		"refresh_token": r.PostFormValue("refresh_token") + "'", "scope": r.PostFormValue("scope"),
	})
}

// TestRenewers is what the other process runs. It is no test.
func TestRenewers(t *testing.T) {
	endpoint := os.Getenv(renewersEnv)
	if endpoint == "" {
		t.Skip("TestRenewalConnections runs it, with " + renewersEnv)
	}
	app := &xoauth2.App{
		Provider: xoauth2.Provider{
			Name: "Example", TokenURL: endpoint,
			IMAP: xoauth2.Service{Scope: "imap"}, POP3: xoauth2.Service{Scope: "pop3"},
		},
		ClientID: "client", Protocols: []xoauth2.Protocol{xoauth2.IMAP}, Store: xoauth2.MemoryStore(),
	}
	for n := range renewed {
		storeSignIn(t, app, fmt.Sprintf("user%d@contoso.test", n))
	}
	for _, protocol := range []xoauth2.Protocol{xoauth2.IMAP, xoauth2.POP3} {
		names := make(chan int)
		var workers sync.WaitGroup
		for range renewers {
			workers.Go(func() {
				for n := range names {
					if err := renew(t.Context(), app, fmt.Sprintf("user%d@contoso.test", n), protocol); err != nil {
						t.Error(err)
					}
				}
			})
		}
		for n := range renewed {
			names <- n
		}
		close(names)
		workers.Wait()
	}
}

func renew(ctx context.Context, app *xoauth2.App, username string, protocol xoauth2.Protocol) error {
	account, err := app.Account(ctx, username)
	if err != nil {
		return err
	}
	_, err = account.For(protocol).TokenContext(ctx)
	return err
}

// storeSignIn stores what an earlier sign-in would have left.
func storeSignIn(t *testing.T, app *xoauth2.App, username string) {
	t.Helper()
	record := account.New(username, "")
	record.Put("", &oauth2.Token{RefreshToken: canary + username}, time.Now())
	err := app.Store.Update(t.Context(), app.ClientID+":"+username, func([]byte) ([]byte, error) { return record.Encode() })
	if err != nil {
		t.Fatal(err)
	}
}
