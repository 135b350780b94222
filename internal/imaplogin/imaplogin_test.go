package imaplogin_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-sasl"

	"github.com/xoauth2/go-xoauth2/internal/imaplogin"
	"github.com/xoauth2/go-xoauth2/internal/wire"
)

// play returns a connection to a server that says the first line, and one more
// for each line it hears; "\r\n" within a line makes several of it. It then
// hangs up. heard returns what it heard.
func play(t *testing.T, lines ...string) (conn *wire.Conn, heard func() []string) {
	t.Helper()
	near, far := net.Pipe()
	var all []string
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer far.Close()
		r := bufio.NewReader(far)
		for i, line := range lines {
			if i > 0 {
				got, err := r.ReadString('\n')
				if err != nil {
					return
				}
				all = append(all, strings.TrimSuffix(got, "\r\n"))
			}
			if _, err := io.WriteString(far, line+"\r\n"); err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() { near.Close(); <-done })
	return wire.NewConn(near, nil), func() []string { near.Close(); <-done; return all }
}

func TestGreeting(t *testing.T) {
	t.Parallel()
	tests := []struct {
		line, text, err string
		known           bool
	}{
		{line: "* OK ready", text: "ready"},
		{line: "* ok", text: ""},
		{line: "* OK [CAPABILITY IMAP4rev1] ready", text: "ready", known: true},
		{line: "* OK [capability] ready", text: "ready", known: true},
		{line: "* OK [ALERT] ready", text: "ready"},
		{line: "* OK The Microsoft Exchange IMAP4 service is ready. [QQBCAA==]", text: "The Microsoft Exchange IMAP4 service is ready. [QQBCAA==]"},
		{line: "* OK [unclosed", text: "[unclosed"},
		{line: "* PREAUTH welcome", err: "PREAUTH"},
		{line: "* BYE come later", err: "come later"},
		{line: "* NO", err: "unexpected"},
		{line: "* CAPABILITY IMAP4rev1", err: "unexpected"},
		{line: "T1 OK", err: "unexpected"},
		{line: "+OK ready", err: "unexpected"},
		{line: "220 ready", err: "unexpected"},
		{line: "", err: "unexpected"},
	}
	for _, tt := range tests {
		t.Run(tt.line, func(t *testing.T) {
			t.Parallel()
			conn, _ := play(t, tt.line)
			login, err := imaplogin.New(conn)
			if tt.err != "" {
				if login != nil || err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("got error %v, want %q", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if login.Greeting != tt.text || login.Known() != tt.known {
				t.Errorf("got %q, capabilities known %v, want %q, %v", login.Greeting, login.Known(), tt.text, tt.known)
			}
		})
	}
}

func TestCapabilities(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		lines []string
		want  []string
		err   string
		asked bool
	}{
		{"in the greeting", []string{"* OK [CAPABILITY IMAP4rev1 sasl-ir] ready"}, []string{"IMAP4rev1", "sasl-ir"}, "", false},
		{"asked for", []string{"* OK ready", "* CAPABILITY A B\r\nT1 OK"}, []string{"A", "B"}, "", true},
		{"in the reply", []string{"* OK ready", "T1 OK [CAPABILITY A] done"}, []string{"A"}, "", true},
		{"the last ones", []string{"* OK ready", "* CAPABILITY A\r\n* CAPABILITY B\r\nT1 OK"}, []string{"B"}, "", true},
		{"between other responses", []string{"* OK ready", "* 3 EXISTS\r\n* capability A\r\n* OK\r\n* \r\nT1 ok"}, []string{"A"}, "", true},
		{"not atoms", []string{"* OK ready", "* CAPABILITY A AUTH=\"X\" B{3} (C) D\\ * % ü \x7f E]F G\r\nT1 OK"}, []string{"A", "G"}, "", true},
		{"none", []string{"* OK ready", "* CAPABILITY\r\nT1 OK"}, []string{}, "", true},
		{"not said", []string{"* OK ready", "T1 OK"}, nil, "does not say", true},
		{"refused", []string{"* OK ready", "T1 NO [X] not now"}, nil, "not now", true},
		{"bad", []string{"* OK ready", "T1 BAD what"}, nil, "what", true},
		{"foreign tag", []string{"* OK ready", "T2 OK"}, nil, "unexpected", true},
		{"no status", []string{"* OK ready", "T1 HELLO"}, nil, "unexpected", true},
		{"continuation", []string{"* OK ready", "+ go ahead"}, nil, "unexpected", true},
		{"hangs up", []string{"* OK ready", "* CAPABILITY A"}, nil, "EOF", true},
		{"says goodbye", []string{"* OK ready", "* BYE shutting down"}, nil, "shutting down", true},
		{"too many responses", []string{"* OK ready", strings.Repeat("* OK\r\n", 1001) + "T1 OK"}, nil, "more than 1000", true},
		{"early reply", []string{"* OK ready\r\nT1 OK [CAPABILITY A]", ""}, nil, "unexpected", false},
		{"early response", []string{"* OK ready\r\n* 3 EXISTS", "* CAPABILITY A\r\nT1 OK"}, []string{"A"}, "", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			conn, heard := play(t, tt.lines...)
			login, err := imaplogin.New(conn)
			if err != nil {
				t.Fatal(err)
			}
			got, err := login.Capabilities()
			if !reflect.DeepEqual(got, tt.want) || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("got %q, error %v, want %q, %q", got, err, tt.want, tt.err)
			}
			if lines := heard(); slices.Contains(lines, "T1 CAPABILITY") != tt.asked {
				t.Errorf("got %q from the client, want that it asks: %v", lines, tt.asked)
			}
		})
	}
}

