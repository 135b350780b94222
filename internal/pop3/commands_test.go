package pop3_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/xoauth2/go-xoauth2/internal/pop3"
	"github.com/xoauth2/go-xoauth2/internal/wire"
)

func TestSession(t *testing.T) {
	t.Parallel()
	client, server := net.Pipe()
	defer server.Close()
	go play(t, server,
		"S: +OK ready",
		"C: CAPA", "S: +OK", "S: top", "S: Sasl XOAUTH2  PLAIN ", "S: SASL LOGIN", "S: ", "S: ..", "S: .",
		"C: STAT", "S: +OK 2 320 and more",
		"C: LIST", "S: +OK 2 messages", "S: 2 200 and more", "S: 1 120", "S: .",
		"C: UIDL", "S: +OK", "S: 1 a/b", "S: 3 unknown", "S: 2 x and more", "S: .",
		"C: LIST", "S: +OK", "S: .",
		"C: UIDL", "S: -ERR unknown command",
		"C: TOP 2 0", "S: +OK", "S: Subject: x", "S: ", "S: .",
		"C: DELE 1", "S: +OK",
		"C: RSET", "S: +OK",
		"C: NOOP", "S: +OK",
		"C: QUIT", "S: +OK bye")
	c := newClient(t, client)
	if c.Greeting != "ready" {
		t.Errorf("Greeting: got %q, want %q", c.Greeting, "ready")
	}
	caps, err := c.Capabilities()
	if want := map[string][]string{"TOP": nil, "SASL": {"XOAUTH2", "PLAIN", "LOGIN"}, ".": nil}; err != nil || !reflect.DeepEqual(caps, want) {
		t.Errorf("Capabilities: got %v, %v, want %v", caps, err, want)
	}
	count, size, err := c.Stat()
	if count != 2 || size != 320 || err != nil {
		t.Errorf("Stat: got %d, %d, %v, want 2, 320, no error", count, size, err)
	}
	list, err := c.List()
	if want := []pop3.Entry{{1, 120, "a/b"}, {2, 200, "x"}}; err != nil || !reflect.DeepEqual(list, want) {
		t.Errorf("List: got %v, %v, want %v", list, err, want)
	}
	if list, err := c.List(); err != nil || list == nil || len(list) != 0 {
		t.Errorf("List: got %v, %v, want an empty list", list, err)
	}
	m, err := c.Top(2, 0)
	if err != nil {
		t.Fatalf("Top: got %v, want no error", err)
	}
	if header, err := io.ReadAll(m); string(header) != "Subject: x\r\n\r\n" || err != nil {
		t.Errorf("Top: got %q, %v", header, err)
	}
	for _, name := range []string{"DELE", "RSET", "NOOP", "QUIT"} {
		if err := commands[name](c); err != nil {
			t.Errorf("%s: got %v, want no error", name, err)
		}
	}
	if err := c.Noop(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("NOOP after QUIT: got %v, want %v", err, net.ErrClosed)
	}
}

func TestListPipelined(t *testing.T) {
	t.Parallel()
	const caps = "+OK\r\nPIPELINING\r\n.\r\n"
	tests := []struct {
		name, list, uidl string
		want             []pop3.Entry
		refused          string
	}{
		{"both", "+OK\r\n1 5\r\n.\r\n", "+OK\r\n1 u\r\n.\r\n", []pop3.Entry{{1, 5, "u"}}, ""},
		{"no UIDL", "+OK\r\n1 5\r\n.\r\n", "-ERR [X] unknown\r\n", []pop3.Entry{{1, 5, ""}}, ""},
		{"UIDL fails", "+OK\r\n1 5\r\n.\r\n", "-ERR [SYS/TEMP] later\r\n", nil, "UIDL: the server refuses: [SYS/TEMP]"},
		{"LIST fails", "-ERR later\r\n", "+OK\r\n1 u\r\n.\r\n", nil, "LIST: the server refuses"},
		{"both fail", "-ERR later\r\n", "-ERR later\r\n", nil, "LIST: the server refuses"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, conn := open(t, caps, tt.list, tt.uidl, "+OK\r\n")
			got, err := c.List()
			if tt.refused != "" {
				assertRefused(t, c, err, tt.refused)
			} else if err != nil || !reflect.DeepEqual(got, tt.want) {
				t.Errorf("List: got %v, %v, want %v", got, err, tt.want)
			}
			if sent := conn.sent(); !strings.HasPrefix(sent, "CAPA\r\nLIST\r\nUIDL\r\n") {
				t.Errorf("sent %q, want LIST and UIDL after CAPA", sent)
			}
		})
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	const noCaps = "-ERR\r\n"
	for name, command := range commands {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			replies := []string{"-ERR [x-Y/z] no %s\r\n", "+OK\r\n"}
			switch name {
			case "AUTH", "QUIT":
				return // tested elsewhere
			case "LIST", "all", "two":
				replies = append([]string{noCaps}, replies...)
			}
			c, _ := open(t, replies...)
			assertRefused(t, c, command(c), `the server refuses: [X-Y/Z] "no %s"`)
		})
	}
	c, conn := open(t, "-ERR some messages were not deleted\r\n")
	if err := c.Quit(); err == nil || !strings.Contains(err.Error(), "QUIT: the server refuses") || !conn.isClosed() {
		t.Errorf("Quit: got %v, closed: %v, want a refusal, and the connection closed", err, conn.isClosed())
	}
}

