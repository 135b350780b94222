package xoauth2_test

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/xoauth2/go-xoauth2"
)

// pop3TLS returns the configuration of a TLS server, and who trusts it.
func pop3TLS(t testing.TB) (*tls.Config, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	trust := x509.NewCertPool()
	trust.AddCert(leaf)
	certificate := tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	return &tls.Config{Certificates: []tls.Certificate{certificate}}, trust
}

// listenPOP3 has s serve on loopback, over TLS if config is not nil.
func listenPOP3(b testing.TB, s *pop3Server, config *tls.Config) string {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			if config != nil {
				conn = tls.Server(conn, config)
			}
			go s.serve(conn)
		}
	}()
	return l.Addr().String()
}

func dialPOP3Server(b testing.TB, addr string, trust *x509.CertPool) net.Conn {
	b.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	if trust != nil {
		conn = tls.Client(conn, &tls.Config{RootCAs: trust, ServerName: "localhost"})
	}
	b.Cleanup(func() { conn.Close() })
	return conn
}

// BenchmarkPOP3Throughput fetches messages of 20 KB. The floor is the least
// code that does the same: it reads lines, takes dots away, and counts.
func BenchmarkPOP3Throughput(b *testing.B) {
	message := strings.Repeat(strings.Repeat("x", 76)+"\r\n", 20_000/78)
	config, trust := pop3TLS(b)
	for _, pipelining := range []bool{true, false} {
		s := &pop3Server{pipelining: pipelining, count: 1 << 30, message: message}
		plain, secure := listenPOP3(b, s, nil), listenPOP3(b, s, config)
		for name, dial := range map[string]func(*testing.B) net.Conn{
			"TCP": func(b *testing.B) net.Conn { return dialPOP3Server(b, plain, nil) },
			"TLS": func(b *testing.B) net.Conn { return dialPOP3Server(b, secure, trust) },
		} {
			name = fmt.Sprintf("%s/pipelining=%v/", name, pipelining)
			b.Run(name+"floor", func(b *testing.B) { benchmarkPOP3Floor(b, dial(b), pipelining, len(message)) })
			b.Run(name+"RetrAll", func(b *testing.B) { benchmarkPOP3RetrAll(b, dial(b), len(message)) })
			if !pipelining {
				b.Run(name+"Retr", func(b *testing.B) { benchmarkPOP3Retr(b, dial(b), len(message)) })
			}
		}
	}
}

func benchmarkPOP3Floor(b *testing.B, conn net.Conn, pipelining bool, size int) {
	r := bufio.NewReader(conn)
	if _, err := r.ReadSlice('\n'); err != nil {
		b.Fatal(err)
	}
	const batch = 100
	b.SetBytes(int64(size))
	b.ReportAllocs()
	asked := 0
	for n := 0; b.Loop(); n++ {
		if n == asked {
			asked++
			if pipelining {
				asked += batch - 1
			}
			io.WriteString(conn, strings.Repeat("RETR 1\r\n", asked-n))
		}
		if got := pop3Floor(b, r); got != size {
			b.Fatalf("got %d octets, want %d", got, size)
		}
	}
}

// pop3Floor reads a message and returns its length.
func pop3Floor(b *testing.B, r *bufio.Reader) (n int) {
	if _, err := r.ReadSlice('\n'); err != nil {
		b.Fatal(err)
	}
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			b.Fatal(err)
		}
		if string(line) == ".\r\n" {
			return n
		}
		n += len(bytes.TrimPrefix(line, []byte(".")))
	}
}

func newPOP3Benchmark(b *testing.B, conn net.Conn, size int) *xoauth2.POP3Client {
	b.Helper()
	c, err := xoauth2.NewPOP3Client(conn)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := c.Capabilities(); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(size))
	b.ReportAllocs()
	return c
}

