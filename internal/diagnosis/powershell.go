package diagnosis

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxArgument is longer than any mailbox, GUID or display name.
const maxArgument = 320

// Quote returns s as one PowerShell argument: in single quotes, which keep
// everything literal but themselves, and which PowerShell also sees in the
// typographic ones; each is doubled (PowerShell documentation,
// "about_Quoting_Rules"). It refuses what could end the line or make it look
// like another one: control and invisible characters, invalid UTF-8, and
// anything overlong.
func Quote(s string) (quoted string, ok bool) {
	if len(s) > maxArgument || !utf8.ValidString(s) {
		return "", false
	}
	var b strings.Builder
	b.WriteByte('\'')
	for _, r := range s {
		if !unicode.IsPrint(r) {
			return "", false
		}
		if isSingleQuote(r) {
			b.WriteRune(r)
		}
		b.WriteRune(r)
	}
	b.WriteByte('\'')
	return b.String(), true
}

// isSingleQuote reports whether PowerShell's parser takes r for a single
// quote.
func isSingleQuote(r rune) bool {
	switch r {
	case '\'', '‘', '’', '‚', '‛':
		return true
	}
	return false
}
