package wire_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"github.com/xoauth2/go-xoauth2/internal/wire"
)

// stream is a connection whose other side said everything in advance.
type stream struct {
	net.Conn
	io.Reader
	writes []string
}

func (s *stream) Read(b []byte) (int, error) { return s.Reader.Read(b) }
func (s *stream) Write(b []byte) (int, error) {
	s.writes = append(s.writes, string(b))
	return len(b), nil
}

func TestReadLine(t *testing.T) {
	t.Parallel()
	longest := strings.Repeat("x", wire.MaxLine)
	tests := []struct {
		name, sent string
		lines      []string
		err        error
	}{
		{"nothing", "", nil, io.EOF},
		{"lines", "a\r\nb\nc\r\n", []string{"a", "b", "c"}, io.EOF},
		{"empty lines", "\r\n\n", []string{"", ""}, io.EOF},
		{"CR inside", "a\rb\r\r\n", []string{"a\rb\r"}, io.EOF},
		{"NUL and beyond ASCII", "\x00\xff\r\n", []string{"\x00\xff"}, io.EOF},
		{"half a line", "a\r\nb", []string{"a"}, io.EOF},
		{"as long as a buffer", longest[:4094] + "\r\nb\r\n", []string{longest[:4094], "b"}, io.EOF},
		{"longer than a buffer", longest[:4095] + "\r\nb\r\n", []string{longest[:4095], "b"}, io.EOF},
		{"longest", longest + "\r\nb\r\n", []string{longest, "b"}, io.EOF},
		{"too long", longest + "x\r\n\r\n", nil, wire.ErrLineTooLong},
		{"without end", strings.Repeat("x", 10<<20), nil, wire.ErrLineTooLong},
	}
	for _, tt := range tests {
		for name, reader := range map[string]func(io.Reader) io.Reader{
			"at once": func(r io.Reader) io.Reader { return r }, "byte by byte": iotest.OneByteReader,
		} {
			t.Run(tt.name+"/"+name, func(t *testing.T) {
				t.Parallel()
				c := wire.NewConn(&stream{Reader: reader(strings.NewReader(tt.sent))}, nil)
				for _, want := range tt.lines {
					if got, err := c.ReadLine(); got != want || err != nil {
						t.Fatalf("got %.100q, %v, want %.100q", got, err, want)
					}
				}
				if got, err := c.ReadLine(); got != "" || !errors.Is(err, tt.err) {
					t.Errorf("got %.100q, %v, want the error %v", got, err, tt.err)
				}
			})
		}
	}
}

func TestReadRaw(t *testing.T) {
	t.Parallel()
	c := wire.NewConn(&stream{Reader: strings.NewReader("a\r\nb\n")}, nil)
	for _, want := range []string{"a\r\n", "b\n"} {
		if got, err := c.ReadRaw(); string(got) != want || err != nil {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
	}
}

func TestTrimBreak(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{"a\r\n": "a", "a\n": "a", "a\r": "a", "a": "a", "\r\n": "", "": "", "a\n\r\n": "a\n"} {
		if got := wire.TrimBreak([]byte(line)); string(got) != want {
			t.Errorf("%q: got %q, want %q", line, got, want)
		}
	}
}

func TestWriteLine(t *testing.T) {
	t.Parallel()
	s := &stream{}
	c := wire.NewConn(s, nil)
	if err := c.WriteLine("a", " ", "b"); err != nil {
		t.Error(err)
	}
	if err := c.WriteLine(); err != nil {
		t.Error(err)
	}
	if err := c.WriteLines([]byte("c\r\nd\r\n")); err != nil {
		t.Error(err)
	}
	if got, want := strings.Join(s.writes, "|"), "a b\r\n|\r\n|c\r\nd\r\n"; got != want {
		t.Errorf("got the writes %q, want %q", got, want)
	}
}

func TestStartTLS(t *testing.T) {
	t.Parallel()
	for sent, want := range map[string]error{"+OK\r\n": nil, "+OK\r\n-ERR\r\n": wire.ErrPlaintextAfterStartTLS, "+OK\r\n\x00": wire.ErrPlaintextAfterStartTLS} {
		s := &stream{Reader: strings.NewReader(sent)}
		c := wire.NewConn(s, nil)
		if _, err := c.ReadLine(); err != nil {
			t.Fatal(err)
		}
		secure := tls.Client(s, &tls.Config{})
		if err := c.StartTLS(secure); !errors.Is(err, want) {
			t.Errorf("%q: got error %v, want %v", sent, err, want)
		}
		if (c.Conn == net.Conn(secure)) != (want == nil) {
			t.Errorf("%q: got the connection %T", sent, c.Conn)
		}
	}
}

func TestStrangersWords(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("é", 1000)
	tests := []struct {
		name, text string
		limit      int
		show       func(string) string
	}{
		{"Cut", long, 300, wire.Cut},
		{"Printable", long, 1100, wire.Printable},
		{"Unexpected", long, 400, func(s string) string { return wire.Unexpected(s).Error() }},
		{"Printable with controls", "a\r\n\x00\x1b[2J\u0085b", 100, wire.Printable},
		{"Unexpected with controls", "a\r\n\x00\x1b[2Jb", 100, func(s string) string { return wire.Unexpected(s).Error() }},
	}
	for _, tt := range tests {
		got := tt.show(tt.text)
		if len(got) > tt.limit || !utf8.ValidString(got) {
			t.Errorf("%s: got %d bytes, valid %v, want at most %d", tt.name, len(got), utf8.ValidString(got), tt.limit)
		}
		if tt.name != "Cut" && strings.ContainsAny(got, "\r\n\x00\x1b\u0085") {
			t.Errorf("%s: got %q, want no control characters", tt.name, got)
		}
	}
	for _, short := range []string{"", "a", "Authentication failed.", strings.Repeat("x", 256)} {
		if wire.Cut(short) != short || wire.Printable(short) != short {
			t.Errorf("got %q and %q, want %q itself", wire.Cut(short), wire.Printable(short), short)
		}
	}
}

// TestConnTraces shows what of a connection is traced, and from when on nothing is.
func TestConnTraces(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	trace := wire.NewTrace(&out)
	c := wire.NewConn(&stream{Reader: strings.NewReader("* OK\r\n* BYE\r\nmore\r\n")}, trace)
	c.ReadLine()
	c.WriteLines([]byte("A\r\nB\r\n"))
	c.ReadLine()
	c.Trace(nil)
	c.ReadLine()
	c.ReadLine()
	trace.Close("ok")
	if got, want := out.String(), "\nS: * OK\nC: A\nC: B\nS: * BYE\nexpect: ok\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
