package xoauth2_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/xoauth2/go-xoauth2"
	"github.com/xoauth2/go-xoauth2/internal/wire"
)

// assertNoLogin fails if a client has begun to log in.
func (h *mailHost) assertNoLogin(t *testing.T) {
	t.Helper()
	if lines := h.lines(); slices.ContainsFunc(lines, func(line string) bool { return strings.Contains(line, "AUTH") }) {
		t.Errorf("got %q from the client, want no AUTH", lines)
	}
}

func isError[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

func TestDialRefusesCertificates(t *testing.T) {
	t.Parallel()
	invalid := func(reason x509.InvalidReason) func(error) bool {
		return func(err error) bool {
			e, ok := errors.AsType[x509.CertificateInvalidError](err)
			return ok && e.Reason == reason
		}
	}
	tests := []struct {
		name   string
		ca     *certAuthority
		change func(*x509.Certificate)
		is     func(error) bool
	}{
		{"another name", authority(), func(c *x509.Certificate) { c.DNSNames = []string{"mail.evil.test"} }, isError[x509.HostnameError]},
		{"many names with control characters", authority(), func(c *x509.Certificate) {
			c.DNSNames = slices.Repeat([]string{"\x1b[2J\r\nfake: line"}, 99)
		}, isError[x509.HostnameError]},
		{"no name", authority(), func(c *x509.Certificate) { c.DNSNames = nil }, isError[x509.HostnameError]},
		{"expired", authority(), func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Hour) }, invalid(x509.Expired)},
		{"not yet valid", authority(), func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Hour) }, invalid(x509.Expired)},
		{"of an unknown authority", newCertAuthority(), validCertificate, isError[x509.UnknownAuthorityError]},
		{"for clients", authority(), func(c *x509.Certificate) {
			c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
		}, invalid(x509.IncompatibleUsage)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			eachWay(t, func(t *testing.T, w way) {
				h := newMailHost(t, w.polite())
				h.tls = tt.ca.server(t, tt.change)
				_, err := w.dial(t.Context(), testUser, canarySource(), w.options(h))
				w.assertFailed(t, err, "TLS handshake")
				if !tt.is(err) {
					t.Errorf("got error %v, want another", err)
				}
				h.assertClosed(t)
				h.finish(t)
				h.assertNoLogin(t)
			})
		})
	}
}

func TestDialPlaintextServer(t *testing.T) {
	t.Parallel()
	for _, proto := range []xoauth2.Protocol{xoauth2.IMAP, xoauth2.POP3, xoauth2.SMTP} {
		t.Run(proto.String(), func(t *testing.T) {
			t.Parallel()
			w := way{proto: proto}
			h := newMailHost(t, func(p *peer) {
				way{proto, true}.play(p, func(_ string, lines ...string) { // up to the greeting
					p.say(lines...)
					p.drain()
					panic(gone{})
				})
			})
			_, err := w.dial(t.Context(), testUser, canarySource(), w.options(h))
			w.assertFailed(t, err, "TLS handshake")
			if !errors.As(err, new(tls.RecordHeaderError)) {
				t.Errorf("got error %v, want one about TLS records", err)
			}
			h.assertClosed(t)
			h.finish(t)
		})
	}
}

func TestDialNoServer(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	noSuchHost := &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		return nil, errors.New("no DNS in tests")
	}}
	eachWay(t, func(t *testing.T, w way) {
		opts := w.options(&mailHost{})
		opts.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, l.Addr().String())
		}
		_, err := w.dial(t.Context(), testUser, canarySource(), opts)
		w.assertFailed(t, err, "connect")
		if !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("closed port: got error %v, want the refused connection", err)
		}
		opts.DialContext = (&net.Dialer{Resolver: noSuchHost}).DialContext
		_, err = w.dial(t.Context(), testUser, canarySource(), opts)
		w.assertFailed(t, err, "connect")
		if !errors.As(err, new(*net.DNSError)) {
			t.Errorf("wrong host: got error %v, want one about DNS", err)
		}
	})
}

