package diagnosis_test

import (
	"strings"
	"testing"
	"unicode"

	"github.com/xoauth2/go-xoauth2/internal/diagnosis"
)

var hostileMailboxes = []string{
	"ann@contoso.com", "o'neil@contoso.com", "''", "'", "a'; Remove-Mailbox -Identity 'b", "‘’‚‛", "x’; exit; ‘",
	"$(whoami)@contoso.com", "`n", "a\nb", "a\r\nRemove-Mailbox b", "a\x00b", "a\u2028b", "a\u202eb", "\xff\xfe", "",
	"-Force", "a b", `"; Get-Secret "`, "“smart”", "{0}", "@('x')", strings.Repeat("a", 400), "{mailbox}",
}

func TestQuote(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"ann@contoso.com":    "'ann@contoso.com'",
		"o'neil@contoso.com": "'o''neil@contoso.com'",
		"o’neil@contoso.com": "'o’’neil@contoso.com'",
		"$env:x`n":           "'$env:x`n'",
		"":                   "''",
	}
	for in, want := range tests {
		if got, ok := diagnosis.Quote(in); !ok || got != want {
			t.Errorf("Quote(%q): got %s, %t, want %s", in, got, ok, want)
		}
	}
	for _, in := range []string{"a\nb", "a\x00", "a\u2028b", "a\u202eb", "\xff", strings.Repeat("a", 400)} {
		if got, ok := diagnosis.Quote(in); ok {
			t.Errorf("Quote(%q): got %s, want a refusal", in, got)
		}
	}
}

// FuzzPowerShellQuote reads every command as PowerShell does: it must be one
// line with the hostile name as one argument, or without it.
func FuzzPowerShellQuote(f *testing.F) {
	if len(hostileMailboxes) == 0 {
		f.Fatal("no seeds")
	}
	for _, name := range hostileMailboxes {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if quoted, ok := diagnosis.Quote(name); ok {
			if got, rest := parseQuoted(t, quoted); got != name || rest != "" {
				t.Errorf("%s: PowerShell reads %q and %q, want %q", quoted, got, rest, name)
			}
		}
		refused := diagnosis.Facts{
			Protocol: "SMTP", Login: true, Username: name,
			Token: diagnosis.Token{AppOnly: true, AppID: name, ObjectID: name, TenantID: name, Audience: "https://outlook.office.com", Length: 1},
			Reply: diagnosis.Reply{Status: "535", Code: "5.7.3", Text: "Authentication unsuccessful"},
		}
		for _, cause := range diagnosis.Explain(refused).Causes {
			for _, command := range cause.Commands {
				checkCommand(t, command, name)
			}
		}
	})
}

// checkCommand checks that a command's arguments in quotes are what they should
// be, and that nothing outside of them is the caller's.
func checkCommand(t *testing.T, command, name string) {
	for rest := command; ; {
		i := strings.IndexFunc(rest, isQuote)
		outside := rest
		if i >= 0 {
			outside = rest[:i]
		}
		if strings.ContainsFunc(outside, func(r rune) bool { return r > unicode.MaxASCII || r < ' ' || strings.ContainsRune(";&`\"#(){}", r) }) {
			t.Errorf("%q: a character of the mailbox's name is outside of the quotes", command)
		}
		if i < 0 {
			return
		}
		var got string
		got, rest = parseQuoted(t, rest[i:])
		if got != name && !strings.HasPrefix(got, "<") {
			t.Errorf("%q: PowerShell reads the argument %q, want %q or a placeholder", command, got, name)
		}
	}
}

func isQuote(r rune) bool { return strings.ContainsRune("'‘’‚‛", r) }

// parseQuoted reads a string in single quotes as PowerShell's tokenizer does:
// any quote ends it, unless another one follows.
func parseQuoted(t *testing.T, s string) (value, rest string) {
	runes := []rune(s)
	if len(runes) == 0 || !isQuote(runes[0]) {
		t.Fatalf("%q does not begin with a quote", s)
	}
	var b strings.Builder
	for i := 1; i < len(runes); i++ {
		switch {
		case !isQuote(runes[i]):
		case i+1 < len(runes) && isQuote(runes[i+1]):
			i++
			b.WriteRune(runes[i-1])
			continue
		default:
			return b.String(), string(runes[i+1:])
		}
		b.WriteRune(runes[i])
	}
	t.Fatalf("%q does not end", s)
	return "", ""
}