func TestResponseCodes(t *testing.T) {
	t.Parallel()
	tests := []struct{ text, code, rest string }{
		{"", "", ""},
		{"no", "", "no"},
		{"[IN-USE] locked", "IN-USE", "locked"},
		{"[sys/temp]locked", "SYS/TEMP", "locked"},
		{"[LOGIN-DELAY]", "LOGIN-DELAY", ""},
		{"[]", "", "[]"},
		{"[not a code] no", "", "[not a code] no"},
		{"[open", "", "[open"},
		{"see [AUTH]", "", "see [AUTH]"},
		{"[\x00] no", "", "[\x00] no"},
		{"[" + strings.Repeat("x", 65) + "]", "", "[" + strings.Repeat("x", 65) + "]"},
		{strings.Repeat("x", 300), "", strings.Repeat("x", 300)},
	}
	for _, tt := range tests {
		c, _ := open(t, "-ERR "+tt.text+"\r\n")
		refusal, ok := errors.AsType[*pop3.Refusal](c.Noop())
		if !ok || refusal.Code != tt.code || refusal.Text != tt.rest {
			t.Errorf("-ERR %s: got %+v, want code %q and text %q", tt.text, refusal, tt.code, tt.rest)
		}
	}
}

func TestMalformed(t *testing.T) {
	t.Parallel()
	const noCaps = "-ERR\r\n"
	tests := []struct {
		command string
		replies []string
		want    string
	}{
		{"NOOP", []string{"\r\n"}, `NOOP: unexpected reply of the server: ""`},
		{"NOOP", []string{"OK\r\n"}, `unexpected reply of the server: "OK"`},
		{"NOOP", []string{"+OKAY\r\n"}, `"+OKAY"`},
		{"NOOP", []string{"+ok\r\n"}, `"+ok"`},
		{"NOOP", []string{"-ERROR\r\n"}, `"-ERROR"`},
		{"NOOP", []string{"+ more\r\n"}, `NOOP: unexpected reply of the server: "+ more"`},
		{"NOOP", []string{"\x00\xff\n"}, `"\x00\xff"`},
		{"NOOP", []string{strings.Repeat("x", 300) + "\r\n"}, `xxx…"`},
		{"NOOP", []string{"+OK " + strings.Repeat("x", 70_000) + "\r\n"}, "is longer than 65536 bytes"},
		{"NOOP", []string{"+OK"}, "NOOP: the server closed the connection"},
		{"STAT", []string{"+OK\r\n"}, `STAT: unexpected reply of the server: "+OK "`},
		{"STAT", []string{"+OK 1\r\n"}, `"+OK 1"`},
		{"STAT", []string{"+OK one 2\r\n"}, `"+OK one 2"`},
		{"STAT", []string{"+OK -1 2\r\n"}, `"+OK -1 2"`},
		{"STAT", []string{"+OK 1 +2\r\n"}, `"+OK 1 +2"`},
		{"STAT", []string{"+OK 1 9223372036854775808\r\n"}, `"+OK 1 9223372036854775808"`},
		{"STAT", []string{"+OK 99999999999 1\r\n"}, `"+OK 99999999999 1"`},
		{"LIST", []string{noCaps, "+OK\r\nx\r\n.\r\n"}, `LIST: unexpected reply of the server: "x"`},
		{"LIST", []string{noCaps, "+OK\r\n1\r\n.\r\n"}, `"1"`},
		{"LIST", []string{noCaps, "+OK\r\n0 1\r\n.\r\n"}, `"0 1"`},
		{"LIST", []string{noCaps, "+OK\r\n1 -1\r\n.\r\n"}, `"1 -1"`},
		{"LIST", []string{noCaps, "+OK\r\n\r\n.\r\n"}, `LIST: unexpected reply of the server: ""`},
		{"LIST", []string{noCaps, "+OK\r\n2 1\r\n1 1\r\n2 1\r\n.\r\n"}, "LIST: the server lists message 2 twice"},
		{"LIST", []string{noCaps, "+OK\r\n1 1\r\n.\r\n", "+OK\r\n1\r\n.\r\n"}, `UIDL: unexpected reply of the server: "1"`},
		{"LIST", []string{noCaps, "+OK\r\n1 1\r\n.\r\n", "+OK\r\nx y\r\n.\r\n"}, `UIDL: unexpected reply of the server: "x y"`},
		{"LIST", []string{noCaps, "+OK\r\n1 1\r\n"}, "LIST: the server closed the connection"},
		{"LIST", []string{noCaps, "what\r\n"}, `LIST: unexpected reply of the server: "what"`},
		{"LIST", []string{"what\r\n"}, `CAPA: unexpected reply of the server: "what"`},
		{"all", []string{"what\r\n"}, `CAPA: unexpected reply of the server: "what"`},
		{"all", []string{noCaps, "what\r\n"}, `LIST: unexpected reply of the server: "what"`},
		{"two", []string{noCaps, "what\r\n"}, `RETR 1: unexpected reply of the server: "what"`},
		{"two", []string{noCaps, "+OK\r\n.\r\n", "what\r\n"}, `RETR 2: unexpected reply of the server: "what"`},
		{"CAPA", []string{"+OK\r\n" + strings.Repeat("X\r\n", 1001) + ".\r\n"}, "CAPA: a reply of the server is longer than 1000 lines"},
		{"CAPA", []string{"+OK\r\n" + strings.Repeat(strings.Repeat("X", 50_000)+"\r\n", 3) + ".\r\n"}, "CAPA: a reply of the server is longer than"},
		{"RETR", []string{"+OK\r\n.\r\n+OK\r\n"}, "NOOP: the server sent what no command asked for: \"+OK\\r\\n\""},
		{"QUIT", []string{"bye\r\n"}, `QUIT: unexpected reply of the server: "bye"`},
	}
	for i, tt := range tests {
		t.Run(fmt.Sprintf("%s %d", tt.command, i), func(t *testing.T) {
			t.Parallel()
			c, conn := open(t, tt.replies...)
			err := commands[tt.command](c)
			if err == nil {
				err = c.Noop()
			}
			assertBroken(t, c, conn, err, tt.want)
		})
	}
}