// TestDialNeedsStartTLS has servers that do not let TLS begin.
func TestDialNeedsStartTLS(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		proto  xoauth2.Protocol
		step   string
		script func(p *peer)
	}{
		{"not offered", xoauth2.IMAP, "STARTTLS", func(p *peer) { p.say("* OK [CAPABILITY IMAP4rev1 AUTH=XOAUTH2 SASL-IR] ready") }},
		{"no", xoauth2.IMAP, "STARTTLS", func(p *peer) { p.say("* OK ready"); p.expect("STARTTLS"); p.reply("NO not today") }},
		{"bad", xoauth2.IMAP, "STARTTLS", func(p *peer) { p.say("* OK ready"); p.expect("STARTTLS"); p.reply("BAD unknown command") }},
		{"preauth", xoauth2.IMAP, "greeting", func(p *peer) { p.say("* PREAUTH welcome, alice") }},
		{"preauth with capabilities", xoauth2.IMAP, "greeting", func(p *peer) { p.say("* PREAUTH [CAPABILITY IMAP4rev1 STARTTLS] welcome") }},
		{"continuation", xoauth2.IMAP, "STARTTLS", func(p *peer) { p.say("* OK ready"); p.expect("STARTTLS"); p.say("+ go ahead") }},
		{"refused", xoauth2.POP3, "STARTTLS", func(p *peer) { p.say("+OK ready"); p.expect("STLS"); p.say("-ERR unknown command") }},
		{"continuation", xoauth2.POP3, "STARTTLS", func(p *peer) { p.say("+OK ready"); p.expect("STLS"); p.say("+ go ahead") }},
		{"not offered", xoauth2.SMTP, "STARTTLS", func(p *peer) {
			p.say("220 ready")
			p.expect("EHLO")
			p.say("250-STARTTLS is our name", "250 AUTH XOAUTH2")
		}},
		{"refused", xoauth2.SMTP, "STARTTLS", func(p *peer) {
			p.say("220 ready")
			p.expect("EHLO")
			p.say("250-hi", "250 STARTTLS")
			p.expect("STARTTLS")
			p.say("454 4.7.0 TLS not available")
		}},
		{"wrong code", xoauth2.SMTP, "STARTTLS", func(p *peer) {
			p.say("220 ready")
			p.expect("EHLO")
			p.say("250-hi", "250 STARTTLS")
			p.expect("STARTTLS")
			p.say("250 begin")
		}},
	}
	for _, tt := range tests {
		w := way{tt.proto, true}
		t.Run(w.String()+"/"+tt.name, func(t *testing.T) {
			t.Parallel()
			h := newMailHost(t, tt.script)
			_, err := w.dial(t.Context(), testUser, canarySource(), w.options(h))
			w.assertFailed(t, err, tt.step)
			h.assertClosed(t)
			h.finish(t)
			h.assertNoLogin(t)
		})
	}
}

// inject is what somebody on the way may put behind the permission to begin
// TLS, hoping that it is taken for the server's words within TLS.
var inject = map[xoauth2.Protocol]string{
	xoauth2.IMAP: "* CAPABILITY AUTH=XOAUTH2 SASL-IR\r\nT2 OK injected\r\n",
	xoauth2.POP3: "+OK\r\nSASL XOAUTH2\r\n.\r\n",
	xoauth2.SMTP: "250-evil\r\n250 AUTH XOAUTH2\r\n",
}

