package smtplogin_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/xoauth2/go-xoauth2/internal/smtplogin"
)

// turn separates what the server of FuzzMonitor says at once: the greeting, and
// one answer to everything that the client writes.
const turn = "\x1f"

// payload is what the client of FuzzMonitor logs in with.
const payload = "user=a@b\x01auth=Bearer canary\x01\x01"

// FuzzMonitor has a server say anything, in any pieces, to a client of go-smtp,
// and at the end either hang up or repeat itself for ever: the login ends after
// a bounded number of bytes, sends no "*", and succeeds only by a 235 that was
// read after the payload was written.
func FuzzMonitor(f *testing.F) {
	for _, seed := range loginSeeds(f) {
		for way := range byte(4) {
			f.Add([]byte(seed), byte(255), way)
		}
		f.Add([]byte(seed), byte(0), byte(0))
	}
	f.Fuzz(func(t *testing.T, said []byte, chunk, way byte) {
		s := &speaker{chunk: int(chunk) + 1, endless: way&1 != 0}
		for part := range bytes.SplitSeq(said, []byte(turn)) {
			s.turns = append(s.turns, part)
		}
		s.next()
		inline := way&2 != 0
		client := smtp.NewClient(s)
		defer client.Close()
		monitor := smtplogin.NewMonitor(nil, false)
		client.DebugWriter = monitor
		err := monitor.Check(client.Hello("localhost"))
		mechanism := &bearer{inline: inline}
		if err == nil {
			err = monitor.Auth(client, mechanism)
		}
		if err == nil && !inline && mechanism.challenges == 0 {
			return // the caller, who knows that nobody asked, does not believe it
		}
		const limit = 3 << 20 // of what the Monitor stops, and buffers
		if s.read > limit {
			t.Errorf("got %d bytes read, want no more than %d", s.read, limit)
		}
		s.checkOutcome(t, err, inline)
		if refusal, ok := errors.AsType[*smtp.SMTPError](err); ok && !strings.Contains(s.said.String(), strconv.Itoa(refusal.Code)) {
			t.Errorf("got refusal %v, which the server did not say", err)
		}
	})
}

// bearer answers as XOAUTH2 does.
type bearer struct {
	inline     bool
	challenges int
}

func (b *bearer) Start() (mech string, ir []byte, err error) {
	if b.inline {
		return "XOAUTH2", []byte(payload), nil
	}
	return "XOAUTH2", nil, nil
}

func (b *bearer) Next([]byte) ([]byte, error) {
	b.challenges++
	switch {
	case b.challenges == 1 && !b.inline:
		return []byte(payload), nil
	case b.challenges > 2:
		return nil, errNoAnswer
	}
	return []byte{}, nil
}

// speaker is the connection to that server.
type speaker struct {
	net.Conn
	chunk   int
	endless bool

	turns   [][]byte // not yet begun
	last    []byte   // the turn that was begun last
	pending []byte   // said and not read
	said    bytes.Buffer
	heard   bytes.Buffer
	read    int // bytes
	sentAt  int // read was so much when the payload was written
	closed  bool
}

func (s *speaker) next() {
	if len(s.turns) > 0 {
		s.last, s.turns = s.turns[0], s.turns[1:]
		s.pending = append(s.pending, s.last...)
	}
}

func (s *speaker) Read(p []byte) (int, error) {
	if len(s.pending) == 0 && s.endless && len(s.turns) == 0 {
		s.pending = bytes.Clone(s.last)
	}
	if len(s.pending) == 0 || s.closed {
		s.closed = true // for good
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), s.chunk)], s.pending)
	s.said.Write(s.pending[:n])
	s.pending = s.pending[n:]
	s.read += n
	return n, nil
}

func (s *speaker) Write(p []byte) (int, error) {
	if s.closed {
		return 0, net.ErrClosed
	}
	s.heard.Write(p)
	if bytes.Contains(p, encodedPayload()) {
		s.sentAt = s.read
	}
	s.next()
	return len(p), nil
}

func (s *speaker) Close() error                     { s.closed = true; return nil }
func (s *speaker) SetDeadline(time.Time) error      { return nil }
func (s *speaker) SetReadDeadline(time.Time) error  { return nil }
func (s *speaker) SetWriteDeadline(time.Time) error { return nil }

func encodedPayload() []byte { return base64.StdEncoding.AppendEncode(nil, []byte(payload)) }

var (
	accepted  = regexp.MustCompile(`(?m)^235([ -]|\r?$)`)
	prompting = regexp.MustCompile(`(?m)^334([ -]|\r?$)`)
)

// checkOutcome looks at what both said when the login gave err.
func (s *speaker) checkOutcome(t *testing.T, err error, inline bool) {
	t.Helper()
	heard, said := s.heard.Bytes(), s.said.Bytes()
	// go-smtp takes what comes before the end of the connection for a line, and
	// answers to nobody.
	hungUp := s.closed && !bytes.HasSuffix(said, []byte("\n"))
	if bytes.Contains(heard, []byte("*\r\n")) && !hungUp {
		t.Errorf("got a stray * from the client: %q", heard)
	}
	sent := bytes.Contains(heard, encodedPayload())
	if sent && !inline && !prompting.Match(said[:s.sentAt]) {
		t.Errorf("got the payload sent, which was not asked for by %q", said[:s.sentAt])
	}
	if err == nil && !sent {
		t.Fatalf("got success without the payload in %q", heard)
	}
	if err == nil && !accepted.Match(said[s.sentAt:]) {
		t.Errorf("got success, inline %v, and after the payload the server said no more than %q", inline, said[s.sentAt:])
	}
}

// loginSeeds returns what the servers of the transcripts say, and some more.
func loginSeeds(f *testing.F) []string {
	const hello = "220 ready\r\n" + turn + "250-hi\r\n250 AUTH XOAUTH2\r\n" + turn
	seeds := []string{
		hello + "235 2.7.0 in\r\n", hello + "334 \r\n" + turn + "235 in\r\n", hello + "535 5.7.3 no\r\n", hello + "235-a\r\n235 b\r\n",
		hello + "334 e30=\r\n" + turn + "535-5.7.8 no\r\n535 5.7.8 really\r\n", hello + "334 {}\r\n" + turn + "235 in\r\n", hello + "334\r\n" + turn + "235\r\n",
		hello + "334 \r\n235 in\r\n", hello + "235 in\r\n235 again\r\n", hello + "5", hello + "250 what?\r\n", "554 busy\r\n", "220 " + strings.Repeat("x", 3000),
		"220 ready\r\n250 early\r\n235 early\r\n" + turn + "250 hi\r\n", "\x00\xff\r\n",
		"150-ready\r\n", "abc-\r\n", hello + "999-\r\n", hello + "535-no\r\n530-no\r\n",
	}
	names, err := filepath.Glob(filepath.Join("..", "..", "testdata", "smtp", "*.txt"))
	if err != nil || len(names) == 0 {
		f.Fatalf("no transcripts: %v", err)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		seeds = append(seeds, serverTurns(string(text)))
	}
	return seeds
}

// serverTurns returns the server's side of a transcript.
func serverTurns(text string) string {
	var said strings.Builder
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "C:") {
			said.WriteString(turn)
		}
		if server, ok := strings.CutPrefix(line, "S: "); ok {
			said.WriteString(strings.TrimSuffix(server, "\n") + "\r\n")
		}
	}
	return said.String()
}
