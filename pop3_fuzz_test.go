package xoauth2_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/xoauth2/go-xoauth2"
)

// babbler is a connection to a server that greets, and answers the first
// command with anything, chunk bytes at a time, before it hangs up. It
// passes for TLS.
type babbler struct {
	net.Conn
	chunk  int
	reader *bytes.Reader
	answer []byte
	asked  chan struct{}
	once   sync.Once
	closed chan struct{}
}

func newBabbler(answer []byte, chunk int) *babbler {
	return &babbler{
		chunk: chunk, answer: answer, reader: bytes.NewReader([]byte("+OK\r\n")),
		asked: make(chan struct{}), closed: make(chan struct{}),
	}
}

func (b *babbler) ConnectionState() tls.ConnectionState {
	return tls.ConnectionState{HandshakeComplete: true}
}

func (b *babbler) Write(p []byte) (int, error) {
	b.once.Do(func() { close(b.asked) })
	return len(p), nil
}

func (b *babbler) Close() error {
	close(b.closed) // twice would panic
	return nil
}

func (b *babbler) Read(p []byte) (int, error) {
	if b.reader.Len() == 0 && b.answer != nil {
		<-b.asked
		b.reader.Reset(b.answer)
		b.answer = nil
	}
	return b.reader.Read(p[:min(len(p), b.chunk)])
}

// pop3Calls are all that a session can do.
var pop3Calls = map[string]func(c *xoauth2.POP3Client) error{
	"Capabilities": func(c *xoauth2.POP3Client) error { _, err := c.Capabilities(); return err },
	"Auth":         func(c *xoauth2.POP3Client) error { return c.Auth(xoauth2.NewSASLClient("a@b", "t")) },
	"Stat":         func(c *xoauth2.POP3Client) error { _, _, err := c.Stat(); return err },
	"List":         list,
	"Retr":         func(c *xoauth2.POP3Client) error { return readAll(c.Retr(1)) },
	"Top":          func(c *xoauth2.POP3Client) error { return readAll(c.Top(1, 2)) },
	"RetrAll":      retrAll,
	"RetrAll 1, 2": func(c *xoauth2.POP3Client) error { return c.RetrAll([]int{1, 2}, discard) },
	"Dele":         func(c *xoauth2.POP3Client) error { return c.Dele(1) },
	"Rset":         (*xoauth2.POP3Client).Rset,
	"Noop":         (*xoauth2.POP3Client).Noop,
	"Quit":         (*xoauth2.POP3Client).Quit,
}

func readAll(r io.Reader, err error) error {
	if err == nil {
		_, err = io.ReadAll(r)
	}
	return err
}

// pop3Seeds returns what the servers of the transcripts say, and some more.
func pop3Seeds(f *testing.F) []string {
	seeds := []string{
		"+OK 2 320\r\n", "+OK\r\n1 120\r\n2 200\r\n.\r\n+OK\r\n1 a\r\n2 b\r\n.\r\n",
		"+OK\r\nPIPELINING\r\n.\r\n+OK\r\n1 5\r\n2 5\r\n.\r\n+OK\r\nabc\r\n.\r\n+OK\r\n..\r\n.\r\n",
		"-ERR [SYS/TEMP] later\r\n", "+ \r\n+ eyJzdGF0dXMiOiI0MDEifQ==\r\n-ERR [AUTH] no\r\n",
		"+OK\r\na\n.\nb\r\n..\r\n.\r\n+OK\r\n", "+OK\n.\n", "+OK\r\n.\r", "\x00\xff\r\n",
		"-ERR\r\n+OK\r\n.\r\n", "+OK\r\n" + strings.Repeat("1 1\r\n", 2) + ".\r\n",
	}
	names, err := filepath.Glob(filepath.Join("testdata", "pop3", "*.txt"))
	if err != nil || len(names) == 0 {
		f.Fatalf("no transcripts: %v", err)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		said := ""
		for line := range strings.Lines(string(text)) {
			if line, ok := strings.CutPrefix(line, "S: "); ok {
				said += strings.TrimSuffix(line, "\n") + "\r\n"
			}
		}
		seeds = append(seeds, said)
	}
	return seeds
}

// FuzzPOP3Reply has a server answer every command with anything: the call
// ends, in an error of one line where there is one, and the session after it is
// either in step with the server or broken.
func FuzzPOP3Reply(f *testing.F) {
	for _, seed := range pop3Seeds(f) {
		f.Add([]byte(seed), byte(0))
		f.Add([]byte(seed), byte(1))
	}
	f.Fuzz(func(t *testing.T, answer []byte, chunk byte) {
		for _, name := range slices.Sorted(maps.Keys(pop3Calls)) { // in the same order each time
			call := pop3Calls[name]
			conn := newBabbler(append([]byte{}, answer...), int(chunk)+1)
			c, err := xoauth2.NewPOP3Client(conn)
			if err != nil {
				t.Fatalf("NewPOP3Client: got %v, want no error", err)
			}
			checkPOP3Error(t, name, call(c))
			broken := c.Noop()
			for range answer { // so many replies cannot be left
				if broken = c.Noop(); broken != nil && !errors.As(broken, new(*xoauth2.POP3Error)) {
					break
				}
			}
			checkPOP3Error(t, name, broken)
			if again := c.Rset(); broken == nil || fmt.Sprint(again) != broken.Error() {
				t.Errorf("%s: got %v when everything is read, then %v, want an error and the same again", name, broken, again)
			}
			if err := c.Close(); err != nil {
				t.Errorf("%s: Close gives %v, want no error", name, err)
			}
			<-conn.closed
		}
	})
}

func checkPOP3Error(t *testing.T, name string, err error) {
	t.Helper()
	if err == nil || !strings.HasPrefix(err.Error(), "xoauth2: ") {
		if err != nil {
			t.Errorf("%s: got %q, want it to begin with the package", name, err)
		}
		return
	}
	if text := err.Error(); len(text) > 2000 || strings.ContainsAny(text, "\r\n\x00") {
		t.Errorf("%s: got an error of %d bytes, %.300q, want a short line", name, len(text), text)
	}
}
