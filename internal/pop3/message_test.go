package pop3_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"github.com/xoauth2/go-xoauth2/internal/pop3"
)

func TestMessage(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, reply, want string }{
		{"empty", "+OK\r\n.\r\n", ""},
		{"text in the status line", "+OK 12 octets\r\nhello\r\n.\r\n", "hello\r\n"},
		{"one empty line", "+OK\r\n\r\n.\r\n", "\r\n"},
		{"a stuffed dot", "+OK\r\n..\r\n.\r\n", ".\r\n"},
		{"two stuffed dots", "+OK\r\n...\r\n.\r\n", "..\r\n"},
		{"stuffed dots in a row", "+OK\r\n..\r\n..\r\n..a\r\n.\r\n", ".\r\n.\r\n.a\r\n"},
		{"a dot that is not stuffed", "+OK\r\n.a\r\n.\r\n", "a\r\n"},
		{"a dot within a line", "+OK\r\na.\r\nb..c\r\n.\r\n", "a.\r\nb..c\r\n"},
		{"a dot before LF", "+OK\r\n..\na\r\n.\r\n", ".\na\r\n"},
		{"a lone dot before LF", "+OK\r\n.\na\r\n.\r\n", "\na\r\n"},
		{"a dot before CR", "+OK\r\n..\ra\r\n.\r\n", ".\ra\r\n"},
		{"LF stays", "+OK\r\na\nb\r\n.\r\n", "a\nb\r\n"},
		{"LF, dot, LF is not the end", "+OK\r\na\n.\nb\r\n.\r\n", "a\n.\nb\r\n"},
		{"LF, dot, CRLF is not the end", "+OK\r\na\n.\r\nb\r\n.\r\n", "a\n.\r\nb\r\n"},
		{"CR, dot, CR is not the end", "+OK\r\na\r.\rb\r\n.\r\n", "a\r.\rb\r\n"},
		{"CRLF, dot, LF is not the end", "+OK\r\na\r\n.\nb\r\n.\r\n", "a\r\n\nb\r\n"},
		{"CRLF, dot, CR is not the end", "+OK\r\na\r\n.\rb\r\n.\r\n", "a\r\n\rb\r\n"},
		{"CR CR LF", "+OK\r\na\r\r\n..\r\n\r\r\n.\r\n", "a\r\r\n.\r\n\r\r\n"},
		{"NUL and bytes over 127", "+OK\r\n\x00\xff\x80\r\n.\r\n", "\x00\xff\x80\r\n"},
		{"a reply within", "+OK\r\n+OK\r\n-ERR\r\n.\r\n", "+OK\r\n-ERR\r\n"},
		{"LF server", "+OK\na\n..\nb\n.\n", "a\n.\nb\n"},
		{"LF server, empty", "+OK\n.\n", ""},
		{"LF server, CRLF in the message", "+OK\na\r\n..b\r\n.\r\n", "a\r\n.b\r\n"},
		{"LF server, dots", "+OK\n...\n..\r\n.\n", "..\n.\r\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, chunk := range []int{0, 1, 2, 3, 5} {
				for _, size := range []int{0, 1, 2, 3, 7, 512} {
					c := newClient(t, cannedConn(chunk, greeting, tt.reply, "+OK\r\n"))
					m, err := c.Retr(1)
					if err != nil {
						t.Fatalf("Retr: got %v, want no error", err)
					}
					got, err := readBy(m, size)
					if err != nil || string(got) != tt.want {
						t.Errorf("arriving by %d and read by %d: got %q, %v, want %q", chunk, size, got, err, tt.want)
					}
					if n, err := m.Read(make([]byte, 1)); n != 0 || err != io.EOF {
						t.Errorf("Read at the end: got %d, %v, want 0, EOF", n, err)
					}
					if err := c.Noop(); err != nil {
						t.Errorf("NOOP afterwards: got %v, want no error", err)
					}
				}
			}
		})
	}
}

// readBy reads m by pieces of size; 0: by WriteTo.
func readBy(m *pop3.Message, size int) ([]byte, error) {
	var all bytes.Buffer
	if size == 0 {
		_, err := m.WriteTo(&all)
		return all.Bytes(), err
	}
	_, err := io.CopyBuffer(struct{ io.Writer }{&all}, struct{ io.Reader }{m}, make([]byte, size))
	return all.Bytes(), err
}

// TestMessageStuffing sends random messages as RFC 1939, section 3, says.
func TestMessageStuffing(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for range 100 {
		message := make([]byte, random.IntN(40_000))
		for i := range message {
			message[i] = "..\r\n\r\nab"[random.IntN(8)]
		}
		message = append(message, "\r\n"...)
		c, _ := open(t, "+OK\r\n"+stuff(string(message)), "+OK\r\n")
		m, err := c.Retr(1)
		if err != nil {
			t.Fatalf("Retr: got %v, want no error", err)
		}
		if got, err := readBy(m, 100+random.IntN(5_000)); err != nil || !bytes.Equal(got, message) {
			t.Fatalf("got %d octets, %v, want the %d that were sent", len(got), err, len(message))
		}
	}
}

