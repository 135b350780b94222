package transcript

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"os"
	"regexp"
	"strings"
)

// Recorder makes a transcript that may be published of a live session. It takes
// the session's trace, which the library has redacted, as an io.Writer, and
// keeps it in memory until Save has scrubbed and searched it.
type Recorder struct {
	trace bytes.Buffer
	scrub func(string) string // a closure, since it knows the token
}

// Identity is what must not be in a recording.
type Identity struct {
	Mailbox string
	Tenant  string // id or domain
	Token   string
	Hosts   []string // of the servers, as they were dialled
}

// NewRecorder returns a Recorder for a session of id.
func NewRecorder(id Identity) *Recorder {
	_, domain, _ := strings.Cut(id.Mailbox, "@")
	names := []replacement{
		{id.Token, "{token}"},
		{id.Mailbox, "{user}"},
		{id.Tenant, exampleDomain},
		{domain, exampleDomain},
	}
	for _, host := range id.Hosts {
		names = append(names, replacement{host, "{host}"})
	}
	return &Recorder{scrub: func(text string) string {
		for _, name := range names {
			text = name.in(text)
		}
		return scrubPatterns(text)
	}}
}

// Write takes a part of the trace.
func (r *Recorder) Write(p []byte) (int, error) { return r.trace.Write(p) }

// Save writes the recording to a file, with comments at its head, or returns an
// error, and writes nothing, if something is left in it that may be a secret.
func (r *Recorder) Save(path string, comments ...string) error {
	var out strings.Builder
	for _, comment := range comments {
		out.WriteString("# " + comment + "\n")
	}
	for i, line := range strings.Split(strings.TrimSuffix(r.trace.String(), "\n"), "\n") {
		if strings.HasPrefix(line, "# User:") {
			continue // the default is one of the example's
		}
		line, checked := r.scrubLine(line)
		if longRun.MatchString(checked) {
			return fmt.Errorf("recording: line %d of the trace still has a long run of base64 characters", i+1)
		}
		out.WriteString(line + "\n")
	}
	if _, err := Parse("recording", []byte(out.String())); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(out.String()), 0o644)
}

// challenge is a line whose last word is base64 with text in it.
var challenge = regexp.MustCompile(`^(S: (?:\+|334) )([A-Za-z0-9+/]{16,}=*)$`)

// scrubLine returns the line as it may be published, and the text in which no
// long run may be left: for a challenge that is what it decodes to.
func (r *Recorder) scrubLine(line string) (scrubbed, checked string) {
	if m := challenge.FindStringSubmatch(line); m != nil {
		document, err := base64.StdEncoding.DecodeString(m[2])
		if err == nil && bytes.HasPrefix(document, []byte("{")) {
			checked = r.scrub(string(document))
			return m[1] + base64.StdEncoding.EncodeToString([]byte(checked)), checked
		}
	}
	scrubbed = r.scrub(line)
	return scrubbed, scrubbed
}

// exampleDomain stands for every domain in a recording.
const exampleDomain = "contoso.test"

type replacement struct{ old, new string }

// in replaces all of text, whatever its case.
func (r replacement) in(text string) string {
	if r.old == "" {
		return text
	}
	return regexp.MustCompile(`(?i)`+regexp.QuoteMeta(r.old)).ReplaceAllLiteralString(text, r.new)
}

// longRun is what a secret looks like that was not replaced.
var longRun = regexp.MustCompile(`[A-Za-z0-9+/_=-]{40,}`)

// patterns are names that are not known beforehand, and what stands for them.
var patterns = []struct {
	find    *regexp.Regexp
	replace string
}{
	{regexp.MustCompile(`<[^<>@\s]+@[^<>\s]+>`), "<id@" + exampleDomain + ">"}, // message ids
	{regexp.MustCompile(`(?i)[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}`), "00000000-0000-0000-0000-000000000000"},
	{regexp.MustCompile(`(?i)\b(?:[a-z0-9-]+\.){2,}[a-z]{2,}\b`), "mail." + exampleDomain}, // hosts
	{regexp.MustCompile(`\b\d{1,3}(?:\.\d{1,3}){3}\b`), "192.0.2.1"},                       // RFC 5737
	{regexp.MustCompile(`(?i)\b[0-9a-f]{1,4}(?::[0-9a-f]{0,4}){3,7}\b`), "2001:db8::1"},    // RFC 3849
}

// bracketed is where Exchange's greeting names the server, in base64 of UTF-16.
var bracketed = regexp.MustCompile(`\[[A-Za-z0-9+/]{8,}=*\]`)

func scrubPatterns(text string) string {
	for _, p := range patterns {
		text = p.find.ReplaceAllLiteralString(text, p.replace)
	}
	return bracketed.ReplaceAllStringFunc(text, func(word string) string {
		name, err := base64.StdEncoding.DecodeString(strings.Trim(word, "[]"))
		if err != nil || bytes.Count(name, []byte{0}) < len(name)/2 {
			return word
		}
		return "[TQBBAEkATAA=]" // "MAIL"
	})
}
