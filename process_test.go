package xoauth2_test

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/xoauth2/go-xoauth2"
	"github.com/xoauth2/go-xoauth2/exchangetest"
)

// childEnv tells a process that runs this test binary again what to do.
const childEnv = "XOAUTH2_TEST_CHILD"

// childTask is what it tells. It holds no secret: those are in the store.
type childTask struct {
	Forever          bool // renew until somebody ends the process; otherwise once for each line of standard input
	Provider         xoauth2.Provider
	Tenant, ClientID string
	Dir              string
	CA               []byte
}

// app returns a public client that shares the store in Dir.
func (c childTask) app() *xoauth2.App {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(c.CA)
	return &xoauth2.App{
		Provider: c.Provider, Tenant: c.Tenant, ClientID: c.ClientID, Store: xoauth2.FileStore(c.Dir),
		HTTPClient: &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}},
	}
}

// TestProcessChild is what the other processes run. It is no test.
func TestProcessChild(t *testing.T) {
	text := os.Getenv(childEnv)
	if text == "" {
		t.Skip("the tests of processes run it, with " + childEnv)
	}
	var task childTask
	if err := json.Unmarshal([]byte(text), &task); err != nil {
		t.Fatal(err)
	}
	app := task.app()
	defer app.HTTPClient.CloseIdleConnections()
	account, err := app.Account(t.Context(), ada)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println(childReady)
	for task.Forever {
		again := restart(app) // which has nothing in memory
		if account, err = again.Account(t.Context(), ada); err != nil {
			t.Fatal(err)
		}
		_, _ = account.TokenContext(t.Context()) // the parent looks at what comes of it
	}
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		token, err := account.For(parseProtocols(lines.Text())...).TokenContext(t.Context())
		if err != nil {
			fmt.Println(childFailed, err)
			continue
		}
		sum := sha256.Sum256([]byte(token.AccessToken))
		fmt.Println(childToken, hex.EncodeToString(sum[:8]))
	}
}

// What a child says.
const (
	childReady  = "child: ready"
	childToken  = "child: token"
	childFailed = "child: failed"
)

func parseProtocols(names string) []xoauth2.Protocol {
	var protocols []xoauth2.Protocol
	for _, p := range []xoauth2.Protocol{xoauth2.IMAP, xoauth2.POP3, xoauth2.SMTP} {
		if strings.Contains(names, p.String()) {
			protocols = append(protocols, p)
		}
	}
	return protocols
}

// child is such a process.
type child struct {
	command *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Scanner
	errors  *bytes.Buffer
}

// startChild starts a process and waits until it has found the account.
func startChild(t *testing.T, task childTask) *child {
	t.Helper()
	text, err := json.Marshal(task)
	if err != nil {
		t.Fatal(err)
	}
	c := &child{command: exec.Command(os.Args[0], "-test.run=^TestProcessChild$"), errors: new(bytes.Buffer)}
	c.command.Env = append(os.Environ(), childEnv+"="+string(text), "GORACE=atexit_sleep_ms=0")
	c.command.Stderr = c.errors
	if c.in, err = c.command.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := c.command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.out = bufio.NewScanner(out)
	if err := c.command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.kill)
	return c
}

// kill ends the process as kill -9 does.
func (c *child) kill() {
	_ = c.command.Process.Kill() // it may have ended
	_ = c.command.Wait()         // killed
}

// says returns the next thing that the child says; empty at its end.
func (c *child) says() string {
	for c.out.Scan() {
		if strings.HasPrefix(c.out.Text(), "child: ") {
			return c.out.Text()
		}
	}
	return ""
}

// newSharedAccount signs Ada in to a desktop program whose store is a directory.
func newSharedAccount(t *testing.T) (*exchangetest.Server, *xoauth2.App, childTask) {
	t.Helper()
	srv := newExchange(t)
	app := publicApp(srv)
	dir := filepath.Join(t.TempDir(), "accounts")
	app.Store = xoauth2.FileStore(dir)
	srv.SetTokenLifetime(time.Millisecond) // over by the time that anybody asks
	signInByBrowser(t, srv, app, ada)
	srv.SetTokenLifetime(time.Hour)
	return srv, app, childTask{Provider: app.Provider, Tenant: app.Tenant, ClientID: app.ClientID, Dir: dir, CA: srv.CertificatePEM()}
}

