package xoauth2_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-smtp"

	"github.com/xoauth2/go-xoauth2"
)

// offering returns a script of a server that offers these mechanisms, lets
// everybody in, and hears how.
func (w way) offering(mechanisms string) func(*peer) {
	return func(p *peer) {
		p.handshake()
		switch w.proto {
		case xoauth2.IMAP:
			p.say("* OK ready")
			p.expect("CAPABILITY")
			caps := "* CAPABILITY IMAP4rev1"
			for _, mech := range strings.Fields(mechanisms) {
				caps += " AUTH=" + mech
			}
			p.say(caps+" SASL-IR", p.tag+" OK done")
			p.expect("AUTHENTICATE ")
			p.reply("OK welcome")
		case xoauth2.POP3:
			p.say("+OK ready")
			if p.expect("AUTH XOAUTH2"); !strings.Contains(strings.ToUpper(mechanisms), "XOAUTH2") {
				p.say("-ERR unknown mechanism")
				p.expect("CAPA")
				p.say("+OK", "SASL "+mechanisms, ".")
				p.expect("AUTH ")
			}
			p.say("+ ")
			p.hear()
			p.say("+OK welcome")
		default:
			p.say("220 ready")
			p.expect("EHLO ")
			p.say("250-hi", "250-SIZE 100", "250 AUTH "+mechanisms)
			p.expect("AUTH ")
			p.say("235 2.7.0 welcome")
		}
	}
}

func TestDialMechanisms(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ offered, want string }{
		{"XOAUTH2", "XOAUTH2"},
		{"PLAIN OAUTHBEARER XOAUTH2 LOGIN", "XOAUTH2"},
		{"PLAIN OAUTHBEARER", "OAUTHBEARER"},
		{"plain xoauth2 oauthbearer", "XOAUTH2"},
		{"OAuthBearer", "OAUTHBEARER"},
		{"PLAIN LOGIN", ""},
		{"XOAUTH", ""},
		{"XOAUTH22 XXOAUTH2", ""},
	} {
		t.Run(tt.offered, func(t *testing.T) {
			t.Parallel()
			eachWay(t, func(t *testing.T, w way) {
				if w.startTLS || w.proto == xoauth2.POP3 && strings.Contains(tt.offered, "XOAUTH2") && tt.want == "" {
					return // POP3 does not ask whom it need not
				}
				h := newMailHost(t, w.offering(tt.offered))
				client, err := w.dial(t.Context(), testUser, canarySource(), w.options(h))
				if client != nil {
					client.Close()
				}
				h.finish(t)
				if tt.want != "" {
					if err != nil {
						t.Fatalf("got error %v, want none", err)
					}
					h.assertPayload(t, w, tt.want)
					return
				}
				w.assertFailed(t, err, "AUTH")
				if !errors.Is(err, xoauth2.ErrNotAdvertised) || !strings.Contains(err.Error(), fmt.Sprintf("%q", tt.offered)) {
					t.Errorf("got error %v, want ErrNotAdvertised naming %q", err, tt.offered)
				}
				h.assertClosed(t)
			})
		})
	}
}

// assertPayload fails unless the last words of the client are the payload of a
// mechanism, which the last AUTH command named.
func (h *mailHost) assertPayload(t *testing.T, w way, mech string) {
	t.Helper()
	lines := h.lines()
	words := strings.Fields(lines[len(lines)-1])
	got, err := base64.StdEncoding.DecodeString(words[len(words)-1])
	want := "user=" + testUser + "\x01auth=Bearer " + canaryToken + "\x01\x01"
	if mech == "OAUTHBEARER" {
		want = "n,a=" + testUser + ",\x01host=" + hostOf + "\x01port=1" + fmt.Sprint(int(w.proto)) + "\x01auth=Bearer " + canaryToken + "\x01\x01"
	}
	if string(got) != want || err != nil || !strings.Contains(strings.Join(lines, "\n"), " "+mech) {
		t.Errorf("got %q, that is %q, from the client, want %s with %q", lines, got, mech, want)
	}
}

