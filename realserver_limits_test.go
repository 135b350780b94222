//go:build linux

package xoauth2_test

import (
	"errors"
	"io"
	"testing"

	"github.com/xoauth2/go-xoauth2"
	"github.com/xoauth2/go-xoauth2/internal/realserver"
)

// TestRealServersLongToken logs in with long tokens, up to what the servers
// take: Dovecot 8,192 octets of base64, Postfix with Dovecot 12,288.
func TestRealServersLongToken(t *testing.T) {
	t.Parallel()
	w := newRealWorld(t, realserver.Options{})
	tokens := map[int]string{}
	for _, length := range []int{6000, 6500, 9500} {
		tokens[length] = w.longToken(t, testUser, length)
	}
	eachRealService(t, func(t *testing.T, s realService) {
		for length, token := range tokens {
			session, err := s.dial(t.Context(), testUser, staticToken(token), w.options(s))
			var refused *xoauth2.AuthError
			switch limit := map[bool]int{true: 9000, false: 6100}[s.proto == xoauth2.SMTP]; {
			case length < limit && err != nil:
				t.Errorf("got %v for %d characters, want success", err, length)
			case length < limit:
				if err := session.noop(); err != nil {
					t.Errorf("got %v from the session, want it usable", err)
				}
				session.Close()
			case s.proto == xoauth2.SMTP:
				if !errors.As(err, &refused) || realReply(err) != "500 5.5.6" {
					t.Errorf("got %v for %d characters, want 500 5.5.6", err, length)
				}
			case !errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &refused):
				t.Errorf("got %v for %d characters, want that Dovecot hangs up", err, length)
			}
		}
	})
}

// TestRealServersLongAuthLine sends tokens in the AUTH line itself, to a
// Postfix with the usual line_length_limit, and to one with RFC 4954's.
func TestRealServersLongAuthLine(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		limit  int
		length int
		want   string // reply; empty: success
	}{
		{"usual limit, usual token", 0, 1300, ""},
		{"usual limit, long token", 0, 2000, "535 5.7.8"},
		{"high limit, long token", 12288, 6000, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newRealWorld(t, realserver.Options{LineLengthLimit: test.limit})
			for _, s := range realServices() {
				if s.proto != xoauth2.SMTP {
					continue
				}
				opts := w.options(s)
				opts.Provider.LongAuthLine = true
				session, err := s.dial(t.Context(), testUser, staticToken(w.longToken(t, testUser, test.length)), opts)
				if got := realReply(err); got != test.want || err != nil && got == "" {
					t.Errorf("%v: got %v, want %q", s, err, test.want)
				}
				if err == nil {
					session.Close()
				}
			}
		})
	}
}