func TestStartTLS(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		lines []string
		err   string
	}{
		{"agreed", []string{"* OK ready", "T1 OK begin"}, ""},
		{"offered", []string{"* OK [CAPABILITY starttls] ready", "T1 OK [CAPABILITY AUTH=XOAUTH2] begin"}, ""},
		{"not offered", []string{"* OK [CAPABILITY IMAP4rev1] ready"}, "does not offer STARTTLS"},
		{"refused", []string{"* OK ready", "T1 BAD what"}, "what"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			conn, _ := play(t, tt.lines...)
			login, err := imaplogin.New(conn)
			if err != nil {
				t.Fatal(err)
			}
			err = login.StartTLS()
			if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("got error %v, want %q", err, tt.err)
			}
			if err == nil && login.Known() {
				t.Error("got the capabilities of before TLS, want them forgotten")
			}
		})
	}
}

// saslClient answers challenges with the answers in turn, and then fails.
type saslClient struct{ answers []string }

var errNoAnswer = errors.New("no answer left")

func (c *saslClient) Start() (mech string, ir []byte, err error) { return "TEST", []byte("ir"), nil }
func (c *saslClient) Next([]byte) ([]byte, error) {
	if len(c.answers) == 0 {
		return nil, errNoAnswer
	}
	answer := c.answers[0]
	c.answers = c.answers[1:]
	return []byte(answer), nil
}

var _ sasl.Client = (*saslClient)(nil)

func TestAuthenticate(t *testing.T) {
	t.Parallel()
	many := slices.Repeat([]string{""}, 20)
	tests := []struct {
		name    string
		inline  bool
		answers []string
		lines   []string
		heard   []string
		err     string
	}{
		{"inline", true, nil, []string{"T1 OK"}, []string{"T1 AUTHENTICATE TEST aXI="}, ""},
		{"trap 3: asked", false, []string{"ir"}, []string{"+ ", "T1 OK"}, []string{"T1 AUTHENTICATE TEST", "aXI="}, ""},
		{"asked without a space", false, []string{"ir"}, []string{"+", "T1 OK"}, []string{"T1 AUTHENTICATE TEST", "aXI="}, ""},
		{"trap 1: empty answer", true, []string{""}, []string{"+ e30=", "T1 NO no"}, []string{"T1 AUTHENTICATE TEST aXI=", ""}, "no"},
		{"trap 2: the mechanism fails", true, nil, []string{"+ e30="}, []string{"T1 AUTHENTICATE TEST aXI="}, errNoAnswer.Error()},
		{"not base64", true, []string{""}, []string{"+ e30"}, []string{"T1 AUTHENTICATE TEST aXI="}, "not base64"},
		{"success too early", false, nil, []string{"T1 OK"}, []string{"T1 AUTHENTICATE TEST"}, "before it has seen"},
		{"never ends", true, many, slices.Repeat([]string{"+ "}, 20), nil, "never ends"},
		{"bad", true, nil, []string{"T1 BAD what"}, nil, "what"},
		{"goodbye", true, nil, []string{"* BYE too many connections"}, nil, "too many connections"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			conn, heard := play(t, append([]string{"* OK ready"}, tt.lines...)...)
			login, err := imaplogin.New(conn)
			if err != nil {
				t.Fatal(err)
			}
			err = login.Authenticate(&saslClient{tt.answers}, tt.inline)
			if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("got error %v, want %q", err, tt.err)
			}
			if got := heard(); tt.heard != nil && !reflect.DeepEqual(got, tt.heard) {
				t.Errorf("got %q from the client, want %q", got, tt.heard)
			}
		})
	}
}

