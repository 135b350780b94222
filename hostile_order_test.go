package xoauth2_test

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-smtp"
	"golang.org/x/oauth2"

	"github.com/xoauth2/go-xoauth2"
)

// TestDialEarlyReplies has servers that answer what they were not asked yet.
// Those that let everybody in before they were asked might be anybody's: the
// client goes before it says anything that matters.
func TestDialEarlyReplies(t *testing.T) {
	t.Parallel()
	long := oauth2.StaticTokenSource(&oauth2.Token{AccessToken: strings.Repeat(canary, 100)})
	tests := []struct {
		name   string
		proto  xoauth2.Protocol
		known  bool // the provider's server takes an initial response
		ts     oauth2.TokenSource
		script func(p *peer)
	}{
		{"success behind the capabilities", xoauth2.IMAP, false, canarySource(), func(p *peer) {
			p.say("* OK ready")
			p.expect("CAPABILITY")
			p.say("* CAPABILITY IMAP4rev1 SASL-IR AUTH=XOAUTH2", p.tag+" OK done", "T2 OK welcome")
		}},
		{"success behind the greeting", xoauth2.IMAP, true, canarySource(), func(p *peer) {
			p.say("* OK ready", "T1 OK welcome")
		}},
		{"success behind the capabilities in the greeting", xoauth2.IMAP, false, canarySource(), func(p *peer) {
			p.say("* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=XOAUTH2] ready", "* 1 EXISTS", "T1 OK welcome")
		}},
		{"continuation behind the greeting", xoauth2.IMAP, true, canarySource(), func(p *peer) {
			p.say("* OK ready", "+ ")
		}},
		{"success instead of a continuation", xoauth2.IMAP, false, canarySource(), func(p *peer) {
			p.say("* OK [CAPABILITY IMAP4rev1 AUTH=XOAUTH2] ready")
			p.expect("AUTHENTICATE XOAUTH2")
			p.reply("OK welcome")
		}},
		{"continuation behind the greeting", xoauth2.POP3, false, canarySource(), func(p *peer) {
			p.say("+OK ready", "+ ", "+OK welcome")
		}},
		{"success instead of a continuation", xoauth2.POP3, false, canarySource(), func(p *peer) {
			p.say("+OK ready")
			p.expect("AUTH XOAUTH2")
			p.say("+OK welcome")
		}},
		{"success behind the extensions", xoauth2.SMTP, false, canarySource(), func(p *peer) {
			p.say("220 ready")
			p.expect("EHLO")
			p.say("250-hi", "250 AUTH XOAUTH2", "235 2.7.0 welcome")
		}},
		{"all replies behind the greeting", xoauth2.SMTP, false, canarySource(), func(p *peer) {
			p.say("220 ready", "250-hi", "250 AUTH XOAUTH2", "235 2.7.0 welcome")
		}},
		{"half a reply behind the extensions", xoauth2.SMTP, false, canarySource(), func(p *peer) {
			p.say("220 ready")
			p.expect("EHLO")
			p.write("250-hi\r\n250 AUTH XOAUTH2\r\n5")
		}},
		{"success instead of a continuation", xoauth2.SMTP, false, long, func(p *peer) {
			p.say("220 ready")
			p.expect("EHLO")
			p.say("250-hi", "250 AUTH XOAUTH2")
			p.expect("AUTH XOAUTH2")
			p.say("235 2.7.0 welcome")
		}},
	}
	for _, tt := range tests {
		w := way{proto: tt.proto}
		t.Run(w.String()+"/"+tt.name, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				h := newPipeHost(t, func(p *peer) {
					p.handshake()
					tt.script(p)
					for {
						p.hear()
					}
				})
				opts := w.options(h)
				opts.Provider.IMAP.SASLIR = tt.known
				client, err := w.dial(t.Context(), testUser, tt.ts, opts)
				if client != nil {
					client.Close()
				}
				h.finish(t)
				if err == nil || w.isReply(err) {
					t.Errorf("got error %v, want one that is none of the server's", err)
				}
				h.assertClosed(t)
				for _, line := range h.lines() {
					assertNoCanary(t, "what the server heard", line)
				}
			})
		})
	}
}

