package xoauth2_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-smtp"
	"golang.org/x/oauth2"

	"github.com/xoauth2/go-xoauth2"
)

// butler is a server for clients that callers make: it answers commands in any
// order. Lines of auth answer the payload; "+ …" is a challenge, "!" hangs up,
// "?" calls asked and is silence, and the last one is for all that follow.
type butler struct {
	way
	offers string // capabilities or extensions, of which AUTH is always one; empty: XOAUTH2
	auth   []string
	asked  func()

	answered int
}

func (b *butler) script(p *peer) {
	if !b.startTLS {
		p.handshake()
	}
	b.serve(p)
}

// serve is the session after a TLS handshake, or without.
func (b *butler) serve(p *peer) {
	p.say(map[xoauth2.Protocol]string{xoauth2.IMAP: "* OK ready", xoauth2.POP3: "+OK ready", xoauth2.SMTP: "220 ready"}[b.proto])
	for {
		line := p.hear()
		words := strings.Fields(line)
		if b.proto == xoauth2.IMAP && len(words) > 1 {
			p.tag, words = words[0], words[1:]
		}
		if len(words) > 0 {
			b.answer(p, strings.ToUpper(words[0]))
		}
	}
}

func (b *butler) answer(p *peer, verb string) {
	offers := b.offers
	if offers == "" {
		offers = map[xoauth2.Protocol]string{xoauth2.IMAP: "AUTH=XOAUTH2 SASL-IR", xoauth2.POP3: "XOAUTH2", xoauth2.SMTP: "XOAUTH2"}[b.proto]
	}
	if b.startTLS && !p.secure {
		offers += " STARTTLS"
	}
	switch {
	case verb == "AUTHENTICATE" || verb == "AUTH":
		b.answerAuth(p)
	case verb == "STARTTLS":
		p.say(map[xoauth2.Protocol]string{xoauth2.IMAP: p.tag + " OK begin", xoauth2.SMTP: "220 begin"}[b.proto])
		p.handshake()
	case verb == "CAPABILITY":
		p.say("* CAPABILITY IMAP4rev1 "+offers, p.tag+" OK done")
	case verb == "CAPA":
		p.say("+OK", "SASL "+offers, ".")
	case verb == "EHLO":
		p.say("250-hi", "250-AUTH "+strings.TrimSuffix(offers, " STARTTLS"), "250 "+offers[strings.LastIndex(offers, " ")+1:])
	case verb == "QUIT":
		p.say("221 bye")
	case verb == "DATA":
		p.say("354 go ahead")
		for p.hear() != "." {
		}
		p.say("250 ok")
	default:
		p.say(map[xoauth2.Protocol]string{xoauth2.IMAP: p.tag + " OK done", xoauth2.POP3: "+OK done", xoauth2.SMTP: "250 ok"}[b.proto])
	}
}

// answerAuth answers what was heard last, and what the client says then.
func (b *butler) answerAuth(p *peer) {
	if b.proto == xoauth2.POP3 {
		p.say("+ ")
		p.hear()
	}
	for {
		reply := b.auth[min(b.answered, len(b.auth)-1)]
		b.answered++
		challenge, isChallenge := strings.CutPrefix(reply, "+ ")
		switch {
		case reply == "!":
			p.hangUp()
		case reply == "?":
			b.asked()
			p.drain()
			panic(gone{})
		case isChallenge:
			p.write(b.challenge(challenge))
			p.hear()
			continue
		case b.proto == xoauth2.IMAP:
			p.reply(reply)
		default:
			p.say(reply)
		}
		return
	}
}

// welcome and no are final replies.
func (w way) welcome() string {
	return map[xoauth2.Protocol]string{xoauth2.IMAP: "OK [CAPABILITY IMAP4rev1] welcome", xoauth2.POP3: "+OK welcome", xoauth2.SMTP: "235 2.7.0 welcome"}[w.proto]
}

func (w way) no() string {
	return map[xoauth2.Protocol]string{xoauth2.IMAP: "NO AUTHENTICATE failed.", xoauth2.POP3: "-ERR no", xoauth2.SMTP: "535 5.7.3 no"}[w.proto]
}

// callersWays are those on which callers can make clients themselves.
func callersWays(t *testing.T, f func(t *testing.T, w way)) {
	t.Helper()
	eachWay(t, func(t *testing.T, w way) {
		if w.proto == xoauth2.POP3 && w.startTLS {
			t.Skip("POP3Client has no STLS of its own")
		}
		f(t, w)
	})
}