// TestStray has something follow each final reply: the next command finds it.
func TestStray(t *testing.T) {
	t.Parallel()
	replies := map[string]string{
		"CAPA": "+OK\r\n.\r\n", "STAT": "+OK 0 0\r\n", "RETR": "+OK\r\n.\r\n", "TOP": "+OK\r\n.\r\n",
		"DELE": "+OK\r\n", "RSET": "+OK\r\n", "NOOP": "-ERR\r\n",
	}
	for name, reply := range replies {
		c, conn := open(t, reply+"+ \r\n")
		if err := commands[name](c); err != nil && name != "NOOP" {
			t.Errorf("%s: got %v, want no error", name, err)
		}
		assertBroken(t, c, conn, c.Rset(), "RSET: the server sent what no command asked for")
	}
	c, conn := openTLS(t, "+ \r\n", "+OK\r\n+ \r\n")
	if err := c.Auth(&mechanism{initial: []byte("x")}); err != nil {
		t.Errorf("Auth: got %v, want no error", err)
	}
	assertBroken(t, c, conn, c.Rset(), "RSET: the server sent what no command asked for")
}

func TestGreeting(t *testing.T) {
	t.Parallel()
	for greeting, want := range map[string]string{
		"":                             "greeting: the server closed the connection",
		"+OK":                          "greeting: the server closed the connection",
		"+OK ready\r\n+OK again\r\n":   "",
		"-ERR [SYS/TEMP] too many\r\n": `greeting: the server refuses: [SYS/TEMP] "too many"`,
		"HTTP/1.1 400 Bad Request\r\n": `greeting: unexpected reply of the server: "HTTP/1.1 400 Bad Request"`,
		"+ \r\n":                       "greeting: unexpected reply",
	} {
		conn := cannedConn(0, greeting)
		c, err := pop3.New(wire.NewConn(conn, nil))
		if want == "" {
			assertBroken(t, c, conn, c.Noop(), "NOOP: the server sent what no command asked for")
			continue
		}
		if err == nil || !strings.Contains(err.Error(), want) || !conn.isClosed() {
			t.Errorf("New, greeted with %q: got %v, closed: %v, want %q and the connection closed", greeting, err, conn.isClosed(), want)
		}
	}
}