func TestRefusal(t *testing.T) {
	t.Parallel()
	conn, _ := play(t, "* OK ready", "T1 no [authenticationfailed] sorry [not really]")
	login, err := imaplogin.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	err = login.Authenticate(&saslClient{}, true)
	want := imap.Error{Type: imap.StatusResponseTypeNo, Code: imap.ResponseCodeAuthenticationFailed, Text: "sorry [not really]"}
	if refusal, ok := errors.AsType[*imap.Error](err); !ok || *refusal != want {
		t.Errorf("got %#v, want %#v", err, want)
	}
}

// TestClient shows that go-imap goes on where the login ended, with what the
// server had said already.
func TestClient(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		lines []string
		heard string // after the login
	}{
		{"capabilities with the login", []string{"T1 OK [CAPABILITY IMAP4rev1 IDLE] in\r\n* 7 EXISTS", "T1 OK"}, "T1 NOOP"},
		{"capabilities before the login", []string{"* CAPABILITY IMAP4rev1 IDLE\r\nT1 OK in\r\n* 7 EXISTS", "T1 OK"}, "T1 NOOP"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			conn, heard := play(t, append([]string{"* OK [CAPABILITY IMAP4rev1 SASL-IR] ready"}, tt.lines...)...)
			login, err := imaplogin.New(conn)
			if err != nil {
				t.Fatal(err)
			}
			if err := login.Authenticate(&saslClient{}, true); err != nil {
				t.Fatal(err)
			}
			exists := make(chan uint32, 1)
			client, err := login.Client(&imapclient.Options{UnilateralDataHandler: &imapclient.UnilateralDataHandler{
				Mailbox: func(data *imapclient.UnilateralDataMailbox) { exists <- *data.NumMessages },
			}})
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			if !client.Caps().Has(imap.CapIdle) || client.Caps().Has(imap.CapSASLIR) || client.State() != imap.ConnStateAuthenticated {
				t.Errorf("got %v in the state %v, want the capabilities of after the login", client.Caps(), client.State())
			}
			if err := client.Noop().Wait(); err != nil {
				t.Errorf("Noop: %v", err)
			}
			if got := <-exists; got != 7 {
				t.Errorf("got %d messages, want the 7 that the server had told of", got)
			}
			if lines := heard(); len(lines) != 2 || lines[1] != tt.heard {
				t.Errorf("got %q from the client, want %q after the login", lines, tt.heard)
			}
		})
	}
}

// TestClientOfEndedConnection hands connections over that the server has left, or
// spoils, after the login, more than once since go-imap v2.0.0-beta.8 may
// take such an end for the want of a greeting by chance.
func TestClientOfEndedConnection(t *testing.T) {
	t.Parallel()
	for name, after := range map[string]string{
		"nothing": "", "goodbye": "\r\n* BYE See you", "what is no IMAP": "\r\n(",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for range 3000 {
				said := "* OK [CAPABILITY IMAP4rev1 SASL-IR] ready\r\nT1 OK [CAPABILITY IMAP4rev1] in" + after + "\r\n"
				client := handOver(t, &recorded{r: strings.NewReader(said)})
				if err := client.Close(); after == "\r\n(" && err == nil {
					t.Fatal("Close: no error, want the one of what is no IMAP")
				}
			}
		})
	}
}

// FuzzLogin has any server: no panic, and an end.
func FuzzLogin(f *testing.F) {
	seeds := []string{
		"* OK ready\r\n", "* OK [CAPABILITY SASL-IR AUTH=XOAUTH2] ready\r\nT1 OK\r\n", "* PREAUTH\r\n", "* BYE\r\n",
		"* OK\r\n* CAPABILITY A\r\nT1 OK\r\n+ e30=\r\nT2 NO [X] no\r\n", "* OK [\r\n", "\x00\r\n", "+\r\n",
	}
	for _, s := range seeds {
		f.Add(s, true)
		f.Add(s, false)
	}
	f.Fuzz(func(t *testing.T, said string, inline bool) {
		login, err := imaplogin.New(wire.NewConn(&recorded{r: strings.NewReader(said)}, nil))
		if err != nil {
			return
		}
		login.StartTLS()
		login.Capabilities()
		if err := login.Authenticate(&saslClient{[]string{"a", ""}}, inline); err == nil {
			login.Command("NOOP")
		}
	})
}

// recorded is a server that does not listen. It says a line at a time.
type recorded struct {
	net.Conn
	r *strings.Reader
}

func (c *recorded) Read(b []byte) (int, error) {
	for i := range b {
		c, err := c.r.ReadByte()
		if err != nil {
			return i, err
		}
		if b[i] = c; c == '\n' {
			return i + 1, nil
		}
	}
	return len(b), nil
}

func (c *recorded) Write(b []byte) (int, error)      { return len(b), nil }
func (c *recorded) Close() error                     { return nil }
func (c *recorded) SetReadDeadline(time.Time) error  { return nil }
func (c *recorded) SetWriteDeadline(time.Time) error { return nil }
