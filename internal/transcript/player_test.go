package transcript_test

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/xoauth2/go-xoauth2/internal/transcript"
)

const host = "mail.contoso.test"

// act is one thing that a fake client does: it sends a text, or, if that is
// empty, reads a line; tls starts the handshake, close closes.
type act struct {
	send       string
	tls, close bool
}

var (
	read    = act{}
	secure  = act{tls: true}
	hangUp  = act{close: true}
	emptyIR = send("\r\n")
)

func send(text string) act { return act{send: text} }

// client does what it is told, until something fails, and then waits for the
// server to close the connection.
func client(conn net.Conn, config *tls.Config, acts []act) error {
	in := bufio.NewReader(conn)
	for _, a := range acts {
		var err error
		switch {
		case a.tls:
			c := tls.Client(conn, config)
			err = c.Handshake()
			conn, in = c, bufio.NewReader(c)
		case a.close:
			return conn.Close()
		case a.send != "":
			_, err = io.WriteString(conn, a.send)
		default:
			_, err = in.ReadString('\n')
		}
		if err != nil {
			conn.Close()
			return err
		}
	}
	io.Copy(io.Discard, in)
	return conn.Close()
}

// play plays text to a fake client.
func play(t *testing.T, text string, o transcript.Options, acts ...act) (clientErr, err error) {
	t.Helper()
	s, err := transcript.Parse("a.txt", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	server, config, err := transcript.NewTLS(host)
	if err != nil {
		t.Fatal(err)
	}
	config.ServerName = host
	o.TLS, o.Host, o.Port, o.Settle = server, host, 993, time.Millisecond
	near, far := transcript.Pipe()
	done := make(chan error)
	go func() { done <- client(near, config, acts) }()
	err = s.Serve(far, o)
	return <-done, err
}

const (
	header    = "# Transport: implicit TLS\n# Token: 40 characters\n# (TLS handshake: TLSv1.3)\n"
	okScript  = header + "S: * OK ready\nC: {tag} AUTHENTICATE XOAUTH2 {ir}\nS: {tag} OK done\nC? {tag} CAPABILITY\nexpect: ok\n"
	badScript = header + "S: +OK\nC: AUTH XOAUTH2\nS: +\nC: {ir}\nS: + e30=\nC:\nS: -ERR no\nexpect: refused\n"
	tlsScript = "# Transport: plain TCP, then STARTTLS\nS: 220 a\nC: STARTTLS\nS: 220 go\n# (TLS handshake: TLSv1.3)\nC: EHLO x\nS: 250-a\nS: 250 b\nexpect: ok\n"

	// Of alice@contoso.test and the token of 40 characters.
	ir = "dXNlcj1hbGljZUBjb250b3NvLnRlc3QBYXV0aD1CZWFyZXIgRXdCY2FuYXJ5"
)

func TestServe(t *testing.T) {
	t.Parallel()
	response := initialResponse(t)
	login := send("T1 AUTHENTICATE XOAUTH2 " + response + "\r\n")
	tests := []struct {
		name, script string
		acts         []act
		want         string // in the error; empty: none
	}{
		{"ok", okScript, []act{secure, read, login, read, hangUp}, ""},
		{"ok with the optional line", okScript, []act{secure, read, login, read, send("T7 CAPABILITY\r\n"), hangUp}, ""},
		{"another optional line", okScript, []act{secure, read, login, read, send("T7 NOOP\r\n"), hangUp}, `a.txt:7: got "T7 NOOP\r\n", want "T7 CAPABILITY\r\n"`},
		{"optional line twice", okScript, []act{secure, read, login, read, send("T7 CAPABILITY\r\nT8 CAPABILITY\r\n"), hangUp}, "want nothing"},
		{"left open", okScript, []act{secure, read, login, read}, "not closed"},
		{"refused", badScript, []act{secure, read, send("AUTH XOAUTH2\r\n"), read, send(response + "\r\n"), read, emptyIR, read, hangUp}, ""},
		{"goodbye after a refusal", badScript, []act{secure, read, send("AUTH XOAUTH2\r\n"), read, send(response + "\r\n"), read, emptyIR, read, send("QUIT\r\n"), hangUp}, `got "QUIT\r\n", want the client to close`},
		{"left open after a refusal", badScript, []act{secure, read, send("AUTH XOAUTH2\r\n"), read, send(response + "\r\n"), read, emptyIR, read}, "left the connection open"},
		{"equals sign for an empty line", badScript, []act{secure, read, send("AUTH XOAUTH2\r\n"), read, send(response + "\r\n"), read, send("=\r\n")}, `a.txt:9: got "=\r\n", want "\r\n"`},
		{"response before it was asked for", badScript, []act{secure, read, send("AUTH XOAUTH2\r\n"), send(response + "\r\n")}, "want nothing before the server speaks"},
		{"response at once", badScript, []act{secure, read, send("AUTH XOAUTH2\r\n" + response + "\r\n")}, "want nothing before the server speaks"},
		{"line feed alone", badScript, []act{secure, read, send("AUTH XOAUTH2\n")}, `got "AUTH XOAUTH2\n", want "AUTH XOAUTH2\r\n"`},
		{"no tag", okScript, []act{secure, read, send("AUTHENTICATE\r\n")}, `want a tag and`},
		{"bad tag", okScript, []act{secure, read, send("T{1} AUTHENTICATE\r\n")}, `want a tag and`},
		{"client goes", okScript, []act{secure, read, hangUp}, "a.txt:5: got \"\" and then EOF"},
		{"client goes in a line", okScript, []act{secure, read, send("T1 AUTH"), hangUp}, `got "T1 AUTH" and then EOF`},
		{"client is silent", okScript, []act{secure, read, read}, "i/o timeout"},
		{"starttls", tlsScript, []act{read, send("STARTTLS\r\n"), read, secure, send("EHLO x\r\n"), read, read, hangUp}, ""},
		{"starttls hello too early", tlsScript, []act{read, send("STARTTLS\r\n\x16\x03\x01"), read}, "want nothing before the server speaks"},
		{"no handshake", tlsScript, []act{read, send("STARTTLS\r\n"), read, send("EHLO x\r\n"), hangUp}, "TLS handshake: "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				_, err := play(t, tt.script, transcript.Options{}, tt.acts...)
				if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
					t.Errorf("got error %v, want %q", err, tt.want)
				}
			})
		})
	}
}

