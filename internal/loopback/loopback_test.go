package loopback_test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/xoauth2/go-xoauth2/internal/loopback"
)

const (
	state = "the-state-of-this-sign-in"
	code  = "CANARY-code"
)

type result struct {
	answer url.Values
	err    error
}

// waiting is a listener in the middle of Wait.
type waiting struct {
	*loopback.Listener
	port   string
	result chan result
	cancel context.CancelCauseFunc
}

func wait(t *testing.T) *waiting {
	t.Helper()
	l, err := loopback.Listen()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	t.Cleanup(func() { cancel(nil) })
	w := &waiting{l, strings.TrimPrefix(l.URL(), "http://localhost:"), make(chan result, 1), cancel}
	go func() {
		answer, err := l.Wait(ctx, state)
		w.result <- result{answer, err}
	}()
	return w
}

// dial connects to the listener as another program would.
func (w *waiting) dial(t *testing.T, address string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", net.JoinHostPort(address, w.port))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// send writes a raw request, in which PORT stands for the port, and returns the whole reply.
func (w *waiting) send(t *testing.T, address, request string) (*http.Response, string) {
	t.Helper()
	conn := w.dial(t, address)
	// A refusal may come, and the connection end, before all of a long request is written.
	go func() { _, _ = io.WriteString(conn, strings.ReplaceAll(request, "PORT", w.port)) }()
	method, _, _ := strings.Cut(request, " ")
	resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		t.Fatalf("no reply to %.100q: %v", request, err)
	}
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil {
		t.Fatalf("the page was cut off: %v", err)
	}
	return resp, string(body)
}

func get(query string) string {
	return "GET /?" + query + " HTTP/1.1\r\nHost: localhost:PORT\r\n\r\n"
}

