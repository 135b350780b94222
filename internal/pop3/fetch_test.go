package pop3_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/xoauth2/go-xoauth2/internal/pop3"
)

// mailbox is a server with count messages, the numbers of which are odd.
type mailbox struct {
	pipelining bool
	count      int
	text       string // of every message; empty: its number

	queued int // how many commands were there at once
}

// serve answers one command after the other. Over net.Pipe each of its writes
// waits for the client to read.
func (b *mailbox) serve(conn net.Conn) {
	defer conn.Close()
	r := bufio.NewReaderSize(conn, 64<<10)
	reply := greeting
	for {
		if _, err := io.WriteString(conn, reply); err != nil {
			return
		}
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		waiting, _ := r.Peek(r.Buffered())
		b.queued = max(b.queued, 1+bytes.Count(waiting, []byte("\n")))
		reply = b.reply(strings.Fields(line))
	}
}

func (b *mailbox) reply(words []string) string {
	switch words[0] {
	case "CAPA":
		if b.pipelining {
			return "+OK\r\nPIPELINING\r\n.\r\n"
		}
		return "-ERR what?\r\n"
	case "STAT":
		return fmt.Sprintf("+OK %d %d\r\n", b.count, b.count*len(b.text))
	case "LIST", "UIDL":
		var list strings.Builder
		for i := range b.count {
			fmt.Fprintf(&list, "%d %d\r\n", 2*i+1, len(b.text))
		}
		return "+OK\r\n" + list.String() + ".\r\n"
	case "RETR":
		n, err := strconv.Atoi(words[1])
		if err != nil || n%2 == 0 || n > 2*b.count {
			return "-ERR no such message\r\n"
		}
		if b.text != "" {
			return "+OK\r\n" + b.text + ".\r\n"
		}
		return fmt.Sprintf("+OK\r\n%d\r\n.\r\n", n)
	}
	return "+OK\r\n"
}

// start returns a session with the mailbox, and a function that ends it, after
// which queued may be read.
func (b *mailbox) start(t *testing.T) (c *pop3.Client, end func()) {
	t.Helper()
	client, server := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.serve(server)
	}()
	c = newClient(t, client)
	return c, func() { c.Close(); <-done }
}

func odd(count int) []int {
	numbers := make([]int, count)
	for i := range numbers {
		numbers[i] = 2*i + 1
	}
	return numbers
}

func TestRetrAll(t *testing.T) {
	t.Parallel()
	shuffled := []int{5, 1, 9, 9, 3, 1}
	for _, pipelining := range []bool{false, true} {
		tests := []struct {
			name          string
			numbers, want []int
		}{
			{"all", nil, odd(3000)},
			{"none", []int{}, nil},
			{"one", []int{7}, []int{7}},
			{"some in any order", shuffled, shuffled},
			{"many", odd(2999), odd(2999)},
		}
		for _, tt := range tests {
			t.Run(fmt.Sprintf("%s, pipelining %v", tt.name, pipelining), func(t *testing.T) {
				t.Parallel()
				b := &mailbox{pipelining: pipelining, count: 3000}
				c, end := b.start(t)
				var got []int
				err := c.RetrAll(tt.numbers, func(n int, m *pop3.Message) error {
					got = append(got, n)
					text, err := io.ReadAll(m)
					if want := fmt.Sprintf("%d\r\n", n); err != nil || string(text) != want {
						t.Errorf("message %d: got %q, %v, want %q", n, text, err, want)
					}
					return nil
				})
				if err != nil || !slices.Equal(got, tt.want) {
					t.Errorf("RetrAll: got %v, %d messages, want %d in their order", err, len(got), len(tt.want))
				}
				if err := c.Noop(); err != nil {
					t.Errorf("NOOP afterwards: got %v, want no error", err)
				}
				end()
				if b.queued > 1 && !pipelining {
					t.Errorf("%d commands were under way, want one at a time", b.queued)
				}
				if b.queued < 100 && len(tt.want) > 1000 && pipelining {
					t.Errorf("%d commands were under way, want hundreds", b.queued)
				}
			})
		}
	}
}

func TestRetrAllWindow(t *testing.T) {
	t.Parallel()
	b := &mailbox{pipelining: true, count: 20, text: strings.Repeat("a long line\r\n", 80_000)}
	c, end := b.start(t)
	if _, _, err := c.Stat(); err != nil {
		t.Fatalf("Stat: got %v, want no error", err)
	}
	err := c.RetrAll(odd(20), func(int, *pop3.Message) error { return nil })
	if err != nil {
		t.Errorf("RetrAll: got %v, want no error", err)
	}
	end()
	if b.queued > 8 {
		t.Errorf("%d large messages were asked for at once, want at most 8", b.queued)
	}
}

// TestRetrAllStops has each fail, or the server refuse a message, in the
// middle: the session goes on.
func TestRetrAllStops(t *testing.T) {
	t.Parallel()
	mine := errors.New("enough")
	for _, pipelining := range []bool{false, true} {
		b := &mailbox{pipelining: pipelining, count: 3000}
		c, _ := b.start(t)
		for _, at := range []int{1, 5, 1999, 5999} {
			calls := 0
			err := c.RetrAll(nil, func(n int, m *pop3.Message) error {
				calls++
				if n == at {
					return mine
				}
				return nil
			})
			if err != mine || calls != (at+1)/2 {
				t.Errorf("RetrAll, stopped at %d: got %v after %d calls, want %v after %d", at, err, calls, mine, (at+1)/2)
			}
			if err := c.Noop(); err != nil {
				t.Fatalf("NOOP: got %v, want no error", err)
			}
		}
		calls := 0
		err := c.RetrAll([]int{1, 3, 4, 6, 5, 2}, func(int, *pop3.Message) error { calls++; return nil })
		assertRefused(t, c, err, `RETR 4: the server refuses: "no such message"`)
		if calls != 2 {
			t.Errorf("each was called %d times, want 2", calls)
		}
	}
}