// connect makes a client as a caller would.
func (w way) connect(t *testing.T, h *mailHost) io.Closer {
	t.Helper()
	conn, err := h.DialContext(t.Context(), "tcp", w.addr())
	if err != nil {
		t.Fatal(err)
	}
	config := authority().client()
	config.ServerName = hostOf
	if !w.startTLS {
		return w.newClient(t, tls.Client(conn, config))
	}
	var client io.Closer
	if w.proto == xoauth2.IMAP {
		client, err = imapclient.NewStartTLS(conn, &imapclient.Options{TLSConfig: config})
	} else {
		client, err = smtp.NewClientStartTLS(conn, config)
	}
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func (w way) newClient(t *testing.T, conn net.Conn) io.Closer {
	t.Helper()
	switch w.proto {
	case xoauth2.IMAP:
		return imapclient.New(conn, nil)
	case xoauth2.POP3:
		c, err := xoauth2.NewPOP3Client(conn)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	return smtp.NewClient(conn)
}

func (w way) authenticate(ctx context.Context, client io.Closer, username string, ts oauth2.TokenSource) error {
	switch c := client.(type) {
	case *imapclient.Client:
		return xoauth2.AuthenticateIMAP(ctx, c, username, ts)
	case *xoauth2.POP3Client:
		return xoauth2.AuthenticatePOP3(ctx, c, username, ts)
	case *smtp.Client:
		return xoauth2.AuthenticateSMTP(ctx, c, username, ts)
	}
	panic("no client")
}

func TestAuthenticate(t *testing.T) {
	t.Parallel()
	const document = "+ eyJzdGF0dXMiOiI0MDAifQ=="
	tests := []struct {
		name string
		auth func(w way) []string
		is   func(err error) bool
		open bool // the client stays usable
	}{
		{"accepted", func(w way) []string { return []string{w.welcome()} }, func(err error) bool { return err == nil }, true},
		{"refused", func(w way) []string { return []string{w.no()} }, isAuthError, true},
		{"refused with a document", func(w way) []string { return []string{document, w.no()} }, isAuthError, true},
		{"accepted after a document", func(w way) []string { return []string{document, w.welcome()} }, isOtherError, false},
		{"two documents", func(w way) []string { return []string{document, document, w.no()} }, isOtherError, false},
		{"a challenge that is not base64", func(w way) []string { return []string{"+ !", w.no()} }, isOtherError, false},
		{"hangs up", func(w way) []string { return []string{"!"} }, isOtherError, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			callersWays(t, func(t *testing.T, w way) {
				h := newMailHost(t, (&butler{way: w, auth: tt.auth(w)}).script)
				client := w.connect(t, h)
				err := w.authenticate(t.Context(), client, testUser, canarySource())
				if !tt.is(err) {
					t.Errorf("got error %v, want another outcome", err)
				}
				if err != nil {
					assertSecret(t, err)
					if !strings.HasPrefix(err.Error(), "xoauth2: "+w.proto.String()+": ") {
						t.Errorf("got error %q, want the protocol first", err)
					}
				}
				if refused, ok := errors.AsType[*xoauth2.AuthError](err); ok && (strings.Contains(tt.name, "document") != (refused.Server != nil) || !w.isReply(err)) {
					t.Errorf("got %+v with the document %v, want the server's words", refused.Err, refused.Server)
				}
				if err := noop(client); (err == nil) != tt.open {
					t.Errorf("NOOP: got error %v, want a usable client: %v", err, tt.open)
				}
				if closed := h.clients[0].closed.Load(); closed == tt.open {
					t.Errorf("got closed %v, want %v", closed, !tt.open)
				}
				client.Close()
				h.finish(t)
			})
		})
	}
}

func isAuthError(err error) bool { return errors.As(err, new(*xoauth2.AuthError)) }

func isOtherError(err error) bool {
	return err != nil && !isAuthError(err) && !errors.Is(err, xoauth2.ErrNotAdvertised)
}

// TestAuthenticateAgain shows that a client which was refused can try again.
func TestAuthenticateAgain(t *testing.T) {
	t.Parallel()
	callersWays(t, func(t *testing.T, w way) {
		h := newMailHost(t, (&butler{way: w, auth: []string{w.no(), w.welcome()}}).script)
		client := w.connect(t, h)
		if err := w.authenticate(t.Context(), client, testUser, canarySource()); !isAuthError(err) {
			t.Errorf("got error %v, want an AuthError", err)
		}
		if err := w.authenticate(t.Context(), client, testUser, canarySource()); err != nil {
			t.Errorf("got error %v, want none", err)
		}
		client.Close()
		h.finish(t)
	})
}

func TestAuthenticateRetries(t *testing.T) {
	t.Parallel()
	callersWays(t, func(t *testing.T, w way) {
		bubble(t, func(t *testing.T) {
			e := new(fakeEndpoint)
			source := e.warm(t, old)
			h := newPipeHost(t, (&butler{way: w, auth: []string{w.no(), w.welcome()}}).script)
			client := w.connect(t, h)
			if err := w.authenticate(t.Context(), client, testUser, source); err != nil {
				t.Errorf("got error %v, want none", err)
			}
			if e.count() != 2 || len(h.clients) != 1 {
				t.Errorf("got %d token requests and %d connections, want 2 and 1", e.count(), len(h.clients))
			}
			client.Close()
			h.finish(t)
		})
	})
}

func TestAuthenticateNotAdvertised(t *testing.T) {
	t.Parallel()
	offers := map[xoauth2.Protocol]string{xoauth2.IMAP: "AUTH=PLAIN AUTH=LOGIN", xoauth2.POP3: "PLAIN LOGIN", xoauth2.SMTP: "PLAIN LOGIN"}
	callersWays(t, func(t *testing.T, w way) {
		b := &butler{way: w, offers: offers[w.proto], auth: []string{"-ERR unknown mechanism"}}
		h := newMailHost(t, func(p *peer) {
			if w.proto != xoauth2.POP3 {
				b.script(p)
				return
			}
			p.handshake()
			p.say("+OK ready")
			p.expect("AUTH")
			p.say("-ERR unknown mechanism")
			p.expect("CAPA")
			p.say("+OK", "SASL PLAIN LOGIN", ".")
			p.expect("NOOP")
			p.say("+OK")
		})
		client := w.connect(t, h)
		err := w.authenticate(t.Context(), client, testUser, canarySource())
		if !errors.Is(err, xoauth2.ErrNotAdvertised) || !strings.Contains(err.Error(), "PLAIN") {
			t.Errorf("got error %v, want ErrNotAdvertised naming PLAIN", err)
		}
		if err := noop(client); err != nil {
			t.Errorf("NOOP: got error %v, want a usable client", err)
		}
		client.Close()
		h.finish(t)
	})
}

// TestAuthenticateEnds has a server that does not answer AUTH.
func TestAuthenticateEnds(t *testing.T) {
	t.Parallel()
	callersWays(t, func(t *testing.T, w way) {
		ctx, cancel := context.WithCancelCause(t.Context())
		h := newMailHost(t, (&butler{way: w, auth: []string{"?"}, asked: func() { cancel(errLeft) }}).script)
		client := w.connect(t, h)
		err := w.authenticate(ctx, client, testUser, canarySource())
		if !errors.Is(err, errLeft) || !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), ": AUTH: ") {
			t.Errorf("trap 6: got error %v, want why the context ended, at the step AUTH", err)
		}
		h.assertClosed(t)
		h.finish(t)
		client.Close()
	})
}