func post(body string) string {
	return fmt.Sprintf("POST / HTTP/1.1\r\nHost: localhost:PORT\r\nOrigin: null\r\n"+
		"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

// outcome is what Wait returned.
func (w *waiting) outcome(t *testing.T) result {
	t.Helper()
	select {
	case r := <-w.result:
		return r
	case <-time.After(time.Minute):
		t.Fatal("Wait did not return")
		return result{}
	}
}

// genuine sends the right answer and checks that it arrives.
func (w *waiting) genuine(t *testing.T) {
	t.Helper()
	resp, body := w.send(t, "127.0.0.1", get("code="+code+"&state="+state))
	if resp.StatusCode != http.StatusOK || !strings.Contains(body, "You are signed in") {
		t.Errorf("got status %d and page %q, want a success", resp.StatusCode, body)
	}
	r := w.outcome(t)
	if r.err != nil || r.answer.Get("code") != code {
		t.Errorf("got %d parameters and error %v, want the code", len(r.answer), r.err)
	}
	w.gone(t)
}

// gone checks that nobody listens any more.
func (w *waiting) gone(t *testing.T) {
	t.Helper()
	for _, address := range []string{"127.0.0.1", "::1"} {
		if conn, err := net.Dial("tcp", net.JoinHostPort(address, w.port)); err == nil {
			conn.Close()
			t.Errorf("%s still listens", address)
		}
	}
}

func addresses(t *testing.T) []string {
	probe, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		t.Log("without ::1, which this machine does not have")
		return []string{"127.0.0.1"}
	}
	probe.Close()
	return []string{"127.0.0.1", "::1"}
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	success := url.Values{"code": {code}, "state": {state}, "iss": {"https://login.example/"}, "session_state": {"x"}}
	refusal := url.Values{"error": {"access_denied"}, "error_description": {"The user <b>declined</b>."}, "state": {state}}
	for _, tt := range []struct {
		name, request string
		want          url.Values
		page          string
	}{
		{"query", get(success.Encode()), success, "You are signed in. You can close this window."},
		{"form_post", post(success.Encode()), success, "You are signed in. You can close this window."},
		{"form_post with a charset", strings.Replace(post(success.Encode()), "urlencoded", "urlencoded; charset=UTF-8", 1), success, "You are signed in"},
		{"query refused", get(refusal.Encode()), refusal, "The user &lt;b&gt;declined&lt;/b&gt;."},
		{"form_post refused", post(refusal.Encode()), refusal, "access_denied"},
		{"host in capitals", strings.Replace(get(success.Encode()), "localhost", "LOCALHOST", 1), success, "You are signed in"},
		{"said to be a navigation", strings.Replace(get(success.Encode()), "\r\n\r\n", "\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Site: cross-site\r\n\r\n", 1), success, "You are signed in"},
		{"from the provider's site", strings.Replace(post(success.Encode()), "Origin: null", "Origin: https://login.example\r\nSec-Fetch-Mode: navigate", 1), success, "You are signed in"},
	} {
		for _, address := range addresses(t) {
			t.Run(tt.name+" to "+address, func(t *testing.T) {
				t.Parallel()
				w := wait(t)
				resp, body := w.send(t, address, tt.request)
				r := w.outcome(t)
				if r.err != nil || r.answer.Encode() != tt.want.Encode() {
					t.Errorf("got %q and error %v, want %q", r.answer, r.err, tt.want)
				}
				w.gone(t)
				if resp.StatusCode != http.StatusOK || !strings.Contains(body, tt.page) {
					t.Errorf("got status %d and page %q, want %q", resp.StatusCode, body, tt.page)
				}
				wantSafePage(t, resp, body)
			})
		}
	}
}

// wantSafePage checks what every page has to be: alone, not kept, and without secrets.
func wantSafePage(t *testing.T, resp *http.Response, body string) {
	t.Helper()
	for name, want := range map[string]string{
		"Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff",
	} {
		if got := resp.Header.Get(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	_, rest, _ := strings.Cut(body, "<style>")
	style, _, found := strings.Cut(rest, "</style>")
	sum := sha256.Sum256([]byte(style))
	policy := resp.Header.Get("Content-Security-Policy")
	if !found || !strings.HasPrefix(policy, "default-src 'none'; style-src 'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'") {
		t.Errorf("policy %q does not fit the page %q", policy, body)
	}
	for _, bad := range []string{code, state, "<script", "src=", "href=", "url(", "<b>"} {
		if strings.Contains(body, bad) || strings.Contains(fmt.Sprint(resp.Header), bad) {
			t.Errorf("the page or its header holds %q", bad)
		}
	}
	if !strings.HasPrefix(body, "<!DOCTYPE html>") || !strings.Contains(body, "color-scheme:light dark") {
		t.Errorf("the page is not what a browser shows well: %q", body)
	}
}

func TestLongRefusalIsCut(t *testing.T) {
	t.Parallel()
	w := wait(t)
	answer := url.Values{"state": {state}, "error": {"server_error"}, "error_description": {strings.Repeat("ü", 2000)}}
	_, body := w.send(t, "127.0.0.1", get(answer.Encode()))
	if n := strings.Count(body, "ü"); n != 512 || strings.Contains(body, "\uFFFD") {
		t.Errorf("got %d characters of the description, want 512 whole ones", n)
	}
	if r := w.outcome(t); r.err != nil || r.answer.Encode() != answer.Encode() {
		t.Errorf("got error %v, or not the whole description", r.err)
	}
}

func TestURL(t *testing.T) {
	t.Parallel()
	l, err := loopback.Listen()
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	u, err := url.Parse(l.URL())
	if err != nil || u.Scheme != "http" || u.Hostname() != "localhost" || u.Port() == "" || u.Path != "" {
		t.Errorf("got %q, want http://localhost:PORT", l.URL())
	}
}

// TestEarlyAnswer: what comes between Listen and Wait is not lost.
func TestEarlyAnswer(t *testing.T) {
	t.Parallel()
	l, err := loopback.Listen()
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", strings.Replace(strings.TrimPrefix(l.URL(), "http://"), "localhost", "127.0.0.1", 1))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET /?code=%s&state=%s HTTP/1.1\r\nHost: %s\r\n\r\n", code, state, strings.TrimPrefix(l.URL(), "http://"))
	if answer, err := l.Wait(t.Context(), state); err != nil || answer.Get("code") != code {
		t.Errorf("got %d parameters and error %v, want the code", len(answer), err)
	}
	// The page was complete before Wait returned.
	if page, err := io.ReadAll(conn); err != nil || !strings.HasSuffix(string(page), "</html>\n") {
		t.Errorf("got page %q and error %v", page, err)
	}
}

func TestContextEnds(t *testing.T) {
	t.Parallel()
	reason := errors.New("enough")
	for name, begin := range map[string]string{
		"nobody":         "",
		"half a header":  "GET /?code=" + code + "&state=" + state + " HTTP/1.1\r\nHost:",
		"half a body":    strings.TrimSuffix(post("code="+code+"&state="+state), "sign-in"),
		"a wrong answer": get("code=x&state=y"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := wait(t)
			conn := w.dial(t, "127.0.0.1")
			if _, err := io.WriteString(conn, strings.ReplaceAll(begin, "PORT", w.port)); err != nil {
				t.Fatal(err)
			}
			w.cancel(reason)
			if r := w.outcome(t); !errors.Is(r.err, reason) || r.answer != nil || strings.Contains(r.err.Error(), code) {
				t.Errorf("got %d parameters and error %v, want %v", len(r.answer), r.err, reason)
			}
			w.gone(t)
			_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
			if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error("the connection was left open")
			}
		})
	}
}

func TestEndedContext(t *testing.T) {
	t.Parallel()
	l, err := loopback.Listen()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.Wait(ctx, state); !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v, want %v", err, context.Canceled)
	}
}

func TestClose(t *testing.T) {
	t.Parallel()
	w := wait(t)
	for range 2 {
		if err := w.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	if r := w.outcome(t); !errors.Is(r.err, net.ErrClosed) {
		t.Errorf("got error %v, want %v", r.err, net.ErrClosed)
	}
	if _, err := w.Wait(t.Context(), state); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Wait after Close: got error %v, want %v", err, net.ErrClosed)
	}
}

func TestNoState(t *testing.T) {
	t.Parallel()
	l, err := loopback.Listen()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Wait(t.Context(), ""); err == nil {
		t.Error("a sign-in without a state would take any answer")
	}
	if err := l.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}
