package smtplogin_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"github.com/xoauth2/go-xoauth2/internal/smtplogin"
	"github.com/xoauth2/go-xoauth2/internal/wire"
)

// server is the connection to one that greets, answers each line of the client
// with the next reply, and hangs up.
type server struct {
	net.Conn
	replies []string
	said    int // replies
	step    int // bytes to say at once; 0: a reply
	left    string
	heard   []string
	closed  bool
}

func newServer(replies ...string) *server { return &server{replies: replies} }

func (s *server) Read(b []byte) (int, error) {
	if s.left == "" {
		if s.said > len(s.heard) || s.said == len(s.replies) {
			return 0, io.EOF
		}
		s.left = s.replies[s.said]
		s.said++
	}
	if s.step > 0 {
		b = b[:min(s.step, len(b))]
	}
	n := copy(b, s.left)
	s.left = s.left[n:]
	return n, nil
}

func (s *server) Write(b []byte) (int, error) {
	if s.closed {
		return 0, net.ErrClosed
	}
	s.heard = append(s.heard, strings.TrimSuffix(string(b), "\r\n"))
	return len(b), nil
}

func (s *server) Close() error                     { s.closed = true; return nil }
func (s *server) SetDeadline(time.Time) error      { return nil }
func (s *server) SetReadDeadline(time.Time) error  { return nil }
func (s *server) SetWriteDeadline(time.Time) error { return nil }

// mechanism answers challenges with the answers in turn, and then fails.
type mechanism struct{ answers []string }

var errNoAnswer = errors.New("no answer left")

func (m *mechanism) Start() (mech string, ir []byte, err error) { return "TEST", []byte("ir"), nil }
func (m *mechanism) Next([]byte) ([]byte, error) {
	if len(m.answers) == 0 {
		return nil, errNoAnswer
	}
	answer := m.answers[0]
	m.answers = m.answers[1:]
	return []byte(answer), nil
}

var _ sasl.Client = (*mechanism)(nil)

const ehlo = "250-hi\r\n250 AUTH TEST\r\n"

// login runs a login on a monitored client.
func login(s *server, trace *wire.Trace, m *mechanism) (*smtp.Client, error) {
	client := smtp.NewClient(s)
	monitor := smtplogin.NewMonitor(trace, false)
	client.DebugWriter = monitor
	defer func() { client.DebugWriter = nil }()
	if err := monitor.Check(client.Hello("client.example")); err != nil {
		return client, err
	}
	return client, monitor.Auth(client, m)
}

