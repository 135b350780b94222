package entra_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/xoauth2/go-xoauth2/internal/entra"
)

func newReader(r io.Reader) *bufio.Reader { return bufio.NewReader(r) }

// wireReplies are replies as they are on the wire, each with an end that the
// client can tell.
func wireReplies() map[string]string {
	length := func(status, header, body string) string {
		return fmt.Sprintf("HTTP/1.1 %s\r\n%sContent-Length: %d\r\n\r\n%s", status, header, len(body), body)
	}
	chunked := "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
	return map[string]string{
		"token": length("200 OK", "Content-Type: application/json\r\nDate: Fri, 09 Jan 2026 02:02:12 GMT\r\n", goodReply),
		"token after an interim reply": "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" +
			length("200 OK", "Content-Type: application/json\r\n", goodReply),
		"token in chunks": chunked + fmt.Sprintf("a\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n", goodReply[:10], len(goodReply)-10, goodReply[10:]),
		"refusal":         length("401 Unauthorized", "Content-Type: application/json\r\n", wrongSecret),
		"page":            length("503 Service Unavailable", "Content-Type: text/html\r\nRetry-After: 3\r\n", "<title>busy</title>"),
		"redirect":        length("302 Found", "Location: https://portal.example/\r\n", ""),
	}
}

// partial returns a client of an endpoint that sends text and then hangs up, or
// else says nothing more.
func partial(text string, hangUp bool) *entra.Client {
	return entra.NewClient(&http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialTLSContext: func(context.Context, string, string) (net.Conn, error) {
			near, far := net.Pipe()
			go func() {
				defer far.Close()
				r := newReader(far)
				req, err := http.ReadRequest(r)
				if err != nil {
					return
				}
				io.Copy(io.Discard, req.Body)
				io.WriteString(far, text)
				if !hangUp {
					io.Copy(io.Discard, r) // until the client closes
				}
			}()
			return near, nil
		},
	}})
}

// Every reply is cut and stalled after every byte. The bubble of synctest ends
// only if no goroutine, and so no connection, is left behind.
func TestEveryByte(t *testing.T) {
	t.Parallel()
	for name, text := range wireReplies() {
		whole := "token"
		if !strings.HasPrefix(name, whole) {
			whole = "refusal"
		}
		t.Run("cut "+name, func(t *testing.T) {
			t.Parallel()
			for n := range len(text) + 1 {
				synctest.Test(t, func(t *testing.T) {
					start := time.Now()
					err := ask(t.Context(), partial(text[:n], true))
					checkPartial(t, err, n == len(text), whole)
					if took := time.Since(start); took != 0 {
						t.Errorf("after %d bytes: took %v", n, took)
					}
				})
			}
		})
		t.Run("stalled "+name, func(t *testing.T) {
			t.Parallel()
			for n := range len(text) + 1 {
				synctest.Test(t, func(t *testing.T) {
					ctx, cancel := context.WithTimeout(t.Context(), time.Duration(n%2*60+1)*time.Second) // sometimes past our own limit
					defer cancel()
					start := time.Now()
					err := ask(ctx, partial(text[:n], false))
					checkPartial(t, err, n == len(text), whole)
					limit := min(time.Duration(n%2*60+1)*time.Second, 30*time.Second)
					if took := time.Since(start); n < len(text) && took != limit || took > limit {
						t.Errorf("after %d bytes: took %v, want %v", n, took, limit)
					}
					if n < len(text) && n%2 == 0 && !errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("after %d bytes: got %v, want the context's error", n, err)
					}
				})
			}
		})
	}
}

func ask(ctx context.Context, c *entra.Client) error {
	_, err := c.Token(ctx, endpoint, url.Values{"client_secret": {canary}})
	return err
}

// checkPartial tells the error of a reply that broke off from that of a whole one.
func checkPartial(t *testing.T, err error, complete bool, whole string) {
	t.Helper()
	var r *entra.Refusal
	switch {
	case complete && whole == "token":
		if err != nil {
			t.Errorf("whole reply: got error %v", err)
		}
	case complete:
		if !errors.As(err, &r) {
			t.Errorf("whole reply: got error %v, want a *Refusal", err)
		}
	case err == nil:
		t.Error("broken reply: got no error")
	case errors.As(err, &r):
		t.Errorf("broken reply: got refusal %v, want an error of the network", err)
	case !strings.Contains(err.Error(), "login.example"):
		t.Errorf("broken reply: the error does not name the host: %v", err)
	}
}
