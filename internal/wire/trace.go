package wire

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"slices"
	"strings"
)

// maxTrace limits what a Trace remembers of an exchange.
const maxTrace = 1 << 20

// Trace keeps an exchange in the transcript format of testdata, without its
// secrets, and writes it when the exchange is over: the format wants the
// token's length first, and traces of several exchanges do not mix.
// A nil Trace does nothing. It is not safe for concurrent use.
type Trace struct {
	w        io.Writer // nil: closed
	settings []string
	session  bytes.Buffer
	names    []func(line string) string // put placeholders for credentials
	rest     []func(line string) string // take out what is left of them
	ended    bool
}

// NewTrace returns a Trace that will write to w, or nil if w is nil.
func NewTrace(w io.Writer) *Trace {
	if w == nil {
		return nil
	}
	return &Trace{w: w}
}

// Set writes a setting into the head of the transcript.
func (t *Trace) Set(name, value string) {
	if t == nil || value == "" {
		return
	}
	setting := fmt.Sprintf("# %-10s %s\n", name+":", oneLine(value))
	if !slices.Contains(t.settings, setting) {
		t.settings = append(t.settings, setting)
	}
}

// Hide has every line from now on written with "{ir}" for payload, the initial
// response in base64, "{token}" for token, and without what rest takes out.
func (t *Trace) Hide(payload, token string, rest *Redactor) {
	if t == nil {
		return
	}
	names := strings.NewReplacer(payload, "{ir}", token, "{token}")
	t.names = append(t.names, names.Replace)
	t.rest = append(t.rest, rest.Text)
}

// Client writes a line that the client sends.
func (t *Trace) Client(line []byte) { t.add("C: ", line) }

// Server writes a line that the server sent.
func (t *Trace) Server(line []byte) { t.add("S: ", line) }

// Handshake writes the comment that marks the begin of TLS.
func (t *Trace) Handshake(state tls.ConnectionState) {
	version := strings.ReplaceAll(tls.VersionName(state.Version), " ", "v")
	t.add("# ", fmt.Appendf(nil, "(TLS handshake: %s)", version))
}

// Ended writes the comment that the server closed the connection.
func (t *Trace) Ended() {
	if t != nil && !t.ended {
		t.ended = true
		t.add("# ", []byte("(the server closed the connection)"))
	}
}

// Close writes the transcript, whose last line says how the exchange ended, and
// forgets it: what the connection is used for afterwards is not traced.
// A writer that fails costs the trace, not the login.
func (t *Trace) Close(class string) {
	if t == nil || t.w == nil {
		return
	}
	head := strings.Join(t.settings, "")
	_, _ = fmt.Fprintf(t.w, "%s\n%sexpect: %s\n", head, t.session.Bytes(), class)
	*t = Trace{}
}

// Next writes the transcript as Close does, and begins another one with the
// same settings and secrets, for another connection.
func (t *Trace) Next(class string) {
	if t == nil {
		return
	}
	next := Trace{w: t.w, settings: t.settings, names: t.names, rest: t.rest}
	t.Close(class)
	*t = next
}

func (t *Trace) add(label string, line []byte) {
	if t == nil || t.session.Len() > maxTrace {
		return
	}
	text := string(line)
	for _, hide := range slices.Concat(t.names, t.rest) {
		text = hide(text)
	}
	t.session.WriteString(label)
	t.session.WriteString(oneLine(text))
	t.session.WriteByte('\n')
}

// oneLine keeps a stray CR of the server from breaking the format.
func oneLine(s string) string {
	return strings.NewReplacer("\r", `\r`, "\n", `\n`).Replace(s)
}
