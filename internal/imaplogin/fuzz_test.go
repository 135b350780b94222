package imaplogin_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/xoauth2/go-xoauth2/internal/imaplogin"
	"github.com/xoauth2/go-xoauth2/internal/wire"
)

// turn separates what the server of FuzzDialogue says at once: the greeting, and
// one answer to everything that the client writes.
const turn = "\x1f"

// payload is what the client of FuzzDialogue logs in with.
const payload = "user=a@b\x01auth=Bearer canary\x01\x01"

// FuzzDialogue has a server say anything, in any pieces, and at the end either
// hang up or repeat itself for ever: the dialogue ends after a bounded number of
// bytes, and succeeds only by an OK that was read after the payload was written.
func FuzzDialogue(f *testing.F) {
	for _, seed := range loginSeeds(f) {
		for way := range byte(8) {
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
		err := logIn(s, inline, way&4 != 0)
		s.mu.Lock() // go-imap may still be writing
		defer s.mu.Unlock()
		if limit := 8*1001*(longest(s.turns)+wire.MaxLine) + len(said); s.read > limit {
			t.Errorf("got %d bytes read, want no more than %d", s.read, limit)
		}
		if errors.As(err, new(*refusedOpening)) {
			return
		}
		s.checkOutcome(t, err, inline)
	})
}

// refusedOpening is a failure before AUTHENTICATE.
type refusedOpening struct{ error }

// logIn makes a login, and uses the session.
func logIn(s *speaker, inline, startTLS bool) error {
	login, err := imaplogin.New(wire.NewConn(s, nil))
	if err != nil {
		return &refusedOpening{err}
	}
	if startTLS {
		if err := login.StartTLS(); err != nil {
			return &refusedOpening{err}
		}
	}
	if !inline {
		if _, err := login.Capabilities(); err != nil {
			return &refusedOpening{err}
		}
	}
	s.heard.Reset()
	if err := login.Authenticate(&mechanism{inline: inline}, inline); err != nil {
		return err
	}
	s.over = s.read
	if err := login.Command("EXAMINE INBOX"); err != nil {
		return nil
	}
	client, err := login.Client(nil)
	if err == nil {
		client.Close()
	}
	return nil
}

// mechanism answers as XOAUTH2 does.
type mechanism struct {
	inline     bool
	challenges int
}

func (m *mechanism) Start() (string, []byte, error) { return "XOAUTH2", []byte(payload), nil }

func (m *mechanism) Next([]byte) ([]byte, error) {
	m.challenges++
	if m.challenges == 1 && !m.inline {
		return []byte(payload), nil
	}
	return []byte{}, nil
}

// speaker is the connection to that server.
type speaker struct {
	net.Conn
	mu      sync.Mutex // go-imap reads and writes at once
	chunk   int
	endless bool

	turns   [][]byte // not yet begun
	last    []byte   // the turn that was begun last
	pending []byte   // said and not read
	said    bytes.Buffer
	heard   bytes.Buffer // what the client wrote, from AUTHENTICATE on
	read    int          // bytes
	sentAt  int          // read was so much when the payload was written
	over    int          // and so much when the login had succeeded
	closed  bool
}

func (s *speaker) next() {
	if len(s.turns) > 0 {
		s.last, s.turns = s.turns[0], s.turns[1:]
		s.pending = append(s.pending, s.last...)
	}
}

func (s *speaker) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.pending) == 0 && s.endless && len(s.turns) == 0 {
		s.pending = bytes.Clone(s.last)
	}
	if len(s.pending) == 0 || s.closed {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), s.chunk)], s.pending)
	s.said.Write(s.pending[:n])
	s.pending = s.pending[n:]
	s.read += n
	return n, nil
}

func (s *speaker) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heard.Write(p)
	if bytes.Contains(p, []byte(base64.StdEncoding.EncodeToString([]byte(payload)))) {
		s.sentAt = s.read
	}
	s.next()
	return len(p), nil
}

func (s *speaker) SetReadDeadline(time.Time) error  { return nil }
func (s *speaker) SetWriteDeadline(time.Time) error { return nil }

func (s *speaker) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return nil
}

var success = regexp.MustCompile(`(?mi)^T\d+ OK( |\r?$)`)

// checkOutcome looks at what both said when AUTHENTICATE gave err.
func (s *speaker) checkOutcome(t *testing.T, err error, inline bool) {
	t.Helper()
	heard := s.heard.String()
	if strings.Contains(heard, "*\r\n") {
		t.Errorf("got a stray * from the client: %q", heard)
	}
	if err != nil {
		return
	}
	if !strings.Contains(heard, base64.StdEncoding.EncodeToString([]byte(payload))) {
		t.Fatalf("got success without the payload in %q", heard)
	}
	if after := s.said.Bytes()[s.sentAt:s.over]; !success.Match(after) {
		t.Errorf("got success, inline %v, and after the payload the server said no more than %q", inline, after)
	}
}

func longest(turns [][]byte) int {
	n := 0
	for _, part := range turns {
		n = max(n, len(part))
	}
	return n
}

// loginSeeds returns what the servers of the transcripts say, and some more.
func loginSeeds(f *testing.F) []string {
	seeds := []string{
		"* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=XOAUTH2] hi\r\n" + turn + "T1 OK [CAPABILITY IMAP4rev1] in\r\n" + turn + "T2 OK\r\n",
		"* OK hi\r\n" + turn + "* CAPABILITY IMAP4rev1 STARTTLS\r\nT1 OK\r\n" + turn + "+ \r\n" + turn + "T2 OK in\r\n" + turn + "T3 OK\r\n",
		"* OK hi\r\n" + turn + "T1 OK go\r\n" + turn + "* CAPABILITY X\r\nT2 OK\r\n" + turn + "+\r\n" + turn + "+ eyJzdGF0dXMiOiI0MDEifQ==\r\n" + turn + "T3 NO [AUTHENTICATIONFAILED] no\r\n",
		"* PREAUTH hi\r\n", "* BYE busy\r\n", "* OK\n" + turn + "* 1 EXISTS\r\n", "* OK " + strings.Repeat("x", 5000), "\x00\xff\r\n",
		"* OK [CAPABILITY] hi\r\n" + turn + "* BYE\r\nT1 BAD\r\n", "* OK hi\r\nT1 OK early\r\n" + turn + "T1 OK\r\n",
		"* OK [CAPABILITY AUTH=XOAUTH2] hi\r\n" + turn + "+ \r\nT1 OK early\r\n" + turn + "T2 OK\r\n",
	}
	names, err := filepath.Glob(filepath.Join("..", "..", "testdata", "imap", "*.txt"))
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
	tags := strings.NewReplacer("{tag}", "T1", "{tag1}", "T1", "{tag2}", "T2", "{tag3}", "T3")
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "C:") {
			said.WriteString(turn)
		}
		if server, ok := strings.CutPrefix(line, "S: "); ok {
			said.WriteString(tags.Replace(strings.TrimSuffix(server, "\n")) + "\r\n")
		}
	}
	return said.String()
}
