package transcript

import (
	"encoding/base64"
	"fmt"
	"strings"
)

// Class is how an attempt to log in ends.
type Class string

// The classes, described in the package comment.
const (
	OK            Class = "ok"
	Refused       Class = "refused"
	Mailbox       Class = "mailbox"
	NotAdvertised Class = "not-advertised"
	TLS           Class = "tls"
	Protocol      Class = "protocol"
	Closed        Class = "closed"
	Canceled      Class = "canceled"
	NoToken       Class = "token"
)

// Settings are what a session depends on besides the lines that are said.
type Settings struct {
	StartTLS    bool // TLS starts after STARTTLS, otherwise with the first byte
	User        string
	TokenLength int

	SASLIRKnown   bool   // the provider is known to take an initial response
	LongAuthLine  bool   // the provider is known to take long AUTH lines
	VerifyMailbox bool   // the mailbox is opened after the login
	LocalName     string // what the client calls itself; empty: its default
}

// Script is a transcript that was read. It may be played many times, also at
// the same time.
type Script struct {
	Name     string
	Settings Settings
	Expect   Class
	Text     string // what the error's text holds; may be empty

	steps []step
	token string
}

type kind uint8

const (
	serverLine kind = iota
	clientLine
	optionalLine
	handshake
	hangUp
)

type step struct {
	kind kind
	line int    // in the file, from 1
	text string // with placeholders
	mech string // the SASL mechanism that {ir} is of
}

const (
	defaultUser        = "alice@contoso.test"
	defaultTokenLength = 120

	xoauth2     = "XOAUTH2"
	oauthBearer = "OAUTHBEARER"
)

// Token returns the access token of the session: a fake one of the length that
// the settings say.
func (s *Script) Token() string { return s.token }

// fakeToken returns a token of n characters in which no part of twelve
// characters occurs twice, so that a search for parts of it finds a leak and
// nothing else.
func fakeToken(n int) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	token := []byte("EwBcanary")
	for state := uint64(1); len(token) < n; {
		state = state*6364136223846793005 + 1442695040888963407
		token = append(token, alphabet[state>>58])
	}
	return string(token)
}

// Adopt gives s, the trace of a session that was played from another script,
// what a trace does not know: the settings, and the lines that the client may
// send after the trace has ended.
func (s *Script) Adopt(from *Script) {
	startTLS := s.Settings.StartTLS
	s.Settings = from.Settings
	s.Settings.StartTLS = startTLS
	s.token = from.token
	for _, st := range from.steps {
		if st.kind == optionalLine && s.Expect == OK {
			s.steps = append(s.steps, st)
		}
	}
}

// Before returns what was said before the n-th server line or handshake,
// counted from 0, and that line. Sessions in which the same was said go on
// alike, up to the next client line.
func (s *Script) Before(n int) (history, line string) {
	var b strings.Builder
	for _, st := range s.steps {
		if st.kind == serverLine || st.kind == handshake {
			if n == 0 {
				return b.String(), st.text
			}
			n--
		}
		fmt.Fprintf(&b, "%d %s\n", st.kind, st.text)
	}
	return b.String(), ""
}

// expand returns the text of a step with its placeholders filled in.
func (s *Script) expand(st step, o Options, tag string) string {
	return placeholder.ReplaceAllStringFunc(st.text, func(name string) string {
		switch name {
		case "{tag}":
			return tag
		case "{ir}":
			return base64.StdEncoding.EncodeToString(payload(st.mech, s.Settings.User, s.token, o))
		case "{token}":
			return s.token
		case "{user}":
			return s.Settings.User
		case "{host}":
			return o.Host
		case "{leak}":
			document := fmt.Sprintf(`{"status":"400","scope":%q}`, s.token)
			return base64.StdEncoding.EncodeToString([]byte(document))
		}
		return name
	})
}

// payload is written anew here, from Google's "OAuth 2.0 Mechanism" and RFC
// 7628, section 3.1, so that the library is not compared with itself.
func payload(mech, user, token string, o Options) []byte {
	if mech == oauthBearer {
		user = strings.NewReplacer("=", "=3D", ",", "=2C").Replace(user) // RFC 5801, section 4
		return fmt.Appendf(nil, "n,a=%s,\x01host=%s\x01port=%d\x01auth=Bearer %s\x01\x01", user, o.Host, o.Port, token)
	}
	return fmt.Appendf(nil, "user=%s\x01auth=Bearer %s\x01\x01", user, token)
}
