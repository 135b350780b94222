package bench_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os/exec"
	"testing"
	"testing/synctest"
	"time"

	"github.com/xoauth2/go-xoauth2"
	"github.com/xoauth2/go-xoauth2/bench/internal/lab"
	"github.com/xoauth2/go-xoauth2/exchangetest"
)

// fetchAll reads all messages and returns how long that took.
func fetchAll(tb testing.TB, m *lab.Mail, want int) time.Duration {
	tb.Helper()
	c := must[*xoauth2.POP3Client](tb)(xoauth2.DialPOP3(tb.Context(), m.User, m.TokenSource(), m.Options(m.TLSConfig())))
	defer c.Close()
	_ = must[map[string][]string](tb)(c.Capabilities())
	begin := time.Now()
	got := 0
	if err := c.RetrAll(count(want), func(_ int, r io.Reader) error {
		got++
		_, err := io.Copy(io.Discard, r)
		return err
	}); err != nil || got != want {
		tb.Fatalf("got %d messages and %v, want %d", got, err, want)
	}
	return time.Since(begin)
}

// count returns the numbers of n messages.
func count(n int) []int {
	numbers := make([]int, n)
	for i := range numbers {
		numbers[i] = i + 1
	}
	return numbers
}

// TestThousandMessages: with PIPELINING 1,000 small messages take two round
// trips at most, and without one each.
func TestThousandMessages(t *testing.T) {
	const n = 1_000
	server := lab.NewServer(n)
	defer server.Close()
	for pipelining, limit := range map[bool]time.Duration{true: 2 * rtt, false: n * rtt * 105 / 100} {
		server.OfferPipelining(pipelining)
		synctest.Test(t, func(t *testing.T) {
			took := fetchAll(t, lab.MailOf(server).Via(lab.Link{RTT: rtt, To: server.MemoryDial}), n)
			if took > limit {
				t.Errorf("with PIPELINING=%v: got %v, want at most %v", pipelining, took, limit)
			}
			time.Sleep(time.Minute) // what is under way arrives
		})
	}
}

// BenchmarkSmallMessages is TestThousandMessages by the clock on the wall, in
// round trips of a message. Without PIPELINING it takes 20 messages.
func BenchmarkSmallMessages(b *testing.B) {
	for _, pipelining := range []bool{true, false} {
		b.Run(fmt.Sprintf("pipelining=%v", pipelining), func(b *testing.B) {
			n := 1_000
			if !pipelining {
				n = 20
			}
			server := lab.NewServer(n)
			defer server.Close()
			server.OfferPipelining(pipelining)
			link := lab.Link{RTT: rtt, To: new(net.Dialer).DialContext}
			far := lab.MailOf(server).Via(link)
			contestants := []lab.Contestant{{Name: "ours", Measure: func() float64 {
				return float64(fetchAll(b, far, n)) / float64(rtt) / float64(n)
			}}}
			if curl, ok := curlMessages(b, server, link, far, 20); ok {
				contestants = append(contestants, curl)
			}
			lab.Contest(b, "trips/message", contestants...)
		})
	}
}

// curlMessages has curl fetch n messages on one connection.
func curlMessages(b *testing.B, server *exchangetest.Server, link lab.Link, far *lab.Mail, n int) (lab.Contestant, bool) {
	if _, err := exec.LookPath("curl"); err != nil {
		return lab.Contestant{}, false
	}
	near, stop, err := link.Listen(server.Addr(xoauth2.POP3, false))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(stop)
	url := "pop3s://" + near + "/"
	return lab.Contestant{Name: "curl", Measure: func() float64 {
		begin := time.Now()
		_, _ = lab.Curl(b, far, url+"1")
		one := time.Since(begin)
		_, _ = lab.Curl(b, far, fmt.Sprintf("%s[1-%d]", url, n))
		return float64(time.Since(begin)-2*one) / float64(rtt) / float64(n-1)
	}}, true
}

const (
	batch       = 200
	messageLine = 78
	messageSize = 20_000 / messageLine * messageLine
)

// servePOP3 answers RETR with a message of 20 KB as fast as it can.
func servePOP3(conn net.Conn) {
	defer conn.Close()
	message := append([]byte("+OK\r\n"), bytes.Repeat(append(bytes.Repeat([]byte{'x'}, messageLine-2), "\r\n"...), messageSize/messageLine)...)
	message = append(message, ".\r\n"...)
	r, w := bufio.NewReader(conn), bufio.NewWriterSize(conn, 64<<10)
	answer := []byte("+OK\r\n")
	for {
		if _, err := w.Write(answer); err != nil {
			return
		}
		if r.Buffered() == 0 {
			_ = w.Flush() // the next read tells
		}
		command, err := r.ReadSlice('\n')
		if err != nil {
			return
		}
		answer = message
		if bytes.HasPrefix(command, []byte("CAPA")) {
			answer = []byte("+OK\r\nPIPELINING\r\n.\r\n")
		}
	}
}

// BenchmarkPOP3Throughput fetches messages of 20 KB over TLS. The floor is the
// least code that does the same: it reads lines, takes dots away, and counts.
func BenchmarkPOP3Throughput(b *testing.B) {
	listener := must[net.Listener](b)(net.Listen("tcp", "127.0.0.1:0"))
	defer listener.Close()
	certificate := must[tls.Certificate](b)(lab.Certificate())
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go servePOP3(tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{certificate}}))
		}
	}()
	dial := func() net.Conn {
		conn := must[net.Conn](b)(net.Dial("tcp", listener.Addr().String()))
		return tls.Client(conn, lab.Trust(certificate))
	}
	floor := bufio.NewReader(nil)
	plain := dial()
	floor.Reset(plain)
	client := must[*xoauth2.POP3Client](b)(xoauth2.NewPOP3Client(dial()))
	_ = must[map[string][]string](b)(client.Capabilities())
	_ = must[string](b)(floor.ReadString('\n'))
	lab.Contest(b, "MB/s",
		throughput("floor", func() (int, error) { return floorPOP3(plain, floor) }),
		throughput("ours", func() (int, error) {
			octets := 0
			err := client.RetrAll(count(batch), func(_ int, r io.Reader) error {
				n, err := io.Copy(io.Discard, r)
				octets += int(n)
				return err
			})
			return octets, err
		}),
	)
}

// throughput measures f, which fetches a batch.
func throughput(name string, f func() (int, error)) lab.Contestant {
	return lab.Contestant{Name: name, Measure: func() float64 {
		begin := time.Now()
		octets, err := f()
		if octets != batch*messageSize {
			panic(fmt.Sprintf("%s: got %d octets and %v, want %d", name, octets, err, batch*messageSize))
		}
		return float64(octets) / 1e6 / time.Since(begin).Seconds()
	}}
}

func floorPOP3(w io.Writer, r *bufio.Reader) (octets int, err error) {
	if _, err := w.Write(bytes.Repeat([]byte("RETR 1\r\n"), batch)); err != nil {
		return 0, err
	}
	for range batch {
		if _, err := r.ReadSlice('\n'); err != nil {
			return octets, err
		}
		for {
			line, err := r.ReadSlice('\n')
			if err != nil {
				return octets, err
			}
			if string(line) == ".\r\n" {
				break
			}
			octets += len(bytes.TrimPrefix(line, []byte{'.'}))
		}
	}
	return octets, nil
}