func stuff(message string) string {
	if strings.HasPrefix(message, ".") {
		message = "." + message
	}
	return strings.ReplaceAll(message, "\r\n.", "\r\n..") + ".\r\n"
}

func TestMessageUnread(t *testing.T) {
	t.Parallel()
	long := "+OK\r\n" + strings.Repeat("a long line\r\n", 10_000) + ".\r\n"
	c, _ := open(t, long, "+OK 1 2\r\n", "-ERR no such message\r\n", long, "+OK\r\n")
	first, err := c.Retr(7)
	if err != nil {
		t.Fatalf("Retr: got %v, want no error", err)
	}
	if _, err := io.ReadFull(first, make([]byte, 100)); err != nil {
		t.Fatalf("ReadFull: got %v, want no error", err)
	}
	if count, size, err := c.Stat(); count != 1 || size != 2 || err != nil {
		t.Errorf("Stat: got %d, %d, %v, want 1, 2, no error", count, size, err)
	}
	for range 2 {
		if _, err := first.Read(make([]byte, 1)); err == nil || !strings.Contains(err.Error(), "RETR 7: the message can no longer be read") {
			t.Errorf("Read after the next command: got error %v, want one that says so", err)
		}
	}
	if _, err := c.Top(1, 3); err == nil || !strings.Contains(err.Error(), `TOP 1: the server refuses: "no such message"`) {
		t.Errorf("Top: got error %v, want the refusal", err)
	}
	if _, err := c.Top(1, 3); err != nil {
		t.Errorf("Top: got %v, want no error", err)
	}
	if err := c.Quit(); err != nil {
		t.Errorf("Quit with an unread message: got %v, want no error", err)
	}
}

func TestMessageCut(t *testing.T) {
	t.Parallel()
	const reply = "+OK\r\na\r\n..b\r\n.\r\n"
	for n := range len(reply) {
		c, conn := open(t, reply[:n])
		m, err := c.Retr(1)
		if err == nil {
			_, err = io.ReadAll(m)
		}
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("cut after %d bytes: got error %v, want io.ErrUnexpectedEOF", n, err)
		}
		assertBroken(t, c, conn, err, "RETR 1: the server closed the connection")
	}
}

func TestMessageWriteError(t *testing.T) {
	t.Parallel()
	full := errors.New("disk full")
	for _, want := range []error{full, io.ErrShortWrite} {
		c, _ := open(t, "+OK\r\n"+strings.Repeat("a line\r\n", 10_000)+".\r\n", "+OK\r\n")
		m, err := c.Retr(1)
		if err != nil {
			t.Fatalf("Retr: got %v, want no error", err)
		}
		if n, err := m.WriteTo(failing{want}); n != 3 || err != want {
			t.Errorf("WriteTo: got %d, %v, want 3, %v", n, err, want)
		}
		if err := c.Noop(); err != nil {
			t.Errorf("NOOP afterwards: got %v, want no error", err)
		}
	}
}

// failing writes three bytes and fails, or, if that is io.ErrShortWrite, does
// not say so.
type failing struct{ err error }

func (f failing) Write([]byte) (int, error) {
	if f.err == io.ErrShortWrite {
		return 3, nil
	}
	return 3, f.err
}

// endless answers the first command with a message of size octets and more,
// made of text again and again.
type endless struct {
	*canned
	text    string
	size    int
	started bool
}

func (c *endless) Read(p []byte) (int, error) {
	if c.sent() == "" {
		return c.canned.Read(p)
	}
	if !c.started {
		c.started = true
		return copy(p, "+OK\r\n"), nil
	}
	if c.size <= 0 {
		return copy(p, "\r\n.\r\n"), io.EOF
	}
	n := 0
	for n+len(c.text) <= len(p) {
		n += copy(p[n:], c.text)
	}
	c.size -= n
	return n, nil
}

func TestMessageMemory(t *testing.T) {
	tests := []struct {
		name, text string
		size       int
	}{
		{"lines", strings.Repeat("x", 76) + "\r\n", 100 << 20},
		{"a line without end", strings.Repeat("x", 1<<10), 100 << 20},
		{"dots", "..\r\n", 1 << 20},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newClient(t, &endless{canned: cannedConn(0, greeting, ""), text: tt.text, size: tt.size})
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			m, err := c.Retr(1)
			if err != nil {
				t.Fatalf("Retr: got %v, want no error", err)
			}
			n, err := io.Copy(io.Discard, m)
			if err != nil || n < int64(tt.size)*3/4 {
				t.Errorf("got %d octets, %v, want about %d", n, err, tt.size)
			}
			runtime.ReadMemStats(&after)
			if got := after.TotalAlloc - before.TotalAlloc; got > 256<<10 {
				t.Errorf("%d bytes were allocated for %d octets, want at most 256 KiB", got, n)
			}
		})
	}
}