func TestDialNothingAdvertised(t *testing.T) {
	t.Parallel()
	scripts := map[xoauth2.Protocol]func(*peer){
		xoauth2.IMAP: func(p *peer) {
			p.say("* OK ready")
			p.expect("CAPABILITY")
			p.say("* CAPABILITY IMAP4rev1", p.tag+" OK")
		},
		xoauth2.POP3: func(p *peer) {
			p.say("+OK ready")
			p.expect("AUTH")
			p.say("-ERR")
			p.expect("CAPA")
			p.say("+OK", "UIDL", ".")
		},
		xoauth2.SMTP: func(p *peer) { p.say("220 ready"); p.expect("EHLO"); p.say("250 AUTH XOAUTH2 is my name") },
	}
	for proto, script := range scripts {
		t.Run(proto.String(), func(t *testing.T) {
			t.Parallel()
			w := way{proto: proto}
			h := newMailHost(t, func(p *peer) { p.handshake(); script(p) })
			_, err := w.dial(t.Context(), testUser, canarySource(), w.options(h))
			if !errors.Is(err, xoauth2.ErrNotAdvertised) {
				t.Errorf("got error %v, want ErrNotAdvertised", err)
			}
			h.assertClosed(t)
			h.finish(t)
		})
	}
}

// exchangeName is how Exchange hides its name in a greeting.
func exchangeName(name string) string {
	var octets []byte
	for _, unit := range utf16.Encode([]rune(name)) {
		octets = append(octets, byte(unit), byte(unit>>8))
	}
	return base64.StdEncoding.EncodeToString(octets)
}

// TestDialAuthError has servers that greet and refuse as Exchange does, or, with
// an error document, as Gmail.
func TestDialAuthError(t *testing.T) {
	t.Parallel()
	const name = "AM0PR06CA0126.eurprd06.prod.outlook.com"
	greetings := map[xoauth2.Protocol]string{
		xoauth2.IMAP: "* OK The Microsoft Exchange IMAP4 service is ready. [" + exchangeName(name) + "]",
		xoauth2.POP3: "+OK The Microsoft Exchange POP3 service is ready. [" + exchangeName(name) + "]",
		xoauth2.SMTP: "220 " + name + " Microsoft ESMTP MAIL Service ready at Sat, 21 Nov 2026 10:00:00 +0000",
	}
	refusals := map[xoauth2.Protocol]string{
		xoauth2.IMAP: " NO AUTHENTICATE failed.",
		xoauth2.POP3: "-ERR Authentication failure: unknown user name or bad password.",
		xoauth2.SMTP: "535 5.7.3 Authentication unsuccessful [SN2PR00CA0018.namprd00.prod.outlook.com]",
	}
	for _, document := range []*xoauth2.ServerError{nil, {Status: "400", Schemes: "Bearer", Scope: "https://mail.google.com/"}} {
		t.Run(fmt.Sprint("document ", document != nil), func(t *testing.T) {
			t.Parallel()
			eachWay(t, func(t *testing.T, w way) {
				h := newMailHost(t, func(p *peer) {
					w.play(p, func(at string, lines ...string) {
						switch {
						case at == atHandshake:
							p.handshake()
						case at == atGreeting:
							p.say(greetings[w.proto])
						case strings.Contains(lines[0], "welcome"):
							p.refuse(w, document, refusals[w.proto])
						default:
							p.say(lines...)
						}
					})
				})
				before := time.Now()
				_, err := w.dial(t.Context(), testUser, canarySource(), w.options(h))
				w.assertFailed(t, err, "")
				h.assertClosed(t)
				h.finish(t)
				refused, ok := errors.AsType[*xoauth2.AuthError](err)
				if !ok {
					t.Fatalf("got error %v, want an AuthError", err)
				}
				if refused.Protocol != w.proto || refused.Addr != w.addr() || refused.Username != testUser || refused.Greeting != name {
					t.Errorf("got %+v, want %v, %q, %q, %q", refused, w.proto, w.addr(), testUser, name)
				}
				if !reflect.DeepEqual(refused.Server, document) || refused.Token.Length != len(canaryToken) {
					t.Errorf("got document %+v and a token of %d bytes, want %+v and %d", refused.Server, refused.Token.Length, document, len(canaryToken))
				}
				if refused.Time.Before(before) || refused.Time.After(time.Now()) {
					t.Errorf("got the time %v, want now", refused.Time)
				}
				if !w.isReply(err) || refused.Unwrap() != refused.Err {
					t.Errorf("got %#v inside, want the server's reply", refused.Err)
				}
				for _, part := range []string{testUser, strings.TrimSpace(refusals[w.proto])} {
					if !strings.Contains(err.Error(), part) {
						t.Errorf("got error %q, want %q in it", err, part)
					}
				}
			})
		})
	}
}