func TestAuth(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		answers []string
		replies []string // to AUTH and what follows
		heard   []string // after EHLO
		err     string
		code    int // of the refusal
	}{
		{"accepted", nil, []string{"235 2.7.0 welcome\r\n"}, []string{"AUTH TEST aXI="}, "", 0},
		{"accepted in many lines", nil, []string{"235-2.7.0 wel\r\n235 2.7.0 come\r\n"}, []string{"AUTH TEST aXI="}, "", 0},
		{"trap 5: refused", nil, []string{"535 5.7.3 no\r\n"}, []string{"AUTH TEST aXI="}, "no", 535},
		{"trap 5: refused in many lines", nil, []string{"535-5.7.3 no\r\n535 5.7.3 never\r\n"}, []string{"AUTH TEST aXI="}, "no\nnever", 535},
		{"refused for now", nil, []string{"454 4.7.0 later\r\n"}, []string{"AUTH TEST aXI="}, "later", 454},
		{"trap 4: refused with a document", []string{""}, []string{"334 e30=\r\n", "535 5.7.8 no\r\n"}, []string{"AUTH TEST aXI=", ""}, "no", 535},
		{"asked", []string{"x"}, []string{"334 \r\n", "235 ok\r\n"}, []string{"AUTH TEST aXI=", "eA=="}, "", 0},
		{"asked without a space", []string{"x"}, []string{"334\r\n", "235 ok\r\n"}, []string{"AUTH TEST aXI=", "eA=="}, "", 0},
		{"the mechanism fails", nil, []string{"334 e30=\r\n"}, []string{"AUTH TEST aXI="}, errNoAnswer.Error(), 0},
		{"not base64", []string{""}, []string{"334 !\r\n"}, []string{"AUTH TEST aXI="}, "unexpected", 0},
		{"another success", nil, []string{"250 ok\r\n"}, []string{"AUTH TEST aXI="}, "unexpected", 0},
		{"another continuation", nil, []string{"354 go ahead\r\n"}, []string{"AUTH TEST aXI="}, "unexpected", 0},
		{"no reply", nil, []string{"welcome\r\n"}, []string{"AUTH TEST aXI="}, "unexpected", 0},
		{"success in two codes", nil, []string{"235-ok\r\n535 no\r\n"}, []string{"AUTH TEST aXI="}, "unexpected", 0},
		{"hangs up", nil, nil, []string{"AUTH TEST aXI="}, "EOF", 0},
		{"hangs up in a line", nil, []string{"235 2.7.0 welc"}, []string{"AUTH TEST aXI="}, "middle of a line", 0},
		{"hangs up in a code", nil, []string{"23"}, []string{"AUTH TEST aXI="}, "middle of a line", 0},
		{"goes on", nil, []string{"235 2.7.0 welcome\r\n334 \r\n"}, []string{"AUTH TEST aXI="}, "no command asked for", 0},
		{"goes on after a refusal", nil, []string{"535 5.7.3 no\r\n235 yes\r\n"}, []string{"AUTH TEST aXI="}, "no", 535},
	}
	for _, tt := range tests {
		for _, step := range []int{0, 1, 2, 3, 7} {
			if step > 0 && strings.Contains(tt.name, "goes on") {
				continue // that is heard of only if it comes at once
			}
			s := newServer(append([]string{"220 hi\r\n", ehlo}, tt.replies...)...)
			s.step = step
			client, err := login(s, nil, &mechanism{tt.answers})
			if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%s, %d bytes at once: got error %v, want %q", tt.name, step, err, tt.err)
			}
			refusal, ok := errors.AsType[*smtp.SMTPError](err)
			if ok != (tt.code > 0) || ok && refusal.Code != tt.code {
				t.Errorf("%s, %d bytes at once: got error %#v, want the code %d", tt.name, step, err, tt.code)
			}
			if !reflect.DeepEqual(s.heard[1:], tt.heard) {
				t.Errorf("%s, %d bytes at once: got %q from the client, want %q", tt.name, step, s.heard[1:], tt.heard)
			}
			client.Close()
		}
	}
}

// reference is what go-smtp itself makes of a refusal of AUTH.
func reference(reply string) error {
	client := smtp.NewClient(newServer("220 hi\r\n", ehlo, reply, "501 what\r\n"))
	if err := client.Hello("client.example"); err != nil {
		return err
	}
	return client.Auth(&mechanism{})
}

// TestRefusalIsGoSMTPs shows that a refusal is the one that go-smtp itself would give.
func TestRefusalIsGoSMTPs(t *testing.T) {
	t.Parallel()
	for _, reply := range []string{
		"535 5.7.3 Authentication unsuccessful [SN2PR00CA0018.namprd00.prod.outlook.com]",
		"535-5.7.8 one\r\n535 5.7.8 two", "535-5.7.8 one\r\n535 two", "535-one\r\n535 5.7.8 two", "535-\r\n535 x",
		"535 no code", "535 5.7.3", "535 5.7.3 ", "535 ", "535 - dash", "535  two spaces", "535 -5.7.3 x",
		"554 5.7.0 x", "421 4.3.2 x", "432 4.3.2 Concurrent connections limit exceeded",
		"535 5.7 x", "535 05.7.3 x", "535 5.7.3.4 x", "535 99999.1.1 x", "535 5.-7.3 x", "535 5.7.x y",
		"535-5.7.14 <https://accounts.google.com/signin/continue>\r\n535 5.7.14 ab12 - gsmtp",
	} {
		want := reference(reply + "\r\n")
		s := newServer("220 hi\r\n", ehlo, reply+"\r\n")
		_, got := login(s, nil, &mechanism{})
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%q: got %#v, want %#v", reply, got, want)
		}
	}
}

