package pop3

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/xoauth2/go-xoauth2/internal/wire"
)

// Error says which command failed.
type Error struct {
	Command string // as in "RETR 5"; "greeting" for what comes before all commands
	Err     error  // a *Refusal, or what is wrong with the command or the session
}

// Error names the command first.
func (e *Error) Error() string { return e.Command + ": " + e.Err.Error() }

// Unwrap returns the reason.
func (e *Error) Unwrap() error { return e.Err }

// Refusal is a reply that begins with -ERR. The session goes on after it.
type Refusal struct {
	Code string // the response code (RFC 2449, section 8) in upper case; may be empty
	Text string // the rest, of any length

	Unasked bool // of AUTH: the credential was not even asked for
}

// Error returns the server's words.
func (r *Refusal) Error() string {
	if r.Code == "" {
		return fmt.Sprintf("the server refuses: %q", wire.Cut(r.Text))
	}
	return fmt.Sprintf("the server refuses: [%s] %q", r.Code, wire.Cut(r.Text))
}

// status is how a reply begins.
type status byte

const (
	accepted  status = iota // "+OK"
	refused                 // "-ERR"
	challenge               // "+" in an AUTH exchange (RFC 5034, section 4)
)

// reply is the status line of a reply. The text is good until the next read.
type reply struct {
	status   status
	text     []byte
	bareFeed bool // the line ended in LF alone
}

// parseReply takes a status line apart, its line break included.
func parseReply(raw []byte) (reply, error) {
	line := wire.TrimBreak(raw)
	word, text, _ := bytes.Cut(line, []byte(" "))
	if len(word) > 1 && word[0] == '+' && !bytes.HasPrefix(bytes.ToUpper(word), []byte("+OK")) {
		word, text = line[:1], line[1:] // a challenge whose server leaves out the space
	}
	r := reply{text: bytes.TrimSpace(text), bareFeed: len(raw)-len(line) == 1}
	switch string(word) {
	case "+OK":
		r.status = accepted
	case "-ERR":
		r.status = refused
	case "+":
		r.status = challenge
	default:
		return reply{}, wire.Unexpected(string(line))
	}
	return r, nil
}

// line returns the status line again, for errors.
func (r reply) line() string {
	word := [...]string{accepted: "+OK ", refused: "-ERR ", challenge: "+ "}[r.status]
	return word + string(r.text)
}

// refusal returns the reply as an error.
func (r reply) refusal() *Refusal {
	code, text := cutCode(r.text)
	return &Refusal{Code: strings.ToUpper(string(code)), Text: string(text)}
}

// cutCode splits a text behind the extended response code that it may begin
// with.
func cutCode(text []byte) (code, rest []byte) {
	const longest = 64
	inner, ok := bytes.CutPrefix(text, []byte("["))
	if !ok {
		return nil, text
	}
	code, rest, ok = bytes.Cut(inner, []byte("]"))
	if !ok || len(code) == 0 || len(code) > longest || bytes.ContainsFunc(code, notInCode) {
		return nil, text
	}
	return code, bytes.TrimSpace(rest)
}

func notInCode(r rune) bool { return r <= ' ' || r > '~' }