// TestAuthenticateEndsEarly has a server that answers nothing.
func TestAuthenticateEndsEarly(t *testing.T) {
	t.Parallel()
	for _, proto := range []xoauth2.Protocol{xoauth2.IMAP, xoauth2.POP3, xoauth2.SMTP} {
		t.Run(proto.String(), func(t *testing.T) {
			t.Parallel()
			w := way{proto: proto}
			ctx, cancel := context.WithCancelCause(t.Context())
			h := newMailHost(t, func(p *peer) {
				p.handshake()
				p.say(map[xoauth2.Protocol]string{xoauth2.IMAP: "* OK ready", xoauth2.POP3: "+OK ready", xoauth2.SMTP: "220 ready"}[proto])
				p.hear()
				cancel(errLeft)
			})
			client := w.connect(t, h)
			err := w.authenticate(ctx, client, testUser, canarySource())
			if !errors.Is(err, errLeft) || !errors.Is(err, context.Canceled) {
				t.Errorf("got error %v, want why the context ended", err)
			}
			h.assertClosed(t)
			h.finish(t)
			client.Close()
		})
	}
}

// TestAuthenticateNoToken has a source that fails.
func TestAuthenticateNoToken(t *testing.T) {
	t.Parallel()
	callersWays(t, func(t *testing.T, w way) {
		h := newMailHost(t, (&butler{way: w, auth: []string{w.welcome()}}).script)
		client := w.connect(t, h)
		source := sourceFunc(func() (*oauth2.Token, error) { return nil, errSource })
		err := w.authenticate(t.Context(), client, testUser, source)
		if !errors.Is(err, errSource) || !strings.Contains(err.Error(), ": token: ") {
			t.Errorf("got error %v, want the source's, at the step token", err)
		}
		h.assertClosed(t)
		h.finish(t)
		client.Close()
	})
}
