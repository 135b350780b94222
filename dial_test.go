package xoauth2_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/xoauth2/go-xoauth2"
)

func TestDial(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, w way) {
		h := newMailHost(t, w.polite())
		opts := w.options(h)
		opts.VerifyMailbox = true
		client, err := w.dial(t.Context(), testUser, canarySource(), opts)
		if err != nil {
			t.Fatalf("got error %v, want none", err)
		}
		client.Close()
		h.finish(t)
		if !h.peers[0].secure {
			t.Error("got a session without TLS")
		}
	})
}

func TestDialRefusesOptions(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		user   string
		ts     oauth2.TokenSource
		change func(*xoauth2.DialOptions)
		want   string
	}{
		{name: "no token source", user: testUser, want: "no token source"},
		{name: "no user", ts: canarySource(), want: "empty user name"},
		{name: "user with a line break", user: testUser + "\r\nT2 LOGOUT", ts: canarySource(), want: "is a line break"},
		{name: "user with a separator", user: "alice\x01auth=x", ts: canarySource(), want: "control character 0x01"},
		{name: "user with NUL", user: "alice\x00", ts: canarySource(), want: "control character 0x00"},
		{name: "local name with a space", user: testUser, ts: canarySource(), want: "LocalName",
			change: func(o *xoauth2.DialOptions) { o.LocalName = "a b" }},
		{name: "local name with a line break", user: testUser, ts: canarySource(), want: "LocalName",
			change: func(o *xoauth2.DialOptions) { o.LocalName = "a\r\nRSET" }},
		{name: "local name with a tab", user: testUser, ts: canarySource(), want: "LocalName",
			change: func(o *xoauth2.DialOptions) { o.LocalName = "a\tb" }},
		{name: "local name with NUL", user: testUser, ts: canarySource(), want: "LocalName",
			change: func(o *xoauth2.DialOptions) { o.LocalName = "a\x00b" }},
		{name: "address without a port", user: testUser, ts: canarySource(), want: "host:port",
			change: func(o *xoauth2.DialOptions) { o.Addr = hostOf }},
		{name: "address with two ports", user: testUser, ts: canarySource(), want: "host:port",
			change: func(o *xoauth2.DialOptions) { o.Addr = hostOf + ":1:2" }},
		{name: "IPv6 address without brackets", user: testUser, ts: canarySource(), want: "host:port",
			change: func(o *xoauth2.DialOptions) { o.Addr = "::1:993" }},
		{name: "provider without the service", user: testUser, ts: canarySource(), want: `test has no `,
			change: func(o *xoauth2.DialOptions) { o.Provider = xoauth2.Provider{Name: "test"} }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			eachWay(t, func(t *testing.T, w way) {
				opts := w.options(newMailHost(t, w.polite()))
				opts.DialContext = func(context.Context, string, string) (net.Conn, error) {
					t.Error("got a connection, want none")
					return nil, net.ErrClosed
				}
				if tt.change != nil {
					tt.change(opts)
				}
				client, err := w.dial(t.Context(), tt.user, tt.ts, opts)
				if client != nil || err == nil {
					t.Fatalf("got client %v, error %v, want an error only", client, err)
				}
				if text := err.Error(); !strings.Contains(text, ": options: ") || !strings.Contains(text, tt.want) {
					t.Errorf("got error %q, want the step options and %q", text, tt.want)
				}
				assertSecret(t, err)
			})
		})
	}
}

// TestDialDefaults shows that neither options nor their zero value are needed.
func TestDialDefaults(t *testing.T) {
	t.Parallel()
	want := map[xoauth2.Protocol]string{
		xoauth2.IMAP: "outlook.office365.com:993",
		xoauth2.POP3: "outlook.office365.com:995",
		xoauth2.SMTP: "smtp.office365.com:587",
	}
	for proto, addr := range want {
		t.Run(proto.String(), func(t *testing.T) {
			t.Parallel()
			w := way{proto: proto}
			var got string
			errNoNetwork := errors.New("no network")
			_, err := w.dial(t.Context(), testUser, canarySource(), &xoauth2.DialOptions{
				DialContext: func(_ context.Context, network, addr string) (net.Conn, error) {
					got = network + " " + addr
					return nil, errNoNetwork
				},
			})
			if got != "tcp "+addr || !errors.Is(err, errNoNetwork) {
				t.Errorf("zero: got a connection to %q, error %v, want to %q", got, err, addr)
			}
			_, err = w.dial(t.Context(), "", canarySource(), nil)
			if prefix := "xoauth2: " + proto.String() + " " + addr + ": options: "; err == nil || !strings.HasPrefix(err.Error(), prefix) {
				t.Errorf("nil: got error %v, want %q first", err, prefix)
			}
		})
	}
}

func TestDialLeavesOptionsAlone(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, w way) {
		h := newMailHost(t, w.polite())
		opts := w.options(h)
		opts.TLSConfig.MinVersion = tls.VersionTLS10
		client, err := w.dial(t.Context(), testUser, canarySource(), opts)
		if err != nil {
			t.Fatal(err)
		}
		client.Close()
		h.finish(t)
		if c := opts.TLSConfig; c.ServerName != "" || c.MinVersion != tls.VersionTLS10 {
			t.Errorf("got the server name %q and version %x in the caller's TLSConfig, want none and TLS 1.0", c.ServerName, c.MinVersion)
		}
		if opts.Addr != "" || opts.Timeout != 0 || opts.LocalName != "" {
			t.Errorf("got options %+v, want them unchanged", opts)
		}
	})
}