func benchmarkPOP3RetrAll(b *testing.B, conn net.Conn, size int) {
	c := newPOP3Benchmark(b, conn, size)
	numbers := make([]int, 1000)
	for i := range numbers {
		numbers[i] = i + 1
	}
	for b.Loop() {
		// b.Loop counts messages: the calls of each beyond the first are its
		// iterations as well.
		left := len(numbers)
		err := c.RetrAll(numbers, func(_ int, r io.Reader) error {
			n, err := io.Copy(io.Discard, r)
			if n != int64(size) {
				b.Fatalf("got %d octets, want %d", n, size)
			}
			if left--; left > 0 && !b.Loop() {
				return io.EOF
			}
			return err
		})
		if err == io.EOF {
			return
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}

func benchmarkPOP3Retr(b *testing.B, conn net.Conn, size int) {
	c := newPOP3Benchmark(b, conn, size)
	for b.Loop() {
		r, err := c.Retr(1)
		if err != nil {
			b.Fatal(err)
		}
		if n, err := io.Copy(io.Discard, r); n != int64(size) || err != nil {
			b.Fatalf("got %d octets, %v, want %d", n, err, size)
		}
	}
}

// repeating is a connection to a server that answers every command with the
// same reply.
type repeating struct {
	net.Conn
	reply    string
	commands chan int
	pending  int
	left     string
}

func (c *repeating) Write(p []byte) (int, error) {
	c.commands <- bytes.Count(p, []byte("\n"))
	return len(p), nil
}

func (c *repeating) Read(p []byte) (int, error) {
	if c.left == "" {
		if c.pending == 0 {
			c.pending = <-c.commands
		}
		c.pending--
		c.left = c.reply
	}
	n := copy(p, c.left)
	c.left = c.left[n:]
	return n, nil
}

// TestPOP3Allocations limits what a message costs the garbage collector.
func TestPOP3Allocations(t *testing.T) {
	const limit = 2
	conn := &repeating{left: "+OK\r\n", commands: make(chan int, 2)}
	c, err := xoauth2.NewPOP3Client(conn)
	if err != nil {
		t.Fatal(err)
	}
	numbers := make([]int, 1000)
	for i := range numbers {
		numbers[i] = 1000 + i
	}
	for _, capa := range []string{"-ERR\r\n", "+OK\r\nPIPELINING\r\n.\r\n"} {
		conn.reply = capa
		_, _ = c.Capabilities()
		conn.reply = "+OK 20000 octets\r\n" + strings.Repeat(strings.Repeat("x", 76)+"\r\n", 256) + ".\r\n"
		got := testing.AllocsPerRun(5, func() { err = errors.Join(err, c.RetrAll(numbers, discard)) })
		if got > limit*1000 {
			t.Errorf("RetrAll, capabilities %q: got %.0f allocations for 1,000 messages, want at most %d for each", capa, got, limit)
		}
	}
	got := testing.AllocsPerRun(100, func() {
		r, retrErr := c.Retr(1000)
		err = errors.Join(err, retrErr, discard(0, r))
	})
	if got > limit {
		t.Errorf("Retr: got %.0f allocations, want at most %d", got, limit)
	}
	if err != nil {
		t.Errorf("got %v, want no error", err)
	}
}

// TestPOP3Idle limits what a session that waits for its user costs: its TLS
// connection, and little else.
func TestPOP3Idle(t *testing.T) {
	const limit = 10.5 * 1024
	octets, goroutines := idlePOP3(t, 100)
	if octets > limit {
		t.Errorf("an idle session holds %.0f bytes, want at most %.0f", octets, limit)
	}
	if goroutines > 0 {
		t.Errorf("idle sessions run %d goroutines, want none", goroutines)
	}
}

func BenchmarkPOP3Idle(b *testing.B) {
	octets := 0.0
	for b.Loop() {
		octets, _ = idlePOP3(b, 300)
	}
	b.ReportMetric(octets, "B/session")
	b.ReportMetric(0, "ns/op")
}

// idlePOP3 returns how many bytes each of so many sessions over TLS holds,
// without its socket, and how many goroutines they run. The server's part is
// left out.
func idlePOP3(t testing.TB, sessions int) (octets float64, goroutines int) {
	t.Helper()
	config, trust := pop3TLS(t)
	addr := listenPOP3(t, &pop3Server{count: 1}, config)
	open := func(raw net.Conn) *xoauth2.POP3Client {
		c, err := xoauth2.NewPOP3Client(tls.Client(raw, &tls.Config{RootCAs: trust, ServerName: "localhost"}))
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := c.Stat(); err != nil {
			t.Fatal(err)
		}
		return c
	}
	open(dialPOP3Server(t, addr, nil)) // whatever is made once
	raw := make([]net.Conn, sessions)
	clients := make([]*xoauth2.POP3Client, sessions)
	before := runtime.NumGoroutine()
	for i := range clients {
		raw[i] = dialPOP3Server(t, addr, nil)
		clients[i] = open(raw[i])
	}
	goroutines = runtime.NumGoroutine() - before - sessions // the server's
	with := liveHeap()
	runtime.KeepAlive(clients)
	clients = nil
	octets = float64(with-liveHeap()) / float64(sessions)
	runtime.KeepAlive(raw)
	return octets, goroutines
}

func liveHeap() int64 {
	var stats runtime.MemStats
	for range 3 { // what a sync.Pool holds survives the first
		runtime.GC()
	}
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}
