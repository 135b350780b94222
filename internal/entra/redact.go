package entra

import (
	"encoding/json"
	"html"
	"net/url"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	removed = "[removed]"

	// Shorter values hide nothing, and removing them would only destroy the text.
	minSecret = 4
	// An endpoint may cut what it echoes, so this much of a secret's beginning
	// counts as the secret.
	minEcho = 8
	// Texts cite texts, so escapes come on top of each other.
	maxEscapes = 3
	// No error shows nearly as much, and the search takes its time.
	maxText = 64 << 10
)

// formSecrets returns the values of form that must not leave the package.
func formSecrets(form url.Values) redactor {
	var secrets redactor
	for _, name := range []string{
		"client_secret", "client_assertion", "code", "code_verifier",
		"refresh_token", "password", "device_code", "assertion",
	} {
		secrets = append(secrets, form[name]...)
	}
	return secrets
}

// redactor removes the secrets it lists from texts that others wrote. It lives
// no longer than one reply.
type redactor []string

// remove replaces every secret in text, in clear or escaped in a way that
// replies and error texts use. A text in which one shows only once it has been
// unescaped is given up whole. What follows the first 64 KiB is dropped.
func (r redactor) remove(text string) string {
	text = cut(text, maxText)
	text = blank(text, r.find(text))
	plain := text
	for range maxEscapes {
		next := unescapeAll(plain)
		if next == plain {
			break
		}
		if plain = next; r.find(plain) != nil {
			return removed
		}
	}
	return text
}

// find marks the bytes of text that belong to a secret; nil means none.
func (r redactor) find(text string) []bool {
	var covered []bool
	for _, secret := range r {
		secret = strings.TrimSpace(secret)
		if len(secret) < minSecret {
			continue
		}
		for i := 0; i < len(text); {
			n := echo(text[i:], secret)
			if n == 0 {
				i++
				continue
			}
			if covered == nil {
				covered = make([]bool, len(text))
			}
			for end := i + n; i < end; i++ {
				covered[i] = true
			}
		}
	}
	return covered
}

func blank(text string, covered []bool) string {
	if covered == nil {
		return text
	}
	var b strings.Builder
	for i := range len(text) {
		switch {
		case !covered[i]:
			b.WriteByte(text[i])
		case i == 0 || !covered[i-1]:
			b.WriteString(removed)
		}
	}
	return b.String()
}

// tidy makes text of a stranger fit for an error: no secrets, one line, nothing
// that a terminal obeys, at most limit bytes.
func (r redactor) tidy(text string, limit int) string {
	// Once more afterwards, since dropping a character may join the two
	// halves of a secret.
	return cut(r.remove(flatten(r.remove(text))), limit)
}

func flatten(text string) string {
	text = strings.Map(func(c rune) rune {
		if unicode.IsSpace(c) || unicode.IsControl(c) {
			return ' '
		}
		if !unicode.IsPrint(c) {
			return -1
		}
		return c
	}, text)
	return strings.Join(strings.Fields(text), " ")
}

func cut(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit], "")
}

// echo returns how many bytes at the start of text spell secret, or enough of
// its beginning to count as it; 0 if they do not.
func echo(text, secret string) int {
	if strings.HasPrefix(text, secret) {
		return len(secret)
	}
	i, j := 0, 0
	for i < len(text) && j < len(secret) {
		plain, size := unescape(text[i:])
		if size > 0 && strings.HasPrefix(secret[j:], plain) {
			i += size
			j += len(plain)
			continue
		}
		if text[i] != secret[j] {
			break
		}
		i++
		j++
	}
	if j == len(secret) || j >= minEcho {
		return i
	}
	return 0
}

// unescapeAll takes one layer of escapes off text. A plus sign stays, since echo
// understands it in both of its meanings.
func unescapeAll(text string) string {
	if !strings.ContainsAny(text, `%\&`) {
		return text
	}
	var b strings.Builder
	for len(text) > 0 {
		plain, size := unescape(text)
		if size == 0 || text[0] == '+' {
			plain, size = text[:1], 1
		}
		b.WriteString(plain)
		text = text[size:]
	}
	return b.String()
}

// unescape decodes the escape that text starts with: URL (RFC 3986 2.1 and
// forms), JSON (RFC 8259 section 7), Go's %q, HTML. The size is 0 if there is none.
func unescape(text string) (plain string, size int) {
	switch text[0] {
	case '+':
		return " ", 1
	case '%':
		return hexByte(text, 1)
	case '\\':
		return unescapeBackslash(text)
	case '&':
		end := strings.IndexByte(text[:min(len(text), 12)], ';')
		if end < 0 {
			return "", 0
		}
		plain = html.UnescapeString(text[:end+1])
		if plain == text[:end+1] {
			return "", 0
		}
		return plain, end + 1
	}
	return "", 0
}

// hexByte reads two hexadecimal digits at text[at:].
func hexByte(text string, at int) (plain string, size int) {
	if len(text) < at+2 {
		return "", 0
	}
	b, err := strconv.ParseUint(text[at:at+2], 16, 8)
	if err != nil {
		return "", 0
	}
	return string([]byte{byte(b)}), at + 2
}

func unescapeBackslash(text string) (plain string, size int) {
	if strings.HasPrefix(text, `\/`) {
		return "/", 2
	}
	c, multibyte, rest, err := strconv.UnquoteChar(text, '"')
	switch {
	case err != nil:
		return surrogatePair(text)
	case c < utf8.RuneSelf || multibyte:
		return string(c), len(text) - len(rest)
	default: // \xNN stands for one byte
		return string([]byte{byte(c)}), len(text) - len(rest)
	}
}

// surrogatePair decodes the two \u escapes with which JSON writes a character
// beyond the basic plane.
func surrogatePair(text string) (plain string, size int) {
	const length = len(`\ud83d\ude00`)
	if len(text) < length || text[1] != 'u' || json.Unmarshal([]byte(`"`+text[:length]+`"`), &plain) != nil {
		return "", 0
	}
	return plain, length
}
