package xoauth2_test

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/xoauth2/go-xoauth2"
)

// pop3Server is a POP3 server whose messages are all the same.
type pop3Server struct {
	pipelining bool
	count      int
	message    string            // with its dots stuffed
	replies    map[string]string // to command lines, instead of its own
}

func (s *pop3Server) serve(conn net.Conn) {
	defer conn.Close()
	r, w := bufio.NewReader(conn), bufio.NewWriterSize(conn, 32<<10)
	fmt.Fprint(w, "+OK ready\r\n")
	for {
		if r.Buffered() == 0 && w.Flush() != nil {
			return
		}
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		if reply, ok := s.replies[strings.TrimSpace(line)]; ok {
			fmt.Fprint(w, reply)
		} else if verb, args, _ := strings.Cut(strings.TrimSpace(line), " "); !s.reply(w, verb, args) {
			w.Flush()
			return
		}
	}
}

// reply answers a command, and reports whether the session goes on.
func (s *pop3Server) reply(w *bufio.Writer, verb, args string) bool {
	switch verb {
	case "CAPA":
		fmt.Fprint(w, "+OK\r\nUIDL\r\n")
		if s.pipelining {
			fmt.Fprint(w, "PIPELINING\r\n")
		}
		fmt.Fprint(w, ".\r\n")
	case "STAT":
		fmt.Fprintf(w, "+OK %d %d\r\n", s.count, s.count*len(s.message))
	case "LIST", "UIDL":
		fmt.Fprint(w, "+OK\r\n")
		for n := range s.count {
			fmt.Fprintf(w, "%d %d\r\n", n+1, len(s.message))
		}
		fmt.Fprint(w, ".\r\n")
	case "RETR":
		if n, err := strconv.Atoi(args); err != nil || n > s.count {
			fmt.Fprint(w, "-ERR [SYS/PERM] no such message\r\n")
			break
		}
		w.WriteString("+OK message follows\r\n")
		w.WriteString(s.message)
		w.WriteString(".\r\n")
	default:
		fmt.Fprint(w, "+OK\r\n")
	}
	return verb != "QUIT"
}