// TestProcessesShareRenewals has many processes that want a new token at once,
// seven times. Rotation is strict: a spent refresh token ends the sign-in.
func TestProcessesShareRenewals(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it starts 50 processes")
	}
	const processes = 50
	srv, app, task := newSharedAccount(t)
	signInByBrowser(t, srv, app, bea)
	children := make([]*child, processes)
	for i := range children {
		children[i] = startChild(t, task)
	}
	for i, c := range children {
		if got := c.says(); got != childReady {
			t.Fatalf("process %d says %q: %s", i, got, c.errors)
		}
	}
	srv.DelayTokens(20 * time.Millisecond)
	// The store has no token yet for any but the first of these, whose one is over.
	rounds := []string{"IMAP POP3 SMTP", "IMAP", "POP3", "SMTP", "IMAP POP3", "IMAP SMTP", "POP3 SMTP"}
	for n, protocols := range rounds {
		for _, c := range children {
			if _, err := fmt.Fprintln(c.in, protocols); err != nil {
				t.Fatal(err)
			}
		}
		first := children[0].says()
		for i, c := range children {
			got := first
			if i > 0 {
				got = c.says()
			}
			if !strings.HasPrefix(got, childToken) || got != first {
				t.Errorf("%s: process %d says %q, the first %q: %s", protocols, i, got, first, c.errors)
			}
		}
		wantRequests(t, srv, n+1, grantRefresh)
	}
	for i, c := range children {
		if err := errors.Join(c.in.Close(), c.command.Wait()); err != nil {
			t.Errorf("process %d: %v: %s", i, err, c.errors)
		}
	}
	process := restart(app)
	wantAccounts(t, process, ada, bea)
	srv.RewriteTokenReplies(func(map[string]any) { t.Error("somebody renews what is stored") })
	wantToken(t, wantAccount(t, process, ada))
}

// TestProcessKilled ends processes in the middle of a renewal, wherever it is:
// the next one finds a sign-in that holds, or one that is clearly over.
//
// XOAUTH2_KILLS says how often; 200 unless it is set.
func TestProcessKilled(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it starts many processes")
	}
	kills := 200
	if text := os.Getenv("XOAUTH2_KILLS"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			t.Fatalf("XOAUTH2_KILLS: got %q, want a number", text)
		}
		kills = n
	}
	srv, app, task := newSharedAccount(t)
	task.Forever = true
	srv.RewriteTokenReplies(func(reply map[string]any) {
		time.Sleep(2 * time.Millisecond) // the way back: the refresh token is spent already
		reply["expires_in"] = 0.0001     // so that the next call renews again
	})
	over := 0
	for range kills {
		c := startChild(t, task)
		if got := c.says(); got != childReady {
			t.Fatalf("the process says %q: %s", got, c.errors)
		}
		time.Sleep(time.Duration(rand.IntN(12_000)) * time.Microsecond) // the moment is what is random
		c.kill()
		if !checkSurvivor(t, srv, restart(app)) {
			over++
		}
	}
	if entries, err := os.ReadDir(task.Dir); err != nil || len(entries) > 4 {
		t.Errorf("the killed processes left %d files, %v, want a record and its lock", len(entries), err)
	}
	t.Logf("%d of %d sign-ins were over, after %d renewals", over, kills, srv.TokenRequests(grantRefresh))
	if renewals := srv.TokenRequests(grantRefresh); renewals < kills {
		t.Errorf("got %d renewals, want at least one for each process", renewals)
	}
}

// checkSurvivor looks at what a killed process left. It reports whether the
// sign-in holds, and signs in again if it does not.
func checkSurvivor(t *testing.T, srv *exchangetest.Server, app *xoauth2.App) bool {
	t.Helper()
	wantAccounts(t, app, ada)
	// A token without an end is not stored, and so the next process renews again.
	alive := srv.RewriteTokenReplies(func(reply map[string]any) { delete(reply, "expires_in") })
	defer alive.Clear()
	_, err := wantAccount(t, app, ada).For(xoauth2.IMAP).TokenContext(t.Context())
	if err == nil {
		return true
	}
	if !errors.Is(err, xoauth2.ErrSignInRequired) {
		t.Fatalf("got %v, want a token or ErrSignInRequired", err)
	}
	signInByBrowser(t, srv, app, ada)
	return false
}
