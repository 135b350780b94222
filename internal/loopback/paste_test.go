package loopback_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/xoauth2/go-xoauth2/internal/loopback"
)

const redirect = "http://localhost:1234"

func TestParseRedirect(t *testing.T) {
	t.Parallel()
	right := "code=" + code + "&state=" + state
	for _, tt := range []struct {
		name, raw, redirect, wantErr string
	}{
		{"plain", redirect + "/?" + right, redirect, ""},
		{"no path", redirect + "?" + right, redirect, ""},
		{"spaces", " \t" + redirect + "/?" + right + "\r\n", redirect, ""},
		{"quotes", `"` + redirect + "/?" + right + `"`, redirect, ""},
		{"angles", "<" + redirect + "/?" + right + ">", redirect, ""},
		{"no scheme", "localhost:1234/?" + right, redirect, ""},
		{"capitals", "HTTP://LOCALHOST:1234/?" + right, redirect, ""},
		{"empty fragment", redirect + "/?" + right + "#", redirect, ""},
		{"web application", "https://app.example/cb?" + right, "https://app.example/cb", ""},
		{"other host", "http://evil.example/?" + right, redirect, "begins with " + redirect},
		{"other port", "http://localhost:1/?" + right, redirect, "begins with " + redirect},
		{"other scheme", "https://localhost:1234/?" + right, redirect, "begins with " + redirect},
		{"other path", redirect + "/x?" + right, redirect, "begins with " + redirect},
		{"user", "http://evil@localhost:1234/?" + right, redirect, "begins with " + redirect},
		{"code alone", code, redirect, "begins with " + redirect},
		{"query alone", "?" + right, redirect, "begins with " + redirect},
		{"empty", "", redirect, "begins with " + redirect},
		{"not a URL", "http://%zz" + right, redirect, "not a URL"},
		{"control character", redirect + "/?" + right + "\x7f", redirect, "not a URL"},
		{"no query", redirect + "/", redirect, "no answer"},
		{"fragment", redirect + "/#" + right, redirect, "response_mode=query"},
		{"bad escape", redirect + "/?" + right + "&x=%zz", redirect, "malformed"},
		{"endless", redirect + "/?" + right + strings.Repeat("x", 1<<20), redirect, "too long"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			params, err := loopback.ParseRedirect(tt.raw, tt.redirect)
			if tt.wantErr == "" {
				if err != nil || !loopback.IsAnswer(params, state) || params.Get("code") != code {
					t.Errorf("got %d parameters and error %v, want the answer", len(params), err)
				}
				return
			}
			if err == nil || params != nil || !strings.Contains(err.Error(), tt.wantErr) {
				t.Fatalf("got %d parameters and error %v, want %q", len(params), err, tt.wantErr)
			}
			if strings.Contains(err.Error(), code) || strings.Contains(err.Error(), state) {
				t.Errorf("error %q shows what was pasted", err)
			}
		})
	}
}

func TestIsAnswer(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		query, state string
		want         bool
	}{
		{"code=x&state=s", "s", true},
		{"error=access_denied&state=s", "s", true},
		{"code=x&state=s&x=1&x=2", "s", true},
		{"code=x&state=t", "s", false},
		{"code=x&state=", "", false},
		{"code=x", "", false},
		{"code=&state=s", "s", false},
		{"code=x&error=y&state=s", "s", false},
		{"code=x&state=s&state=s", "s", false},
		{"code=x&state=s&iss=a&iss=b", "s", false},
	} {
		params, err := url.ParseQuery(tt.query)
		if err != nil {
			t.Fatal(err)
		}
		if got := loopback.IsAnswer(params, tt.state); got != tt.want {
			t.Errorf("%q for state %q: got %t, want %t", tt.query, tt.state, got, tt.want)
		}
	}
}

// FuzzRedirect sends raw bytes to a waiting listener and gives the same to
// ParseRedirect: whatever they are, only the right state opens, nothing is
// echoed, and the genuine answer still arrives.
func FuzzRedirect(f *testing.F) {
	right := "code=" + code + "&state=" + state
	seeds := []string{
		get(right), post(right), get("code=x&state=y"), get("error=access_denied&error_description=%3Cscript%3E&state=" + state),
		redirect + "/?" + right, redirect + "/#" + right, "localhost:1234?" + right, "GET", "\r\n\r\n", "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\n",
	}
	for _, seed := range seeds {
		f.Add([]byte(strings.ReplaceAll(seed, "PORT", "1234")))
	}
	if len(seeds) == 0 {
		f.Fatal("no seeds")
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		knowsState := bytes.Contains(raw, []byte("%")) || bytes.Contains(raw, []byte(state)) // it may be written in escapes
		params, err := loopback.ParseRedirect(string(raw), redirect)
		if err == nil && loopback.IsAnswer(params, state) && !knowsState {
			t.Error("an answer without the state was parsed")
		}
		if err != nil && bytes.Contains(raw, []byte(code)) && strings.Contains(err.Error(), code) {
			t.Errorf("error %q shows what was pasted", err)
		}

		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		socket := newMemory()
		answers := make(chan result, 1)
		go func() {
			answer, err := loopback.NewListener(socket).Wait(ctx, state)
			answers <- result{answer, err}
		}()
		visit(socket, raw, false)
		visit(socket, []byte(strings.ReplaceAll(get("code=genuine&state="+state), "PORT", "1234")), true)
		if r := <-answers; r.err != nil || r.answer.Get("code") != "genuine" && !knowsState {
			t.Errorf("got error %v and code %q, want the genuine one", r.err, r.answer.Get("code"))
		}
	})
}

// visit writes a request, if the listener is still there, and leaves at once or
// when it has read the reply.
func visit(socket *memory, request []byte, stay bool) {
	client, server := net.Pipe()
	select {
	case socket.conns <- server:
	case <-socket.closed:
		return
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		_, _ = io.Copy(io.Discard, client)
	}()
	_, _ = client.Write(request)
	if !stay {
		client.Close()
	}
	<-read
	client.Close()
}
