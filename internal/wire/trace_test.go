package wire_test

import (
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"github.com/xoauth2/go-xoauth2/internal/wire"
)

// writes counts what is written at once.
type writes struct {
	bytes.Buffer
	count int
}

func (w *writes) Write(p []byte) (int, error) {
	w.count++
	return w.Buffer.Write(p)
}

func TestTrace(t *testing.T) {
	t.Parallel()
	payload := base64.StdEncoding.EncodeToString([]byte("user=alice\x01auth=Bearer " + secret + "\x01\x01"))
	var out writes
	trace := wire.NewTrace(&out)
	trace.Set("Transport", "implicit TLS")
	trace.Set("User", "alice\r\n# Token: 1 characters")
	trace.Set("Options", "")
	trace.Handshake(tls.ConnectionState{Version: tls.VersionTLS13})
	trace.Server([]byte("* OK a\rb"))
	trace.Set("Token", "86 characters")
	trace.Set("Token", "86 characters")
	trace.Hide(payload, secret, wire.NewRedactor(secret))
	trace.Client([]byte("T1 AUTHENTICATE XOAUTH2 " + payload))
	trace.Client(nil)
	trace.Server([]byte("T1 BAD what is " + secret + " and " + secret[:20]))
	trace.Ended()
	trace.Ended()
	if out.count != 0 {
		t.Errorf("got %d writes before the end, want none", out.count)
	}
	trace.Close("protocol")
	trace.Server([]byte("more"))
	trace.Close("ok")
	want := `# Transport: implicit TLS
# User:      alice\r\n# Token: 1 characters
# Token:     86 characters

# (TLS handshake: TLSv1.3)
S: * OK a\rb
C: T1 AUTHENTICATE XOAUTH2 {ir}
C: 
S: T1 BAD what is {token} and {redacted}
# (the server closed the connection)
expect: protocol
`
	if got := out.String(); got != want || out.count != 1 {
		t.Errorf("got %d writes of\n%s\nwant one of\n%s", out.count, got, want)
	}
}

// TestTraceNext shows that a second connection gets its own transcript, and
// that the first one's token stays hidden there.
func TestTraceNext(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	trace := wire.NewTrace(&out)
	trace.Set("User", "alice")
	trace.Hide("b25l", secret, wire.NewRedactor(secret))
	trace.Client([]byte("b25l"))
	trace.Ended()
	trace.Next("closed")
	trace.Hide("dHdv", "another-token-of-the-same-user", wire.NewRedactor("another-token-of-the-same-user"))
	trace.Server([]byte("* OK " + secret))
	trace.Client([]byte("dHdv"))
	trace.Close("ok")
	want := "# User:      alice\n\nC: {ir}\n# (the server closed the connection)\nexpect: closed\n" +
		"# User:      alice\n\nS: * OK {token}\nC: {ir}\nexpect: ok\n"
	if got := out.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestTraceNil(t *testing.T) {
	t.Parallel()
	trace := wire.NewTrace(nil)
	if trace != nil {
		t.Error("got a Trace to nowhere, want nil")
	}
	trace.Set("a", "b")
	trace.Hide("a", "b", wire.NewRedactor("b"))
	trace.Client([]byte("a"))
	trace.Server([]byte("a"))
	trace.Handshake(tls.ConnectionState{})
	trace.Ended()
	trace.Next("ok")
	trace.Close("ok")
}

func TestTraceBounded(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	trace := wire.NewTrace(&out)
	line := bytes.Repeat([]byte("x"), wire.MaxLine)
	for range 1000 {
		trace.Server(line)
	}
	trace.Close("protocol")
	if out.Len() > 2<<20 || !strings.HasSuffix(out.String(), "\nexpect: protocol\n") {
		t.Errorf("got %d bytes, want at most 2 MiB and the end", out.Len())
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errors.New("broken") }

func TestTraceWriterFails(t *testing.T) {
	t.Parallel()
	trace := wire.NewTrace(brokenWriter{})
	trace.Server([]byte("a"))
	trace.Close("ok")
}
