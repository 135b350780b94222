package loopback_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/xoauth2/go-xoauth2/internal/loopback"
)

// TestTurnedAway: each of these is refused, and the sign-in goes on to its end.
func TestTurnedAway(t *testing.T) {
	t.Parallel()
	right := "code=" + code + "&state=" + state
	for _, tt := range []struct {
		name, request string
		want          int
	}{
		{"DNS rebinding", strings.Replace(get(right), "localhost", "rebound.example", 1), http.StatusForbidden},
		{"host without a port", strings.Replace(get(right), "localhost:PORT", "localhost", 1), http.StatusForbidden},
		{"host with another port", strings.Replace(get(right), "localhost:PORT", "localhost:1", 1), http.StatusForbidden},
		{"host by address", strings.Replace(get(right), "localhost", "127.0.0.1", 1), http.StatusForbidden},
		{"no host", "GET /?" + right + " HTTP/1.0\r\n\r\n", http.StatusForbidden},
		{"host in the target", strings.Replace(get(right), "GET /", "GET http://rebound.example/", 1), http.StatusForbidden},
		{"all options", "OPTIONS * HTTP/1.1\r\nHost: rebound.example\r\n\r\n", http.StatusForbidden},
		{"favicon", "GET /favicon.ico HTTP/1.1\r\nHost: localhost:PORT\r\n\r\n", http.StatusNotFound},
		{"other path", strings.Replace(get(right), "/?", "/callback?", 1), http.StatusNotFound},
		{"two slashes", strings.Replace(get(right), "/?", "//?", 1), http.StatusNotFound},
		{"dots", strings.Replace(get(right), "/?", "/x/..?", 1), http.StatusNotFound},
		{"HEAD", strings.Replace(get(right), "GET", "HEAD", 1), http.StatusMethodNotAllowed},
		{"PUT", strings.Replace(post(right), "POST", "PUT", 1), http.StatusMethodNotAllowed},
		{"preflight", "OPTIONS / HTTP/1.1\r\nHost: localhost:PORT\r\nOrigin: https://evil.example\r\nAccess-Control-Request-Method: POST\r\n\r\n", http.StatusMethodNotAllowed},
		{"script", strings.Replace(get(right), "\r\n\r\n", "\r\nOrigin: https://evil.example\r\n\r\n", 1), http.StatusForbidden},
		{"fetch", strings.Replace(get(right), "\r\n\r\n", "\r\nSec-Fetch-Mode: cors\r\n\r\n", 1), http.StatusForbidden},
		{"image", strings.Replace(get(right), "\r\n\r\n", "\r\nSec-Fetch-Mode: no-cors\r\n\r\n", 1), http.StatusForbidden},
		{"posting script", strings.Replace(post(right), "Origin: null", "Origin: https://evil.example\r\nSec-Fetch-Mode: no-cors", 1), http.StatusForbidden},
		{"foreign form", strings.Replace(post("code=x&state=guess"), "Origin: null", "Origin: https://evil.example\r\nSec-Fetch-Mode: navigate", 1), http.StatusBadRequest},
		{"wrong state", get("code=x&state=guess"), http.StatusBadRequest},
		{"start of the state", get("code=x&state=" + state[:len(state)-1]), http.StatusBadRequest},
		{"no state", get("code=x"), http.StatusBadRequest},
		{"empty state", get("code=x&state="), http.StatusBadRequest},
		{"two states", get(right + "&state=guess"), http.StatusBadRequest},
		{"two codes", get(right + "&code=x"), http.StatusBadRequest},
		{"code and error", get(right + "&error=access_denied"), http.StatusBadRequest},
		{"neither", get("state=" + state), http.StatusBadRequest},
		{"refusal without state", get("error=access_denied"), http.StatusBadRequest},
		{"empty", "GET / HTTP/1.1\r\nHost: localhost:PORT\r\n\r\n", http.StatusBadRequest},
		{"bad escape", get(right + "&x=%zz"), http.StatusBadRequest},
		{"semicolon", get(right + ";x=y"), http.StatusBadRequest},
		{"query of a POST", strings.Replace(post("x=y"), "POST /", "POST /?"+right, 1), http.StatusBadRequest},
		{"JSON", strings.Replace(post(right), "x-www-form-urlencoded", "json", 1), http.StatusUnsupportedMediaType},
		{"no type", strings.Replace(post(right), "Content-Type", "X-Type", 1), http.StatusUnsupportedMediaType},
		{"10 MB body", post(right + "&x=" + strings.Repeat("x", 10<<20)), http.StatusRequestEntityTooLarge},
		{"endless body", strings.Replace(post(strings.Repeat("10000\r\n"+strings.Repeat("x", 1<<16)+"\r\n", 100)), "Content-Length:", "Transfer-Encoding: chunked\r\nX-Length:", 1), http.StatusRequestEntityTooLarge},
		{"broken chunks", strings.Replace(post("zz\r\n"), "Content-Length:", "Transfer-Encoding: chunked\r\nX-Length:", 1), http.StatusBadRequest},
		{"long header", strings.Replace(get(right), "\r\n\r\n", "\r\nX: "+strings.Repeat("x", 1<<16)+"\r\n\r\n", 1), http.StatusRequestHeaderFieldsTooLarge},
		{"long query", get(right + "&x=" + strings.Repeat("x", 1<<16)), http.StatusRequestHeaderFieldsTooLarge},
		{"garbage", "\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", http.StatusBadRequest},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := wait(t)
			resp, body := w.send(t, "127.0.0.1", tt.request)
			if resp.StatusCode != tt.want {
				t.Errorf("got status %d, want %d", resp.StatusCode, tt.want)
			}
			if strings.Contains(body, code) || strings.Contains(body, state) || resp.Header.Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("the refusal gives something away: %v %q", resp.Header, body)
			}
			if strings.HasPrefix(body, "<!DOCTYPE") {
				wantSafePage(t, resp, body)
			}
			w.genuine(t)
		})
	}
}