func TestDialStartTLSInjection(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, w way) {
		if !w.startTLS {
			t.Skip("there is nothing before TLS")
		}
		for name, inOneWrite := range map[string]bool{"in one segment": true, "in the next segment": false} {
			h := newMailHost(t, func(p *peer) {
				w.play(p, func(at string, lines ...string) {
					switch {
					case at == atHandshake:
						p.handshake()
					case at == atStartTLS && inOneWrite:
						p.write(lines[0] + "\r\n" + inject[w.proto])
					case at == atStartTLS:
						p.say(lines...)
						p.r.Peek(1) // the client's handshake
						p.write(inject[w.proto])
					default:
						p.say(lines...)
					}
				})
			})
			_, err := w.dial(t.Context(), testUser, canarySource(), w.options(h))
			if inOneWrite {
				w.assertFailed(t, err, "STARTTLS")
			} else {
				w.assertFailed(t, err, "TLS handshake")
			}
			if errors.Is(err, wire.ErrPlaintextAfterStartTLS) != inOneWrite {
				t.Errorf("%s: got error %v", name, err)
			}
			h.assertClosed(t)
			h.finish(t)
			h.assertNoLogin(t)
		}
	})
}

// TestDialForgetsPlaintext shows that what was said before TLS counts for
// nothing after it.
func TestDialForgetsPlaintext(t *testing.T) {
	t.Parallel()
	t.Run("IMAP capabilities", func(t *testing.T) {
		t.Parallel()
		w := way{xoauth2.IMAP, true}
		h := newMailHost(t, func(p *peer) {
			p.say("* OK [CAPABILITY IMAP4rev1 STARTTLS AUTH=XOAUTH2 SASL-IR] ready")
			p.expect("STARTTLS")
			p.say("* CAPABILITY IMAP4rev1 AUTH=XOAUTH2", p.tag+" OK [CAPABILITY IMAP4rev1 AUTH=XOAUTH2] begin")
			p.handshake()
			p.expect("CAPABILITY")
			p.say("* CAPABILITY IMAP4rev1 AUTH=PLAIN", p.tag+" OK done")
		})
		_, err := w.dial(t.Context(), testUser, canarySource(), w.options(h))
		w.assertFailed(t, err, "AUTH")
		if !errors.Is(err, xoauth2.ErrNotAdvertised) || !strings.Contains(err.Error(), `"PLAIN"`) {
			t.Errorf("got error %v, want ErrNotAdvertised naming PLAIN", err)
		}
		h.finish(t)
		h.assertNoLogin(t)
	})
	t.Run("IMAP goodbye", func(t *testing.T) {
		t.Parallel()
		w := way{xoauth2.IMAP, true}
		h := newMailHost(t, func(p *peer) {
			p.say("* OK ready")
			p.expect("STARTTLS")
			p.say("* BYE [AUTHENTICATIONFAILED] call 555-EVIL", p.tag+" OK begin")
			p.handshake()
			p.expect("CAPABILITY")
			p.hangUp()
		})
		_, err := w.dial(t.Context(), testUser, canarySource(), w.options(h))
		w.assertFailed(t, err, "capabilities")
		if strings.Contains(err.Error(), "EVIL") || w.isReply(err) {
			t.Errorf("got error %v, want nothing of what was said before TLS", err)
		}
		h.finish(t)
	})
	t.Run("SMTP extensions", func(t *testing.T) {
		t.Parallel()
		w := way{xoauth2.SMTP, true}
		h := newMailHost(t, func(p *peer) {
			p.say("220 ready")
			p.expect("EHLO")
			p.say("250-hi", "250-AUTH XOAUTH2", "250 STARTTLS")
			p.expect("STARTTLS")
			p.say("220 begin")
			p.handshake()
			p.expect("EHLO")
			p.say("250-hi", "250 AUTH PLAIN")
		})
		_, err := w.dial(t.Context(), testUser, canarySource(), w.options(h))
		w.assertFailed(t, err, "AUTH")
		if !errors.Is(err, xoauth2.ErrNotAdvertised) || !strings.Contains(err.Error(), `"PLAIN"`) {
			t.Errorf("got error %v, want ErrNotAdvertised naming PLAIN", err)
		}
		h.finish(t)
		h.assertNoLogin(t)
	})
}