// TestDialAddr shows that what is known of a provider's servers is not believed
// of any other, unless the caller names the provider.
func TestDialAddr(t *testing.T) {
	t.Parallel()
	long := oauth2.StaticTokenSource(&oauth2.Token{AccessToken: strings.Repeat(canary, 100)})
	for _, named := range []bool{false, true} {
		t.Run(fmt.Sprint("IMAP, named ", named), func(t *testing.T) {
			t.Parallel()
			w := way{xoauth2.IMAP, false}
			h := newMailHost(t, func(p *peer) {
				p.handshake()
				p.say("* OK ready")
				if !named {
					p.expect("CAPABILITY")
					p.say("* CAPABILITY AUTH=XOAUTH2 SASL-IR", p.tag+" OK")
				}
				p.expect("AUTHENTICATE XOAUTH2 ")
				p.reply("OK welcome")
			})
			w.dialAddr(t, h, named, canarySource())
		})
		t.Run(fmt.Sprint("SMTP, named ", named), func(t *testing.T) {
			t.Parallel()
			w := way{xoauth2.SMTP, true}
			h := newMailHost(t, w.interrupted(atAuth, func(p *peer) {
				inline := len(p.heard[len(p.heard)-1]) > 1000
				if inline != named {
					t.Errorf("got the token in the command line: %v, want %v", inline, named)
				}
				if !inline {
					p.say("334 ")
					p.hear()
				}
				p.say("235 2.7.0 welcome")
			}))
			w.dialAddr(t, h, named, long)
		})
	}
}

func (w way) dialAddr(t *testing.T, h *mailHost, named bool, ts oauth2.TokenSource) {
	t.Helper()
	opts := w.options(h)
	opts.Addr, opts.Provider = w.addr(), xoauth2.Provider{}
	if named {
		opts.Provider = xoauth2.Exchange
	}
	client, err := w.dial(t.Context(), testUser, ts, opts)
	if err != nil {
		t.Fatal(err)
	}
	client.Close()
	h.finish(t)
}

// TestDialRefusesTokens shows that a token which would break the dialogue never
// gets into it.
func TestDialRefusesTokens(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"empty":                 "empty access token",
		canaryToken + "\n":      "is a line break",
		canaryToken + "\r\nX":   "is a line break",
		"a\x01" + canaryToken:   "control character 0x01",
		`"` + canaryToken + `"`: "quotation mark",
	}
	for token, want := range tests {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			eachWay(t, func(t *testing.T, w way) {
				h := newMailHost(t, w.polite())
				source := oauth2.StaticTokenSource(&oauth2.Token{AccessToken: strings.TrimPrefix(token, "empty")})
				_, err := w.dial(t.Context(), testUser, source, w.options(h))
				w.assertFailed(t, err, "AUTH")
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got error %q, want %q", err, want)
				}
				h.assertClosed(t)
				h.finish(t)
				if slices.ContainsFunc(h.lines(), func(line string) bool { return strings.Contains(line, "AUTH") }) {
					t.Errorf("got %q from the client, want no AUTH", h.lines())
				}
			})
		})
	}
}

func TestDialTLSVersions(t *testing.T) {
	t.Parallel()
	for version, ok := range map[uint16]bool{tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			t.Parallel()
			eachWay(t, func(t *testing.T, w way) {
				h := newMailHost(t, w.polite())
				h.tls.MaxVersion = version
				opts := w.options(h)
				opts.TLSConfig.MinVersion = tls.VersionTLS10
				client, err := w.dial(t.Context(), testUser, canarySource(), opts)
				if !ok {
					w.assertFailed(t, err, "TLS handshake")
					h.assertClosed(t)
				} else if err != nil {
					t.Errorf("got error %v, want none", err)
				} else {
					client.Close()
				}
				h.finish(t)
			})
		})
	}
}

// TestDialWithoutConnection has a DialContext that returns nothing, or does not
// return.
func TestDialWithoutConnection(t *testing.T) {
	t.Parallel()
	tests := map[string]func() (net.Conn, error){
		"returned no connection":  func() (net.Conn, error) { return nil, nil },
		"panic of type string in": func() (net.Conn, error) { panic("no route") },
		"ended its goroutine":     func() (net.Conn, error) { runtime.Goexit(); return nil, nil },
	}
	eachWay(t, func(t *testing.T, w way) {
		for want, dial := range tests {
			opts := w.options(newMailHost(t, w.polite()))
			opts.DialContext = func(context.Context, string, string) (net.Conn, error) { return dial() }
			_, err := w.dial(t.Context(), testUser, canarySource(), opts)
			w.assertFailed(t, err, "connect")
			if !strings.Contains(err.Error(), want) {
				t.Errorf("got error %q, want %q in it", err, want)
			}
		}
	})
}

// TestDialLeavesTheClientAlone shows that what bounds the call does not bound
// the client.
func TestDialLeavesTheClientAlone(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, w way) {
		bubble(t, func(t *testing.T) {
			h := newPipeHost(t, w.polite())
			ctx, cancel := context.WithCancel(t.Context())
			opts := w.options(h)
			opts.Timeout = time.Second
			client, err := w.dial(ctx, testUser, canarySource(), opts)
			if err != nil {
				t.Fatal(err)
			}
			cancel()
			time.Sleep(time.Minute)
			if h.clients[0].closed.Load() {
				t.Error("got a closed connection after the call, want it open")
			}
			client.Close()
			h.finish(t)
		})
	})
}