// TestManyConnections: a thousand idle connections, and as many that never
// finish their header, keep nobody out.
func TestManyConnections(t *testing.T) {
	t.Parallel()
	n := 1000
	if testing.Short() {
		n = 300
	}
	for name, begin := range map[string]string{"idle": "", "half a header": "GET / HTTP/1.1\r\nHost: local"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := wait(t)
			for range n {
				conn := w.dial(t, "127.0.0.1")
				_, _ = io.WriteString(conn, begin) // it may have been closed already
			}
			w.genuine(t)
		})
	}
}

// TestTwoAnswers: of many genuine answers at once, one wins, and its browser is
// the one that is told so.
func TestTwoAnswers(t *testing.T) {
	t.Parallel()
	w := wait(t)
	const browsers = 20
	pages := make([]string, browsers)
	var wg sync.WaitGroup
	conns := make([]net.Conn, browsers)
	for i := range browsers {
		conns[i] = w.dial(t, "127.0.0.1")
	}
	for i, conn := range conns {
		wg.Go(func() {
			_, _ = io.WriteString(conn, strings.ReplaceAll(get(fmt.Sprintf("code=%d&state=%s", i, state)), "PORT", w.port))
			page, _ := io.ReadAll(conn) // the losers may find the door closed
			pages[i] = string(page)
		})
	}
	wg.Wait()
	r := w.outcome(t)
	if r.err != nil {
		t.Fatal(r.err)
	}
	for i, page := range pages {
		won := strings.Contains(page, "You are signed in")
		if want := r.answer.Get("code") == fmt.Sprint(i); won != want {
			t.Errorf("browser %d: success shown: %t, want %t", i, won, want)
		}
	}
	w.gone(t)
}

// memory is a net.Listener without a network, for fake time.
type memory struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newMemory() *memory { return &memory{conns: make(chan net.Conn), closed: make(chan struct{})} }

func (m *memory) Accept() (net.Conn, error) {
	select {
	case c := <-m.conns:
		return c, nil
	case <-m.closed:
		return nil, net.ErrClosed
	}
}

func (m *memory) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1234} }

func (m *memory) Close() error {
	m.once.Do(func() { close(m.closed) })
	return nil
}

func (m *memory) dial() net.Conn {
	client, server := net.Pipe()
	m.conns <- server
	return client
}