// initialResponse returns that of a script with a token of 40 characters.
func initialResponse(t *testing.T) string {
	t.Helper()
	var response string
	synctest.Test(t, func(t *testing.T) {
		_, err := play(t, okScript, transcript.Options{}, secure, read, send("T1 AUTHENTICATE XOAUTH2 x\r\n"))
		if err == nil {
			t.Fatal("got no error, want one that tells the response")
		}
		_, want, _ := strings.Cut(err.Error(), `want "T1 AUTHENTICATE XOAUTH2 `)
		response = strings.TrimSuffix(want, `\r\n"`)
	})
	if !strings.HasPrefix(response, ir) {
		t.Fatalf("got %q, want %q and more", response, ir)
	}
	return response
}

func TestServerEnds(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, script string }{
		{"closed", header + "S: +OK\nexpect: closed\n"},
		{"hang-up", header + "S: +OK\n# (the server closed the connection)\nexpect: refused\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				clientErr, err := play(t, tt.script, transcript.Options{}, secure, read, read)
				if err != nil || !errors.Is(clientErr, io.EOF) {
					t.Errorf("got %v and %v at the client, want EOF there", err, clientErr)
				}
			})
		})
	}
}

func TestUnansweredHandshake(t *testing.T) {
	t.Parallel()
	const script = "# Transport: plain TCP, then STARTTLS\nS: 220 a\nC: STARTTLS\nS: 220 go\nexpect: "
	tests := []struct {
		class, want string
		acts        []act
	}{
		{"tls", "", []act{secure}},
		{"tls", "", []act{hangUp}},
		{"tls", "want the client to close", []act{send("EHLO x\r\n")}},
		{"canceled", "left the connection open", []act{secure}},
		{"canceled", "", []act{send("\x16\x03\x01"), hangUp}},
		{"protocol", "want the client to close", []act{send("\x16\x03\x01"), hangUp}},
	}
	for _, tt := range tests {
		t.Run(tt.class, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				acts := append([]act{read, send("STARTTLS\r\n"), read}, tt.acts...)
				_, err := play(t, script+tt.class+"\n", transcript.Options{}, acts...)
				if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
					t.Errorf("got error %v, want %q", err, tt.want)
				}
			})
		})
	}
}