// refuse refuses a login, after an error document if there is one.
func (p *peer) refuse(w way, document *xoauth2.ServerError, text string) {
	if document != nil {
		p.write(w.challenge(base64.StdEncoding.EncodeToString(
			fmt.Appendf(nil, `{"status":%q,"schemes":%q,"scope":%q}`, document.Status, document.Schemes, document.Scope))))
		if got := p.hear(); got != "" {
			p.host.t.Errorf("trap 1: got %q in answer to the error document, want an empty line", got)
		}
	}
	if w.proto == xoauth2.IMAP {
		text = p.tag + text
	}
	p.say(text)
	p.drain()
	panic(gone{})
}

// TestDialVerifyMailbox has servers that let the user in, and then show that
// there is no mailbox.
func TestDialVerifyMailbox(t *testing.T) {
	t.Parallel()
	replies := map[xoauth2.Protocol][]string{
		xoauth2.IMAP: {"BAD User is authenticated but not connected.", "NO [UNAVAILABLE] Server Unavailable. 15"},
		xoauth2.POP3: {"-ERR [SYS/TEMP] Mailbox is not available."},
	}
	eachWay(t, func(t *testing.T, w way) {
		for _, reply := range replies[w.proto] {
			h := newMailHost(t, w.interrupted(atMailbox, func(p *peer) {
				if w.proto == xoauth2.IMAP {
					reply = p.tag + " " + reply
				}
				p.say(reply)
				p.drain()
				panic(gone{})
			}))
			opts := w.options(h)
			opts.VerifyMailbox = true
			_, err := w.dial(t.Context(), testUser, canarySource(), opts)
			w.assertFailed(t, err, "mailbox")
			if _, ok := errors.AsType[*xoauth2.AuthError](err); !ok || !w.isReply(err) {
				t.Errorf("got error %v, want an AuthError with the reply %q", err, reply)
			}
			h.assertClosed(t)
			h.finish(t)
		}
	})
}

// TestDialVerifiedClient shows that verifying leaves no trace in the client.
func TestDialVerifiedClient(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, w way) {
		h := newMailHost(t, func(p *peer) {
			w.polite()(p)
			p.expect("NOOP")
			p.say(map[xoauth2.Protocol]string{xoauth2.IMAP: p.tag + " OK", xoauth2.POP3: "+OK", xoauth2.SMTP: "250 ok"}[w.proto])
		})
		opts := w.options(h)
		opts.VerifyMailbox = true
		client, err := w.dial(t.Context(), testUser, canarySource(), opts)
		if err != nil {
			t.Fatal(err)
		}
		defer h.finish(t)
		defer client.Close()
		if c, ok := client.(*imapclient.Client); ok && (c.State() != imap.ConnStateAuthenticated || !c.Caps().Has(imap.CapIMAP4rev1)) {
			t.Errorf("got the state %v with %v, want authenticated with the server's capabilities", c.State(), c.Caps())
		}
		if c, ok := client.(*smtp.Client); ok && c.DebugWriter != nil {
			t.Error("got a DebugWriter, want none")
		}
		if err := noop(client); err != nil {
			t.Errorf("NOOP: got error %v, want none", err)
		}
	})
}