func FuzzRefusal(f *testing.F) {
	seeds := []string{"535 5.7.3 no\r\n", "535-5.7.8 a\r\n535 5.7.8 b\r\n", "421 x\r\n", "535-a\r\n\r\n535 b\r\n", "5\r\n", "535\r\n", "235 ok\r\n", "334 e30=\r\n"}
	for _, s := range seeds {
		for step := range uint8(4) {
			f.Add(s, step)
		}
	}
	f.Fuzz(func(t *testing.T, reply string, step uint8) {
		s := newServer("220 hi\r\n", ehlo, reply)
		s.step = int(step % 32)
		_, got := login(s, nil, &mechanism{})
		if len(s.heard) != 2 && strings.HasSuffix(reply, "\n") {
			t.Errorf("got %q from the client, want AUTH and nothing after it", s.heard)
		}
		// net/textproto does not take a reply without text.
		want := reference(strings.Replace(reply, "235\r", "235 ", 1))
		if got == nil && want != nil {
			t.Errorf("got success for what go-smtp takes for %v", want)
		}
	})
}

func TestMonitorTraces(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	trace := wire.NewTrace(&out)
	s := newServer("220 hi\r\n", ehlo, "535-5.7.3 no\r\n535 5.7.3 never\r\n")
	s.step = 5
	if _, err := login(s, trace, &mechanism{}); err == nil {
		t.Error("got no error, want the refusal")
	}
	trace.Close("refused")
	want := "\nS: 220 hi\nC: EHLO client.example\nS: 250-hi\nS: 250 AUTH TEST\nC: AUTH TEST aXI=\nS: 535-5.7.3 no\nS: 535 5.7.3 never\nexpect: refused\n"
	if got := out.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestMechanisms(t *testing.T) {
	t.Parallel()
	for reply, want := range map[string][]string{
		"250-hi\r\n250 AUTH XOAUTH2 PLAIN\r\n":            {"XOAUTH2", "PLAIN"},
		"250-hi\r\n250-SIZE 5\r\n250 auth xoauth2\r\n":    {"xoauth2"},
		"250-hi\r\n250-AUTH  A   B \r\n250 SIZE\r\n":      {"A", "B"},
		"250-hi\r\n250 AUTH\r\n":                          {},
		"250-hi\r\n250-AUTHX A\r\n250-X AUTH\r\n250 \r\n": nil,
		"250 AUTH XOAUTH2\r\n":                            nil, // the first line is a greeting
		"250 hi\r\n":                                      nil,
	} {
		client := smtp.NewClient(newServer("220 hi\r\n", reply))
		monitor := smtplogin.NewMonitor(nil, false)
		client.DebugWriter = monitor
		if err := client.Hello("client.example"); err != nil {
			t.Fatal(err)
		}
		got, ok := monitor.Mechanisms()
		if !slices.Equal(got, want) || ok != (want != nil) {
			t.Errorf("%q: got %q, %v, want %q", reply, got, ok, want)
		}
	}
}

func TestMonitorBegin(t *testing.T) {
	t.Parallel()
	client := smtp.NewClient(newServer("220-mail.contoso.test hi\r\n220 there\r\n", ehlo))
	monitor := smtplogin.NewMonitor(nil, false)
	calls, greeting := 0, ""
	monitor.Begin = func() { calls++; greeting = monitor.Reply() }
	client.DebugWriter = monitor
	if err := client.Hello("client.example"); err != nil || calls != 1 || greeting != "mail.contoso.test hi\nthere" {
		t.Errorf("got error %v, %d calls, the greeting %q, want one call with the greeting", err, calls, greeting)
	}
}

// TestLimited shows that a caller's client is bounded before AUTH, and that its
// own log goes on meanwhile.
func TestLimited(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	for _, w := range []io.Writer{nil, &log} {
		client := smtp.NewClient(newServer("220 hi\r\n", strings.Repeat("250-hi\r\n", 200_000)))
		client.DebugWriter = smtplogin.Limited(w)
		if err := client.Hello("client.example"); err == nil || !strings.Contains(err.Error(), "before the login is over") {
			t.Errorf("got error %v, want that it is too much", err)
		}
	}
	if !strings.HasPrefix(log.String(), "220 hi\r\nEHLO client.example\r\n250-hi\r\n") || log.Len() > 2<<20 {
		t.Errorf("got %d bytes in the log, %.50q, want the beginning", log.Len(), log.String())
	}
}