func TestPlaintextOnTLSPort(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		script := "# Transport: implicit TLS\nS: * OK plain words\nexpect: tls\n"
		clientErr, err := play(t, script, transcript.Options{}, secure)
		var header tls.RecordHeaderError
		if err != nil || !errors.As(clientErr, &header) {
			t.Errorf("got %v and %v at the client, want a TLS error there", err, clientErr)
		}
	})
}

func TestFaults(t *testing.T) {
	t.Parallel()
	acts := []act{read, send("STARTTLS\r\n"), read, secure, send("EHLO x\r\n"), read, read, hangUp}
	var marks []int
	synctest.Test(t, func(t *testing.T) {
		o := transcript.Options{OnServed: func(n int) { marks = append(marks, n) }}
		if _, err := play(t, tlsScript, o, acts...); err != nil {
			t.Fatal(err)
		}
	})
	if got, want := fmt.Sprint(marks), "[7 15 16 23 30]"; got != want {
		t.Fatalf("got bytes %s after the lines, want %s", got, want)
	}
	for n := range marks[len(marks)-1] {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { testCut(t, n, acts) })
			synctest.Test(t, func(t *testing.T) { testStall(t, n, acts) })
		})
	}
}

func testCut(t *testing.T, n int, acts []act) {
	faults := 0
	o := transcript.Options{Fault: transcript.CutAfter(n), OnFault: func() { faults++ }}
	clientErr, err := play(t, tlsScript, o, acts...)
	if err != nil || clientErr == nil || faults != 1 {
		t.Errorf("got %v, %v at the client and %d faults, want an error there alone and one fault", err, clientErr, faults)
	}
}

func testStall(t *testing.T, n int, acts []act) {
	faults := 0
	o := transcript.Options{Fault: transcript.StallAfter(n), OnFault: func() { faults++ }}
	_, err := play(t, tlsScript, o, acts...)
	if err == nil || !strings.Contains(err.Error(), "left the connection open") || faults != 1 {
		t.Errorf("got %v and %d faults, want one fault and a client that is stuck", err, faults)
	}
}

func TestStallIsLeft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, err := play(t, tlsScript, transcript.Options{Fault: transcript.StallAfter(7)}, read, send("STARTTLS\r\n"), hangUp)
		if err != nil {
			t.Errorf("got %v, want no error for a client that closes", err)
		}
		_, err = play(t, tlsScript, transcript.Options{Fault: transcript.StallAfter(7)}, read, send("QUIT\r\n"), hangUp)
		if err == nil {
			t.Error("got no error for a wrong line before the stall, want one")
		}
	})
}

func TestAdopt(t *testing.T) {
	t.Parallel()
	from, err := transcript.Parse("a.txt", []byte(okScript))
	if err != nil {
		t.Fatal(err)
	}
	trace, err := transcript.Parse("trace", []byte("# Transport: implicit TLS\n# (TLS handshake: TLSv1.3)\nS: * OK\nexpect: ok\n"))
	if err != nil {
		t.Fatal(err)
	}
	trace.Adopt(from)
	if trace.Settings != from.Settings || trace.Token() != from.Token() {
		t.Errorf("got settings %+v, want %+v", trace.Settings, from.Settings)
	}
}
