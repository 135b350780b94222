package imaplogin

import (
	"strings"

	"github.com/emersion/go-imap/v2"
)

// status is a status response (RFC 9051, section 7.1).
type status struct {
	imap.Error
	caps []string // of a CAPABILITY code; nil: none
}

// parseStatus reads a status response, without the tag or "*" before it. A
// text that is none has a Type that no status response has.
func parseStatus(s string) status {
	name, text, _ := strings.Cut(s, " ")
	var st status
	st.Type = imap.StatusResponseType(strings.ToUpper(name))
	code, rest, ok := strings.Cut(strings.TrimPrefix(text, "["), "]")
	if !strings.HasPrefix(text, "[") || !ok {
		st.Text = text
		return st
	}
	name, args, _ := strings.Cut(code, " ")
	st.Code = imap.ResponseCode(strings.ToUpper(name))
	st.Text = strings.TrimPrefix(rest, " ")
	if st.Code == "CAPABILITY" {
		st.caps = parseCapabilities(args)
	}
	return st
}

// parseCapabilities reads a list of capabilities. Words that are no atoms
// (RFC 9051, section 9) are left out, since go-imap would trip over them.
func parseCapabilities(s string) []string {
	words := strings.Fields(s)
	caps := make([]string, 0, len(words))
	for _, word := range words {
		if !strings.ContainsFunc(word, notInAtom) {
			caps = append(caps, word)
		}
	}
	return caps
}

func notInAtom(r rune) bool {
	return r <= ' ' || r >= 0x7f || strings.ContainsRune(`(){%*"\]`, r)
}