func TestArguments(t *testing.T) {
	t.Parallel()
	c, conn := open(t, "-ERR\r\n", "+OK\r\n")
	if _, err := c.Capabilities(); err == nil {
		t.Error("Capabilities: got no error, want a refusal")
	}
	for _, n := range []int{0, -1} {
		_, retr := c.Retr(n)
		_, top := c.Top(n, 1)
		_, lines := c.Top(1, -1)
		all := c.RetrAll([]int{1, n}, nil)
		for i, err := range []error{retr, top, lines, c.Dele(n), all} {
			if err == nil || !strings.Contains(err.Error(), "is no number of") {
				t.Errorf("%d. command for %d: got error %v, want one about the number", i+1, n, err)
			}
		}
	}
	if err := c.Noop(); err != nil {
		t.Errorf("NOOP: got %v, want no error", err)
	}
	if got, want := conn.sent(), "CAPA\r\nNOOP\r\n"; got != want {
		t.Errorf("sent %q, want %q", got, want)
	}
}

// TestInterrupted closes the session, or lets its deadline pass, while the
// server does not answer.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	interrupt := map[error]func(*pop3.Client, net.Conn){
		net.ErrClosed:          func(c *pop3.Client, _ net.Conn) { c.Close() },
		os.ErrDeadlineExceeded: func(_ *pop3.Client, conn net.Conn) { conn.SetDeadline(time.Unix(1, 0)) },
	}
	for want, f := range interrupt {
		for name, command := range commands {
			client, server := net.Pipe()
			go play(t, server, "S: "+strings.TrimSpace(greeting))
			c := newClient(t, protected{client})
			waiting := make(chan struct{})
			go func() {
				_, _ = server.Read(make([]byte, 100))
				close(waiting)
			}()
			go func() { <-waiting; f(c, client) }()
			err := command(c)
			if !errors.Is(err, want) {
				t.Errorf("%s: got %v, want %v", name, err, want)
			}
			if again := c.Noop(); again != err {
				t.Errorf("NOOP after %s: got %v, want %v", name, again, err)
			}
			server.Close()
		}
	}
}

// TestEveryByte cuts the connection after every byte of a session.
func TestEveryByte(t *testing.T) {
	t.Parallel()
	replies := []string{
		"+OK ready\r\n", "+OK\r\nPIPELINING\r\nUIDL\r\n.\r\n", "+ \r\n", "+OK welcome\r\n", "+OK 2 9\r\n",
		"+OK\r\n1 4\r\n2 5\r\n.\r\n", "+OK\r\n1 a\r\n2 b\r\n.\r\n", "+OK\r\n..\r\n.\r\n", "+OK\r\nx\r\n.\r\n", "+OK\r\n1\r\n.\r\n", "+OK\r\n.\r\n",
		"+OK deleted\r\n", "+OK bye\r\n",
	}
	run := func(c *pop3.Client) error {
		for _, name := range []string{"CAPA", "AUTH", "STAT", "LIST", "RETR", "TOP", "two", "DELE", "QUIT"} {
			if err := commands[name](c); err != nil {
				return err
			}
		}
		return nil
	}
	total := len(strings.Join(replies, ""))
	for cut := range total + 1 {
		left := cut
		rest := make([]string, 0, len(replies))
		for _, reply := range replies {
			n := min(left, len(reply))
			left -= n
			rest = append(rest, reply[:n])
			if n < len(reply) {
				break
			}
		}
		conn := cannedConn(0, rest[0], rest[1:]...)
		c, err := pop3.New(wire.NewConn(protected{conn}, nil))
		if err == nil {
			err = run(c)
		}
		if done := cut == total; done != (err == nil) || !done && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("cut after %d bytes of %d: got error %v", cut, total, err)
		}
		if !conn.isClosed() {
			t.Errorf("cut after %d bytes: the connection is open, want it closed", cut)
		}
	}
}
