package wire

import (
	"encoding/base64"
	"index/suffixarray"
	"strings"
	"sync"
)

// fragment is the length from which a piece of a secret is one itself: a
// stranger's text may hold a secret that was cut.
const fragment = 12

// maxText is what is left of a text that secrets are taken out of: longer ones
// are nothing that a person would read.
const maxText = 8 << 10

// Redactor takes a secret out of texts, in clear and in base64, whole and in
// fragments. A nil Redactor changes nothing.
type Redactor struct {
	has func(piece string) bool // a closure, so that no fmt verb shows the secret
}

// NewRedactor returns a Redactor for a secret. It costs little until the first
// text that is long enough to hold some of it.
func NewRedactor(secret string) *Redactor {
	index := sync.OnceValue(func() *suffixarray.Index { return suffixarray.New(renderings(secret)) })
	// With strings.Contains, a server could make this take minutes.
	return &Redactor{func(piece string) bool { return index().Lookup([]byte(piece), 1) != nil }}
}

// renderings returns all that a secret may look like, a line each.
func renderings(secret string) []byte {
	// Base64 looks different for each of the three places that a byte can
	// have in it.
	forms := secret
	for shift := range min(3, len(secret)) {
		forms += "\n" + strings.TrimRight(base64.StdEncoding.EncodeToString([]byte(secret[shift:])), "=")
	}
	return []byte(forms)
}

// Text returns s with every piece of a secret replaced. A word that is base64
// of a text with a secret in it stays one, of the text without.
func (r *Redactor) Text(s string) string {
	if r == nil {
		return s
	}
	if len(s) > maxText {
		s = s[:maxText] + "…"
	}
	words := strings.Split(s, " ")
	for i, word := range words {
		decoded, err := base64.StdEncoding.DecodeString(word)
		if clean := r.plain(string(decoded)); err == nil && clean != string(decoded) {
			words[i] = base64.StdEncoding.EncodeToString([]byte(clean))
		}
	}
	return r.plain(strings.Join(words, " "))
}

func (r *Redactor) plain(s string) string {
	var clean strings.Builder
	kept := 0 // s[:kept] is dealt with
	for i := 0; i+fragment <= len(s); i++ {
		if !r.has(s[i : i+fragment]) {
			continue
		}
		if i > kept || clean.Len() == 0 {
			clean.WriteString(s[min(kept, i):i])
			clean.WriteString("{redacted}")
		}
		kept = i + fragment
	}
	clean.WriteString(s[kept:])
	return clean.String()
}
