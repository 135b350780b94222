package xoauth2_test

import (
	"context"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"testing/iotest"

	"github.com/xoauth2/go-xoauth2"
	"github.com/xoauth2/go-xoauth2/exchangetest"
)

// misfortune strikes one connection in ten. The nth one fares the same in
// every run with the seed.
type misfortune struct {
	seed    uint64
	span    int64 // a connection that is struck breaks within so many bytes
	n       atomic.Uint64
	strikes atomic.Int64
	open    atomic.Int64 // connections that nobody has closed
}

// next tells how the next connection fares: well, or refused, or until it has
// moved so many bytes.
func (m *misfortune) next() (struck, refused bool, after int64) {
	random := rand.New(rand.NewPCG(m.seed, m.n.Add(1)))
	if random.IntN(10) != 0 {
		return false, false, math.MaxInt64
	}
	m.strikes.Add(1)
	return true, random.IntN(3) == 0, random.Int64N(m.span)
}

// unluckyDialer makes connections of which some are struck.
type unluckyDialer struct {
	*misfortune
	struck bool // the last one was
}

func (d *unluckyDialer) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	struck, refused, after := d.next()
	d.struck = struck
	if refused {
		return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.ECONNREFUSED}
	}
	conn, err := new(net.Dialer).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	d.open.Add(1)
	c := &unluckyConn{Conn: conn, closed: sync.OnceFunc(func() { d.open.Add(-1) })}
	c.left.Store(after)
	return c, nil
}

// unluckyConn breaks when it has moved so many bytes. It is not closed then.
type unluckyConn struct {
	net.Conn
	left   atomic.Int64
	closed func()
}

func (c *unluckyConn) Read(b []byte) (int, error)  { return c.move(b, c.Conn.Read) }
func (c *unluckyConn) Write(b []byte) (int, error) { return c.move(b, c.Conn.Write) }

func (c *unluckyConn) move(b []byte, move func([]byte) (int, error)) (int, error) {
	reset := &net.OpError{Op: "move", Net: "tcp", Err: syscall.ECONNRESET}
	left := c.left.Load()
	if left <= 0 {
		return 0, reset
	}
	n, err := move(b[:min(int64(len(b)), left)])
	if c.left.Add(-int64(n)) <= 0 && err == nil && n < len(b) {
		return n, reset
	}
	return n, err
}

func (c *unluckyConn) Close() error {
	c.closed()
	return c.Conn.Close()
}

// unluckyTransport sends requests of which some are struck: they do not reach
// the endpoint, or its reply breaks off.
type unluckyTransport struct {
	http.RoundTripper
	*misfortune
}

// RoundTrip implements http.RoundTripper.
func (t unluckyTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	struck, refused, after := t.next()
	if refused {
		r.Body.Close()
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	}
	resp, err := t.RoundTripper.RoundTrip(r)
	if err != nil || !struck {
		return resp, err
	}
	reset := iotest.ErrReader(&net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET})
	whole := resp.Body
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(io.LimitReader(whole, after), reset), whole}
	return resp, nil
}

// ledger is what the token endpoint knows of its refresh tokens, and of the
// requests with them.
type ledger struct {
	mu       sync.Mutex
	owner    map[string]string // of a refresh token
	open     map[string]int    // requests being answered, by owner
	most     int               // so many at once were of one owner
	requests int
	strange  int // with a refresh token that was never issued
}

// newLedger keeps the books of srv, from now on.
func newLedger(srv *exchangetest.Server) *ledger {
	l := &ledger{owner: make(map[string]string), open: make(map[string]int)}
	srv.RewriteTokenReplies(l.issued)
	srv.HandleTokenRequests(l.asked)
	return l
}

func (l *ledger) issued(reply map[string]any) {
	access, _ := reply["access_token"].(string)
	refresh, _ := reply["refresh_token"].(string)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.owner[refresh] = xoauth2.InspectToken(access).Username
}

// asked takes a while, in which another request of the account would be
// noticed, and leaves the answer to the server.
func (l *ledger) asked(_ http.ResponseWriter, r *http.Request) bool {
	if r.PostForm.Get("grant_type") != grantRefresh {
		return false
	}
	owner := l.begin(r.PostForm.Get("refresh_token"))
	wait(r.Context(), roundTrip)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open[owner]--
	return false
}

func (l *ledger) begin(refresh string) (owner string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	owner, known := l.owner[refresh]
	l.requests++
	if !known {
		l.strange++
	}
	l.open[owner]++
	l.most = max(l.most, l.open[owner])
	return owner
}