// TestRetrAllTooMuch stops where so much was asked for that it is not worth
// reading.
func TestRetrAllTooMuch(t *testing.T) {
	t.Parallel()
	mine := errors.New("enough")
	tests := []struct {
		name string
		at   int
		text string
	}{
		{"not worth beginning", 9, strings.Repeat("a long line\r\n", 10_000)},
		{"more than expected", 1, strings.Repeat("a long line\r\n", 10_000)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := &mailbox{pipelining: true, count: 1000, text: tt.text}
			c, end := b.start(t)
			err := c.RetrAll(odd(1000), func(n int, m *pop3.Message) error {
				if n == tt.at {
					return mine
				}
				return nil
			})
			if err != mine {
				t.Errorf("RetrAll: got %v, want %v", err, mine)
			}
			if err := c.Noop(); err == nil || !strings.Contains(err.Error(), "closed, since more than 32 MiB") {
				t.Errorf("NOOP: got %v, want that the connection was closed", err)
			}
			end()
		})
	}
}

func TestRetrAllMalformed(t *testing.T) {
	t.Parallel()
	const caps = "+OK\r\nPIPELINING\r\n.\r\n"
	c, conn := open(t, caps, "+OK\r\n1\r\n.\r\n", "+ what\r\n", "+OK\r\n.\r\n")
	err := c.RetrAll([]int{1, 2, 3}, func(_ int, m *pop3.Message) error { return read(m, nil) })
	assertBroken(t, c, conn, err, `RETR 2: unexpected reply of the server: "+ what"`)

	c, conn = open(t, caps, "+OK\r\n1\r\n.\r\n", "+OK\r\ncut")
	err = c.RetrAll([]int{1, 2}, func(int, *pop3.Message) error { return nil })
	assertBroken(t, c, conn, err, "RETR 2: the server closed the connection")

	c, conn = open(t, caps, "+OK\r\n1\r\n.\r\n", "+OK\r\n.\r\n+OK\r\n")
	if err = c.RetrAll([]int{1, 2}, func(int, *pop3.Message) error { return nil }); err != nil {
		t.Errorf("RetrAll: got %v, want no error", err)
	}
	assertBroken(t, c, conn, c.Rset(), "RSET: the server sent what no command asked for")
}

// TestRetrAllBusy gives commands within each.
func TestRetrAllBusy(t *testing.T) {
	t.Parallel()
	for _, pipelining := range []bool{false, true} {
		c, _ := (&mailbox{pipelining: pipelining, count: 5}).start(t)
		calls := 0
		err := c.RetrAll(nil, func(n int, m *pop3.Message) error {
			calls++
			for name, command := range commands {
				if err := command(c); err == nil || !strings.Contains(err.Error(), "RetrAll is not over") {
					t.Errorf("%s within each: got error %v, want that RetrAll is not over", name, err)
				}
			}
			if text, err := io.ReadAll(m); err != nil || string(text) != fmt.Sprintf("%d\r\n", n) {
				t.Errorf("message %d: got %q, %v", n, text, err)
			}
			return nil
		})
		if err != nil || calls != 5 {
			t.Errorf("RetrAll: got %v after %d calls, want no error after 5", err, calls)
		}
	}
}

// TestRetrAllLeft leaves each in ways that no function should.
func TestRetrAllLeft(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		leave func(c *pop3.Client)
		want  string
	}{
		"panic":  {func(*pop3.Client) { panic("each") }, "left by a panic or runtime.Goexit"},
		"Goexit": {func(*pop3.Client) { runtime.Goexit() }, "left by a panic or runtime.Goexit"},
		"Close":  {func(c *pop3.Client) { c.Close() }, net.ErrClosed.Error()},
	}
	for name, tt := range tests {
		for _, pipelining := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, pipelining %v", name, pipelining), func(t *testing.T) {
				t.Parallel()
				c, end := (&mailbox{pipelining: pipelining, count: 3000}).start(t)
				done := make(chan struct{})
				go func() {
					defer close(done)
					defer func() { _ = recover() }()
					_ = c.RetrAll(nil, func(n int, m *pop3.Message) error {
						if n == 9 {
							tt.leave(c)
						}
						return nil
					})
				}()
				<-done
				if err := c.Noop(); err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("NOOP: got %v, want %q", err, tt.want)
				}
				end()
			})
		}
	}
}

// TestRetrAllDeaf has a server answer commands that it does not read.
func TestRetrAllDeaf(t *testing.T) {
	t.Parallel()
	client, server := net.Pipe()
	defer server.Close()
	c := make(chan *pop3.Client, 1)
	go func() {
		play(t, server, "S: +OK", "C: CAPA", "S: +OK", "S: PIPELINING", "S: .")
		play(t, server, "S: +OK", "S: .", "S: +OK", "S: .")
		(<-c).Close()
	}()
	session := newClient(t, client)
	c <- session
	calls := 0
	_ = session.RetrAll([]int{1, 2}, func(int, *pop3.Message) error { calls++; return nil })
	if calls != 2 {
		t.Errorf("each was called %d times, want 2", calls)
	}
	if err := session.Noop(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("NOOP: got %v, want %v", err, net.ErrClosed)
	}
}