// TestSlowHeaders: a visitor who sends a byte a second is shown out, and does
// not hold up the answer.
func TestSlowHeaders(t *testing.T) {
	t.Parallel()
	for name, slow := range map[string]struct {
		request string
		limit   time.Duration
	}{
		"header": {"GET /?code=1&state=2 HTTP/1.1\r\nHost: localhost:1234\r\n\r\n", 5 * time.Second},
		"body":   {strings.ReplaceAll(post(strings.Repeat("x", 100)), "PORT", "1234"), 10 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				socket := newMemory()
				l := loopback.NewListener(socket)
				answers := make(chan result, 1)
				go func() {
					answer, err := l.Wait(t.Context(), state)
					answers <- result{answer, err}
				}()
				start := time.Now()
				conn := socket.dial()
				go func() { _, _ = io.Copy(io.Discard, conn) }()
				request := slow.request
				if head, _, isPost := strings.Cut(slow.request, strings.Repeat("x", 100)); isPost {
					if _, err := io.WriteString(conn, head); err != nil {
						t.Fatal(err)
					}
					request = strings.Repeat("x", 100)
				}
				for i := range request {
					if _, err := conn.Write([]byte{request[i]}); err != nil {
						break
					}
					time.Sleep(time.Second)
				}
				if took := time.Since(start); took < slow.limit || took > slow.limit+2*time.Second {
					t.Errorf("shown out after %v, want %v", took, slow.limit)
				}

				browser := socket.dial()
				fmt.Fprintf(browser, "GET /?code=%s&state=%s HTTP/1.1\r\nHost: localhost:1234\r\n\r\n", code, state)
				resp, err := http.ReadResponse(bufio.NewReader(browser), nil)
				if err != nil || resp.StatusCode != http.StatusOK {
					t.Fatalf("got response %v and error %v", resp, err)
				}
				if _, err := io.Copy(io.Discard, resp.Body); err != nil {
					t.Error(err)
				}
				if r := <-answers; r.err != nil || r.answer.Get("code") != code {
					t.Errorf("got error %v, want the code", r.err)
				}
			})
		})
	}
}

// TestOldestHasToGo: the number of open connections is bounded, and the newest are among them.
func TestOldestHasToGo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const idle, limit = 300, 128
		socket := newMemory()
		answers := make(chan result, 1)
		go func() {
			answer, err := loopback.NewListener(socket).Wait(t.Context(), state)
			answers <- result{answer, err}
		}()
		var closed atomic.Int32
		for range idle {
			conn := socket.dial()
			go func() {
				_, _ = io.Copy(io.Discard, conn)
				closed.Add(1)
			}()
		}
		synctest.Wait()
		if got := closed.Load(); got != idle-limit {
			t.Errorf("%d of %d connections were closed, want %d", got, idle, idle-limit)
		}
		visit(socket, []byte(strings.ReplaceAll(get("code="+code+"&state="+state), "PORT", "1234")), true)
		if r := <-answers; r.err != nil || r.answer.Get("code") != code {
			t.Errorf("got error %v, want the code", r.err)
		}
		synctest.Wait()
		if got := closed.Load(); got != idle {
			t.Errorf("%d of %d connections were closed in the end", got, idle)
		}
	})
}

// TestSlowBrowser: the page is whole even if the browser takes its time to read it.
func TestSlowBrowser(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		socket := newMemory()
		pages := make(chan string, 1)
		go func() {
			browser := socket.dial()
			fmt.Fprintf(browser, "GET /?code=%s&state=%s HTTP/1.1\r\nHost: localhost:1234\r\n\r\n", code, state)
			time.Sleep(time.Second)
			page, _ := io.ReadAll(browser)
			pages <- string(page)
		}()
		if _, err := loopback.NewListener(socket).Wait(t.Context(), state); err != nil {
			t.Errorf("Wait: %v", err)
		}
		if page := <-pages; !strings.HasSuffix(page, "</html>\n") {
			t.Errorf("got page %q, want a whole one", page)
		}
	})
}

// TestDeafBrowser: one that never reads its page delays Wait by a moment, not for ever.
func TestDeafBrowser(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		socket := newMemory()
		l := loopback.NewListener(socket)
		start := time.Now()
		go func() {
			conn := socket.dial()
			fmt.Fprintf(conn, "GET /?code=%s&state=%s HTTP/1.1\r\nHost: localhost:1234\r\n\r\n", code, state)
		}()
		answer, err := l.Wait(t.Context(), state)
		if err != nil || answer.Get("code") != code {
			t.Errorf("got error %v, want the code", err)
		}
		if took := time.Since(start); took > 3*time.Second {
			t.Errorf("Wait took %v", took)
		}
	})
}
