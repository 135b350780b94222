package xoauth2_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/xoauth2/go-xoauth2/internal/transcript"
)

// peerPatience is how long a test's server waits for a client that ought to
// speak or go.
const peerPatience = 30 * time.Second

// mailHost is a mail server of a test, which plays one script to every client.
type mailHost struct {
	t      *testing.T
	link   func() (client, server net.Conn, err error)
	tls    *tls.Config
	script func(*peer)
	growth *growth // nil: not measured

	running sync.WaitGroup

	mu      sync.Mutex // guards the rest
	clients []*clientConn
	peers   []*peer
}

// newMailHost returns a server on the loopback interface.
func newMailHost(t *testing.T, script func(*peer)) *mailHost {
	t.Helper()
	return &mailHost{t: t, link: loopbackLink, tls: authority().server(t, validCertificate), script: script}
}

// newPipeHost returns a server at the other end of a pipe, for synctest.
func newPipeHost(t *testing.T, script func(*peer)) *mailHost {
	t.Helper()
	h := newMailHost(t, script)
	h.link = func() (client, server net.Conn, err error) {
		client, server = transcript.Pipe()
		return client, server, nil
	}
	return h
}

// loopbackLink returns the two ends of a TCP connection.
func loopbackLink() (client, server net.Conn, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	defer l.Close()
	if client, err = net.Dial("tcp", l.Addr().String()); err != nil {
		return nil, nil, err
	}
	if server, err = l.Accept(); err != nil {
		client.Close()
		return nil, nil, err
	}
	return client, server, server.SetDeadline(time.Now().Add(peerPatience))
}

// DialContext connects to the server, whatever the address is.
func (h *mailHost) DialContext(ctx context.Context, _, _ string) (net.Conn, error) {
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	client, server, err := h.link()
	if err != nil {
		return nil, err
	}
	c := &clientConn{Conn: client}
	p := &peer{host: h, tap: &tap{Conn: server}}
	p.use(p.tap)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.clients = append(h.clients, c)
	h.peers = append(h.peers, p)
	p.number = len(h.peers)
	h.running.Go(p.run)
	return c, nil
}

// finish waits until every client has gone. Nothing of what they sent may hold
// the canary where somebody on the way could read it.
func (h *mailHost) finish(t *testing.T) {
	t.Helper()
	h.running.Wait()
	for _, p := range h.peers {
		assertNoCanary(t, "the wire", string(p.tap.bytes()))
	}
}

// assertClosed fails unless the client has closed every connection.
func (h *mailHost) assertClosed(t *testing.T) {
	t.Helper()
	for i, c := range h.clients {
		if !c.closed.Load() {
			t.Errorf("connection %d: got it open, want it closed", i+1)
		}
	}
}

// lines returns what the clients said, one connection after the other.
func (h *mailHost) lines() []string {
	var all []string
	for _, p := range h.peers {
		all = append(all, p.heard...)
	}
	return all
}

// clientConn is the client's end of a connection.
type clientConn struct {
	net.Conn
	closed atomic.Bool
}

func (c *clientConn) Close() error {
	c.closed.Store(true)
	return c.Conn.Close()
}

// tap keeps what comes in, as somebody on the way would see it.
type tap struct {
	net.Conn
	mu sync.Mutex
	in []byte
}

func (c *tap) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.in) < 1<<20 {
		c.in = append(c.in, b[:n]...)
	}
	return n, err
}

func (c *tap) bytes() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.in
}

// peer is the server's side of one connection. When the client has gone, its
// methods end the script.
type peer struct {
	host   *mailHost
	number int // of the connection, from 1
	tap    *tap
	conn   net.Conn // tap, or TLS over it
	r      *bufio.Reader
	secure bool
	tag    string   // of the last IMAP command
	heard  []string // every line of the client

	refuseFirst bool // POP3: refuse XOAUTH2, so that the client asks what there is
}

// gone ends a script.
type gone struct{}

func (p *peer) use(conn net.Conn) {
	p.conn = conn
	p.r = bufio.NewReader(conn)
}

func (p *peer) run() {
	defer p.tap.Close()
	defer func() {
		if v := recover(); v != nil && v != (gone{}) {
			panic(v)
		}
	}()
	p.host.script(p)
	p.drain()
}

// drain waits for the client to go.
func (p *peer) drain() {
	if _, err := io.Copy(io.Discard, p.r); errors.Is(err, os.ErrDeadlineExceeded) {
		p.host.t.Error("got a connection that stays open, want it closed")
	}
}

// hangUp closes the connection and ends the script.
func (p *peer) hangUp() {
	p.tap.Close()
	panic(gone{})
}

// handshake does TLS. It ends the script if the client refuses.
func (p *peer) handshake() {
	conn := tls.Server(p.tap, p.host.tls)
	if err := conn.Handshake(); err != nil {
		panic(gone{})
	}
	p.use(conn)
	p.secure = true
}

// write sends bytes.
func (p *peer) write(s string) {
	if _, err := io.WriteString(p.conn, s); err != nil {
		panic(gone{})
	}
}

// say sends whole lines at once.
func (p *peer) say(lines ...string) { p.write(strings.Join(lines, "\r\n") + "\r\n") }

// reply sends a line with the tag of the last IMAP command before it.
func (p *peer) reply(text string) { p.say(p.tag + " " + text) }

// hear returns the client's next line.
func (p *peer) hear() string {
	line, err := p.r.ReadString('\n')
	if err != nil {
		panic(gone{})
	}
	line = strings.TrimSuffix(line, "\r\n")
	p.heard = append(p.heard, line)
	return line
}

// expect hears a line that begins with prefix, in IMAP after its tag.
func (p *peer) expect(prefix string) string {
	line := p.hear()
	text := line
	if tag, rest, ok := strings.Cut(line, " "); ok && isIMAPTag(tag) {
		p.tag, text = tag, rest
	}
	if !strings.HasPrefix(text, prefix) {
		p.host.t.Errorf("got %q from the client, want %q", line, prefix)
	}
	return text
}

func isIMAPTag(s string) bool {
	var n int
	_, err := fmt.Sscanf(s, "T%d", &n)
	return err == nil
}
