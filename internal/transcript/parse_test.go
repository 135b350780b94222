package transcript_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/xoauth2/go-xoauth2/internal/transcript"
)

const imapScript = `# What:      a session
# Transport: implicit TLS
# User:      bob@contoso.test
# Token:     200 characters
# Options:   sasl-ir-known, verify-mailbox, local-name=client.example

# (TLS handshake: TLSv1.3)
S: * OK ready
C: {tag} AUTHENTICATE XOAUTH2 {ir}
# a comment that means nothing: really
S: + e30=
C:
S: {tag} NO {user} is not welcome
expect: refused "not welcome"
`

func TestParse(t *testing.T) {
	t.Parallel()
	s, err := transcript.Parse("a.txt", []byte(imapScript))
	if err != nil {
		t.Fatal(err)
	}
	want := transcript.Settings{User: "bob@contoso.test", TokenLength: 200, SASLIRKnown: true, VerifyMailbox: true, LocalName: "client.example"}
	if s.Settings != want {
		t.Errorf("got settings %+v, want %+v", s.Settings, want)
	}
	if s.Expect != transcript.Refused || s.Text != "not welcome" {
		t.Errorf("got expectation %q %q, want refused with a text", s.Expect, s.Text)
	}
	if history, line := s.Before(2); !strings.Contains(history, "* OK ready") || line != "+ e30=" {
		t.Errorf("got %q after %q, want the second line after the first", line, history)
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	const implicit = "# Transport: implicit TLS\n# (TLS handshake: TLSv1.3)\n"
	const startTLS = "# Transport: plain TCP, then STARTTLS\n"
	tests := []struct{ name, text, want string }{
		{"nothing", "", "no transport"},
		{"no expectation", implicit + "S: hello\n", "no expectation"},
		{"unknown transport", "# Transport: pigeon\n", `:1: unknown transport "pigeon"`},
		{"two transports", "# Transport: implicit TLS\n# Transport: implicit TLS\n", "second transport"},
		{"session before the transport", "S: hello\n# Transport: implicit TLS\n", ":1: the session begins"},
		{"unknown class", implicit + "expect: glory\n", `:3: unknown class "glory"`},
		{"unquoted text", implicit + "expect: refused 535\n", "not quoted"},
		{"text after the end", implicit + "expect: ok\n\n", "after the expectation"},
		{"unknown line", implicit + "X: what\n", `"X: what" is no`},
		{"no space", implicit + "S:what\n", `"S:what" is no`},
		{"carriage return", implicit + "S: what\r\n", "carriage return"},
		{"unknown placeholder", implicit + "C: {passwort}\n", "unknown placeholder {passwort}"},
		{"tag of nobody", implicit + "S: {tag} OK\n", "{tag} before"},
		{"tag inside", implicit + "C: x {tag}\n", "{tag} inside"},
		{"response of nothing", implicit + "C: {ir}\n", "{ir} without a mechanism"},
		{"response of another mechanism", implicit + "C: AUTH PLAIN {ir}\n", `{ir} without a mechanism that has one: "PLAIN"`},
		{"token before TLS", startTLS + "C: AUTH XOAUTH2 {ir}\n", "{ir} before the TLS handshake"},
		{"client before TLS", "# Transport: implicit TLS\nC: EHLO x\n", "client line before the TLS handshake"},
		{"handshake first", startTLS + "# (TLS handshake: TLSv1.3)\n", "does not suit"},
		{"handshake late", "# Transport: implicit TLS\nS: hello\n# (TLS handshake: TLSv1.3)\n", "does not suit"},
		{"two handshakes", implicit + "# (TLS handshake: TLSv1.3)\n", "second TLS handshake"},
		{"speech after the end", implicit + "# (the server closed the connection)\nS: hello\n", "goes on"},
		{"speech after optional lines", implicit + "C? QUIT\nS: bye\n", "optional"},
		{"optional lines after a refusal", implicit + "C? QUIT\nexpect: refused\n", "optional"},
		{"ok without TLS", startTLS + "S: hello\nexpect: ok\n", "a session that is ok"},
		{"short token", "# Token: 3 characters\n", "token length"},
		{"token without unit", "# Token: 600\n", "token length"},
		{"unknown option", "# Options: sasl-ir-known, magic\n", `unknown option "magic"`},
		{"option with a value", "# Options: sasl-ir-known=yes\n", "unknown option"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := transcript.Parse("a.txt", []byte(tt.text))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got error %v, want one with %q", err, tt.want)
			}
		})
	}
}

func TestToken(t *testing.T) {
	t.Parallel()
	s, err := transcript.Parse("a.txt", []byte("# Transport: implicit TLS\n# Token: 13296 characters\nexpect: tls\n"))
	if err != nil {
		t.Fatal(err)
	}
	token := s.Token()
	if len(token) != 13296 {
		t.Errorf("got %d characters, want 13296", len(token))
	}
	seen := make(map[string]bool)
	for i := range len(token) - 12 {
		if part := token[i : i+12]; seen[part] {
			t.Errorf("%q occurs twice", part)
		} else {
			seen[part] = true
		}
	}
}

// FuzzParse checks that what parses once parses again from what it says of
// itself, and that no input makes it panic.
func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("../../testdata/*/*.txt")
	if err != nil || len(files) == 0 {
		f.Fatalf("got seeds %v, error %v, want some", files, err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte(imapScript))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := transcript.Parse("fuzz", data)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "fuzz:") {
				t.Errorf("got error %q, want the name first", err)
			}
			return
		}
		if s.Expect == "" {
			t.Error("got no expectation, want one")
		}
		if n := len(s.Token()); n != s.Settings.TokenLength {
			t.Errorf("got a token of %d characters, want %d", n, s.Settings.TokenLength)
		}
		s.Adopt(s)
	})
}