// newPOP3 returns a session with s over net.Pipe.
func (s *pop3Server) newPOP3(t *testing.T) *xoauth2.POP3Client {
	t.Helper()
	client, server := net.Pipe()
	go s.serve(server)
	c, err := xoauth2.NewPOP3Client(client)
	if err != nil {
		t.Fatalf("NewPOP3Client: got %v, want no error", err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestPOP3Client(t *testing.T) {
	t.Parallel()
	c := (&pop3Server{count: 2, message: "Subject: x\r\n\r\n..\r\na\nb\r\n"}).newPOP3(t)
	if caps, err := c.Capabilities(); err != nil || !reflect.DeepEqual(caps, map[string][]string{"UIDL": nil}) {
		t.Errorf("Capabilities: got %v, %v, want UIDL", caps, err)
	}
	if count, size, err := c.Stat(); count != 2 || size != 46 || err != nil {
		t.Errorf("Stat: got %d, %d, %v, want 2, 46, no error", count, size, err)
	}
	list, err := c.List()
	if want := []xoauth2.POP3Message{{Number: 1, Size: 23, UID: "23"}, {Number: 2, Size: 23, UID: "23"}}; err != nil || !reflect.DeepEqual(list, want) {
		t.Errorf("List: got %v, %v, want %v", list, err, want)
	}
	r, err := c.Retr(1)
	if err != nil {
		t.Fatalf("Retr: got %v, want no error", err)
	}
	const message = "Subject: x\r\n\r\n.\r\na\nb\r\n"
	if text, err := io.ReadAll(r); string(text) != message || err != nil {
		t.Errorf("Retr: got %q, %v, want %q", text, err, message)
	}
	var texts strings.Builder
	err = c.RetrAll(nil, func(n int, r io.Reader) error {
		_, err := r.(io.WriterTo).WriteTo(&texts)
		return err
	})
	if err != nil || texts.String() != message+message {
		t.Errorf("RetrAll: got %q, %v, want the message twice", texts.String(), err)
	}
	for name, err := range map[string]error{"Dele": c.Dele(1), "Rset": c.Rset(), "Noop": c.Noop(), "Quit": c.Quit()} {
		if err != nil {
			t.Errorf("%s: got %v, want no error", name, err)
		}
	}
}

func TestPOP3Errors(t *testing.T) {
	t.Parallel()
	c := (&pop3Server{count: 1, message: "x\r\n", replies: map[string]string{
		"STAT":    "-ERR [in-use] locked\r\n",
		"TOP 1 0": "+OK\r\ncut",
		"RSET":    "+OK\r\n",
		"NOOP":    "what?\r\n",
	}}).newPOP3(t)

	_, _, err := c.Stat()
	assertPOP3Error(t, err, xoauth2.POP3Error{Code: "IN-USE", Message: "locked"},
		`xoauth2: POP3: STAT: the server refuses: [IN-USE] "locked"`)
	_, err = c.Retr(5)
	assertPOP3Error(t, err, xoauth2.POP3Error{Code: "SYS/PERM", Message: "no such message"},
		`xoauth2: POP3: RETR 5: the server refuses: [SYS/PERM] "no such message"`)
	err = c.RetrAll([]int{1, 7}, func(int, io.Reader) error { return nil })
	assertPOP3Error(t, err, xoauth2.POP3Error{Code: "SYS/PERM", Message: "no such message"},
		`xoauth2: POP3: RETR 7: the server refuses: [SYS/PERM] "no such message"`)

	unread, err := c.Retr(1)
	if err != nil {
		t.Fatalf("Retr: got %v, want no error", err)
	}
	if err := c.Rset(); err != nil {
		t.Errorf("Rset: got %v, want no error", err)
	}
	if _, err := unread.Read(make([]byte, 1)); err == nil || !strings.HasPrefix(err.Error(), "xoauth2: POP3: RETR 1: the message can no longer be read") {
		t.Errorf("Read of an old message: got error %v, want one that says so", err)
	}

	broken := c.Noop()
	if want := `xoauth2: POP3: NOOP: unexpected reply of the server: "what?"`; broken == nil || broken.Error() != want {
		t.Errorf("Noop: got %v, want %s", broken, want)
	}
	if _, err := c.Retr(1); err != broken {
		t.Errorf("Retr on a broken session: got %v, want the same error as before", err)
	}
	if err := c.Close(); err != nil {
		t.Errorf("Close: got %v, want no error", err)
	}
}

func assertPOP3Error(t *testing.T, err error, want xoauth2.POP3Error, text string) {
	t.Helper()
	if got, ok := errors.AsType[*xoauth2.POP3Error](err); !ok || *got != want {
		t.Errorf("got %#v, want it to wrap %#v", err, want)
	}
	if err != nil && err.Error() != text {
		t.Errorf("got text %q, want %q", err, text)
	}
	if prefix := "xoauth2: POP3: "; !strings.HasPrefix(want.Error(), prefix) {
		t.Errorf("got %q, want it to begin with %q", want.Error(), prefix)
	}
}

func TestPOP3ReaderErrors(t *testing.T) {
	t.Parallel()
	c := (&pop3Server{count: 1, message: strings.Repeat("a line\r\n", 10_000)}).newPOP3(t)
	r, err := c.Retr(1)
	if err != nil {
		t.Fatalf("Retr: got %v, want no error", err)
	}
	mine := errors.New("disk full")
	if _, err := r.(io.WriterTo).WriteTo(writerFunc(func([]byte) (int, error) { return 0, mine })); err != mine {
		t.Errorf("WriteTo: got %v, want the writer's %v", err, mine)
	}
	closing := writerFunc(func(p []byte) (int, error) { c.Close(); return len(p), nil })
	_, err = r.(io.WriterTo).WriteTo(closing)
	if !errors.Is(err, net.ErrClosed) || !strings.HasPrefix(err.Error(), "xoauth2: POP3: RETR 1: ") {
		t.Errorf("WriteTo, closed meanwhile: got %v, want net.ErrClosed and what was going on", err)
	}
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestNewPOP3ClientFails(t *testing.T) {
	t.Parallel()
	for greeting, want := range map[string]string{
		"":                       "xoauth2: POP3: greeting: the server closed the connection",
		"-ERR [SYS/TEMP] no\r\n": `xoauth2: POP3: greeting: the server refuses: [SYS/TEMP] "no"`,
		"SSH-2.0\r\n":            `xoauth2: POP3: greeting: unexpected reply of the server: "SSH-2.0"`,
	} {
		client, server := net.Pipe()
		go func() {
			io.WriteString(server, greeting)
			if greeting == "" {
				server.Close()
			}
		}()
		if _, err := xoauth2.NewPOP3Client(client); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("greeted with %q: got %v, want %s", greeting, err, want)
		}
		if _, err := client.Write([]byte("x")); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("greeted with %q: writing gives %v, want the connection closed", greeting, err)
		}
		server.Close()
	}
}

// TestPOP3Auth logs in over TLS.
func TestPOP3Auth(t *testing.T) {
	t.Parallel()
	config, trust := pop3TLS(t)
	client, server := net.Pipe()
	const payload = "dXNlcj1hQGIBYXV0aD1CZWFyZXIgdAEB" // of user a@b, token t
	s := &pop3Server{replies: map[string]string{
		"AUTH XOAUTH2": "+ \r\n",
		payload:        "+ eyJzdGF0dXMiOiI0MDAifQ==\r\n",
		"":             "-ERR [AUTH] no\r\n",
	}}
	go s.serve(tls.Server(server, config))
	c, err := xoauth2.NewPOP3Client(tls.Client(client, &tls.Config{RootCAs: trust, ServerName: "localhost"}))
	if err != nil {
		t.Fatalf("NewPOP3Client: got %v, want no error", err)
	}
	mechanism := xoauth2.NewSASLClient("a@b", "t")
	assertPOP3Error(t, c.Auth(mechanism), xoauth2.POP3Error{Code: "AUTH", Message: "no"},
		`xoauth2: POP3: AUTH: the server refuses: [AUTH] "no"`)
	if document := mechanism.ServerError(); document == nil || document.Status != "400" {
		t.Errorf("ServerError: got %v, want status 400", document)
	}
	if err := c.Auth(xoauth2.NewSASLClient("a@b", "bad token")); err == nil || !strings.HasPrefix(err.Error(), "xoauth2: access token: ") {
		t.Errorf("Auth with a bad token: got %v, want the mechanism's own error", err)
	}
	if err := c.Quit(); err != nil {
		t.Errorf("Quit: got %v, want no error", err)
	}
}

func TestPOP3AuthPlaintext(t *testing.T) {
	t.Parallel()
	c := (&pop3Server{}).newPOP3(t)
	if err := c.Auth(xoauth2.NewSASLClient("a@b", "t")); err == nil || !strings.HasPrefix(err.Error(), "xoauth2: POP3: AUTH: refused") {
		t.Errorf("Auth: got %v, want a refusal", err)
	}
}

// slowLink gives a connection a round-trip time.
type slowLink struct {
	net.Conn
	arriving chan arrival
	left     []byte
}

type arrival struct {
	octets []byte
	at     time.Time
}

const pop3RoundTrip = 50 * time.Millisecond

func newSlowLink(conn net.Conn) *slowLink {
	l := &slowLink{Conn: conn, arriving: make(chan arrival, 1<<16)}
	go func() {
		defer close(l.arriving)
		for {
			octets := make([]byte, 64<<10)
			n, err := conn.Read(octets)
			if err != nil {
				return
			}
			l.arriving <- arrival{octets[:n], time.Now().Add(pop3RoundTrip)}
		}
	}()
	return l
}

func (l *slowLink) Read(p []byte) (int, error) {
	if len(l.left) == 0 {
		a, ok := <-l.arriving
		if !ok {
			return 0, io.EOF
		}
		time.Sleep(time.Until(a.at))
		l.left = a.octets
	}
	n := copy(p, l.left)
	l.left = l.left[n:]
	return n, nil
}

// TestPOP3RoundTrips counts round trips with a clock that stands still
// otherwise.
func TestPOP3RoundTrips(t *testing.T) {
	tests := []struct {
		name       string
		pipelining bool
		size       int
		run        func(c *xoauth2.POP3Client) error
		want       int // round trips
	}{
		{"1,000 messages, pipelined", true, 100, retrThousand, 1 + 1},
		{"1,000 messages of 4 KB, pipelined", true, 4000, retrThousand, 1 + 1},
		{"1,000 messages, one after the other", false, 100, retrThousand, 1 + 1000},
		{"list, then 1,000 messages, pipelined", true, 100, listAndRetr, 1 + 1 + 1},
		{"all, pipelined", true, 100, retrAll, 1 + 1 + 1},
		{"list", true, 100, list, 1 + 1},
		{"list, one after the other", false, 100, list, 1 + 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &pop3Server{pipelining: tt.pipelining, count: 1000, message: strings.Repeat("x", tt.size) + "\r\n"}
				client, server := net.Pipe()
				go s.serve(server)
				c, err := xoauth2.NewPOP3Client(newSlowLink(client))
				if err != nil {
					t.Fatalf("NewPOP3Client: got %v, want no error", err)
				}
				defer c.Close()
				start := time.Now()
				if err := tt.run(c); err != nil {
					t.Errorf("got %v, want no error", err)
				}
				if got, want := time.Since(start), time.Duration(tt.want)*pop3RoundTrip; got > want {
					t.Errorf("took %v, want %v", got, want)
				}
			})
		})
	}
}

func retrThousand(c *xoauth2.POP3Client) error {
	numbers := make([]int, 1000)
	for i := range numbers {
		numbers[i] = i + 1
	}
	return c.RetrAll(numbers, discard)
}

func retrAll(c *xoauth2.POP3Client) error { return c.RetrAll(nil, discard) }

func list(c *xoauth2.POP3Client) error { _, err := c.List(); return err }

func listAndRetr(c *xoauth2.POP3Client) error { return errors.Join(list(c), retrThousand(c)) }

func discard(_ int, r io.Reader) error {
	_, err := io.Copy(io.Discard, r)
	return err
}
