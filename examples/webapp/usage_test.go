package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

func TestUsage(t *testing.T) {
	t.Parallel()
	key := base64.StdEncoding.EncodeToString(make([]byte, 32))
	app := "XOAUTH2_CLIENT_ID=c XOAUTH2_CLIENT_SECRET=s "
	for _, test := range []struct {
		name, args, env string
		status          int
		want            string
	}{
		{"help", "-h", "", 0, "XOAUTH2_STORE_KEY"},
		{"unknown flag", "-x", "", 2, "-x"},
		{"argument", "x", "", 2, `unexpected argument "x"`},
		{"bad address", "-listen localhost:x", "", 1, "listen"},
		{"half a configuration", "", "XOAUTH2_CLIENT_SECRET=s", 2, "lacks XOAUTH2_CLIENT_ID"},
		{"no configuration", "-url https://mail.contoso.com", "", 2, "lacks XOAUTH2_CLIENT_ID"},
		{"no credential", "", "XOAUTH2_CLIENT_ID=c", 2, "XOAUTH2_CLIENT_SECRET or XOAUTH2_CERTIFICATE"},
		{"no key", "", app, 2, "openssl rand"},
		{"bad key", "", app + "XOAUTH2_STORE_KEY=c2VjcmV0", 2, "openssl rand"},
		{"unknown provider", "", app + "XOAUTH2_PROVIDER=aol", 2, "aol"},
		{"no HTTPS", "-store none -listen localhost:0 -url http://mail.contoso.com", app + "XOAUTH2_STORE_KEY=" + key, 2, "want https"},
		{"a path", "-store none -listen localhost:0 -url https://contoso.com/mail", app + "XOAUTH2_STORE_KEY=" + key, 2, "a scheme and a host"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			getenv := func(name string) string {
				_, value, _ := strings.Cut(test.env, name+"=")
				value, _, _ = strings.Cut(value, " ")
				return value
			}
			var out bytes.Buffer
			if got := run(t.Context(), strings.Fields(test.args), getenv, &out, &out); got != test.status {
				t.Errorf("got status %d, want %d", got, test.status)
			}
			if !strings.Contains(out.String(), test.want) || strings.Contains(out.String(), "c2VjcmV0") {
				t.Errorf("got %q, want it to contain %q", &out, test.want)
			}
		})
	}
}

// TestServe serves the fake's mailboxes until it is interrupted.
func TestServe(t *testing.T) {
	t.Parallel()
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	log, w := io.Pipe()
	status := make(chan int, 1)
	go func() {
		defer w.Close()
		status <- run(ctx, []string{"-listen", "localhost:0"}, func(string) string { return "" }, io.Discard, w)
	}()
	var base string
	if _, err := fmt.Fscanf(log, "# A fake Entra and a fake Exchange run in this process. Open %s\n", &base); err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = io.Copy(io.Discard, log) }()
	response, err := http.Get(strings.TrimSuffix(base, ","))
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Errorf("got %s", response.Status)
	}
	interrupt()
	if got := <-status; got != 0 {
		t.Errorf("got status %d after the interrupt", got)
	}
}

func TestPublicURL(t *testing.T) {
	t.Parallel()
	addr := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8080}
	for base, want := range map[string]string{
		"": "http://localhost:8080", "https://mail.contoso.com/": "https://mail.contoso.com", "http://localhost:1": "http://localhost:1",
	} {
		if got, err := publicURL(base, addr); err != nil || got != want {
			t.Errorf("-url %q: got %q, %v, want %q", base, got, err, want)
		}
	}
}