// TestDialRepliesAfterRefusal has servers that go on after their final reply,
// which is the one that counts.
func TestDialRepliesAfterRefusal(t *testing.T) {
	t.Parallel()
	after := map[xoauth2.Protocol][]string{
		xoauth2.IMAP: {"+ ", "+ e30=", "T2 OK welcome", "* OK [CAPABILITY IMAP4rev1] welcome", "* BYE"},
		xoauth2.POP3: {"+ ", "+ e30=", "+OK welcome"},
		xoauth2.SMTP: {"334 ", "334 e30=", "235 2.7.0 welcome", "250 ok"},
	}
	eachWay(t, func(t *testing.T, w way) {
		for _, line := range after[w.proto] {
			bubble(t, func(t *testing.T) {
				h := newPipeHost(t, w.refusing(line))
				_, err := w.dial(t.Context(), testUser, canarySource(), w.options(h))
				w.assertFailed(t, err, "AUTH")
				if _, ok := errors.AsType[*xoauth2.AuthError](err); !ok || !w.isReply(err) {
					t.Errorf("%q: got error %v, want the refusal", line, err)
				}
				h.assertClosed(t)
				h.finish(t)
				if lines := h.lines(); !strings.Contains(lines[len(lines)-1], "dXNlcj1") { // the payload
					t.Errorf("%q: got %q from the client, want nothing after the refusal", line, lines)
				}
			})
		}
	})
}

// refusing returns a script that refuses the login and says another line in
// the same breath.
func (w way) refusing(after ...string) func(*peer) {
	final := map[xoauth2.Protocol]string{xoauth2.IMAP: atAuth, xoauth2.POP3: atPayload, xoauth2.SMTP: atAuth}[w.proto]
	return w.interrupted(final, func(p *peer) {
		no := map[xoauth2.Protocol]string{
			xoauth2.IMAP: p.tag + " NO AUTHENTICATE failed.",
			xoauth2.POP3: "-ERR Authentication failure: unknown user name or bad password.",
			xoauth2.SMTP: "535 5.7.3 Authentication unsuccessful",
		}[w.proto]
		p.say(append([]string{no}, after...)...)
		for {
			p.hear()
		}
	})
}

// TestDialRepliesAfterSuccess has servers that go on after they let the client
// in: the dialer or the first command fails, and nothing waits.
func TestDialRepliesAfterSuccess(t *testing.T) {
	t.Parallel()
	after := map[xoauth2.Protocol]string{xoauth2.IMAP: "+ ", xoauth2.POP3: "+ ", xoauth2.SMTP: "334 "}
	eachWay(t, func(t *testing.T, w way) {
		bubble(t, func(t *testing.T) {
			h := newPipeHost(t, func(p *peer) {
				w.play(p, func(at string, lines ...string) {
					if at == atHandshake {
						p.handshake()
						return
					}
					last := lines[len(lines)-1]
					if strings.Contains(last, "welcome") {
						p.say(append(lines, after[w.proto])...)
						p.drain() // no answer to anything
						p.hangUp()
					}
					p.say(lines...)
				})
			})
			client, err := w.dial(t.Context(), testUser, canarySource(), w.options(h))
			if err == nil {
				err = noop(client)
				client.Close()
			} else {
				w.assertFailed(t, err, "AUTH")
			}
			if err == nil {
				t.Error("got no error, want one")
			}
			h.finish(t)
		})
	})
}

// noop runs a command on a client.
func noop(client io.Closer) error {
	switch c := client.(type) {
	case *imapclient.Client:
		return c.Noop().Wait()
	case *xoauth2.POP3Client:
		return c.Noop()
	case *smtp.Client:
		return c.Noop()
	}
	return errors.New("no client")
}

// TestDialForeignTags has servers that answer somebody else.
func TestDialForeignTags(t *testing.T) {
	t.Parallel()
	w := way{proto: xoauth2.IMAP}
	for _, line := range []string{"T3 OK welcome", "T22 OK welcome", "t2 OK welcome", "A OK welcome", "T2OK welcome", "T2", "OK", "", "*", "* ", "235 welcome", "T2 HELLO", "T2 PREAUTH hi", "T2 BYE", "+OK welcome"} {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			h := newMailHost(t, w.interrupted(atAuth, func(p *peer) {
				p.say(line)
				p.hangUp()
			}))
			_, err := w.dial(t.Context(), testUser, canarySource(), w.options(h))
			w.assertFailed(t, err, "AUTH")
			h.assertClosed(t)
			h.finish(t)
		})
	}
}
