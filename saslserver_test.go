package xoauth2_test

import (
	"encoding/base64"
	"errors"
	"net"
	"net/textproto"
	"strings"
	"testing"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"github.com/xoauth2/go-xoauth2"
)

// saslSession is a session of go-smtp's server. It has no messages.
type saslSession struct {
	smtp.Session
	authenticate func(username, accessToken string) error
}

func (s saslSession) AuthMechanisms() []string { return []string{xoauth2.Mechanism} }
func (s saslSession) Logout() error            { return nil }
func (s saslSession) Auth(string) (sasl.Server, error) {
	return xoauth2.NewSASLServer(s.authenticate), nil
}

// TestSASLServerOfGoSMTP shows what go-smtp's server says to a client.
func TestSASLServerOfGoSMTP(t *testing.T) {
	t.Parallel()
	document := &xoauth2.ServerError{Status: "400"}
	tests := []struct {
		name     string
		decision error
		want     []string // the replies to AUTH and to the empty line after the document
	}{
		{"welcome", nil, []string{"235 2.0.0 "}},
		{"refusal", smtp.ErrAuthFailed, []string{"535 5.7.8 "}},
		{"wrapped refusal", errors.Join(errors.New("expired"), smtp.ErrAuthFailed), []string{"535 5.7.8 "}},
		{"document and refusal", errors.Join(document, smtp.ErrAuthFailed), []string{"334 ", "535 5.7.8 "}},
		{"document only", document, []string{"334 ", "454 4.7.0 "}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) {
				return saslSession{authenticate: func(string, string) error { return tt.decision }}, nil
			}))
			server.AllowInsecureAuth = true
			served := make(chan error, 1)
			go func() { served <- server.Serve(l) }()
			defer func() { server.Close(); <-served }()
			c, err := textproto.Dial("tcp", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			payload, _ := xoauth2.InitialResponse(testUser, "good")
			for _, line := range []string{"", "EHLO localhost"} {
				if line != "" {
					c.PrintfLine("%s", line)
				}
				if _, _, err := c.ReadResponse(2); err != nil {
					t.Fatal(err)
				}
			}
			line := "AUTH XOAUTH2 " + base64.StdEncoding.EncodeToString(payload)
			for _, want := range tt.want {
				c.PrintfLine("%s", line)
				if got, err := c.ReadLine(); !strings.HasPrefix(got, want) {
					t.Errorf("got %q, %v, want %q", got, err, want)
				}
				line = ""
			}
		})
	}
}
