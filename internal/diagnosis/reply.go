package diagnosis

import (
	"encoding/base64"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/xoauth2/go-xoauth2/internal/wire"
)

// Reply is a mail server's reply, taken apart.
type Reply struct {
	Status string // "NO", "BAD", "BYE"; "-ERR"; "535"
	Code   string // "AUTHENTICATIONFAILED"; "SYS/TEMP"; "5.7.3"
	Text   string
}

// String returns the reply as it was on the wire, on one line.
func (r Reply) String() string {
	code := r.Code
	if code != "" && !isDigit(code[0]) {
		code = "[" + code + "]"
	}
	return strings.Join(strings.Fields(r.Status+" "+code+" "+r.Text), " ")
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

var (
	enhancedCode = regexp.MustCompile(`^([245]\.\d{1,3}\.\d{1,3})(?:\s+|$)`) // RFC 3463, section 2
	bracketCode  = regexp.MustCompile(`^\[([A-Za-z][^\]\s]*)[^\]]*\]\s*`)    // RFC 9051 section 7.1, RFC 2449 section 8
)

// maxReply is more of a reply than any row looks at.
const maxReply = 2 << 10

// tidy limits the text, and takes a code out of it where a client left it
// there.
func (r Reply) tidy() Reply {
	r.Text = strings.ToValidUTF8(r.Text[:min(len(r.Text), maxReply)], "")
	if r.Code != "" {
		r.Code = strings.ToUpper(r.Code)
		return r
	}
	code := bracketCode
	if r.Status != "" && isDigit(r.Status[0]) {
		code = enhancedCode
	}
	if m := code.FindStringSubmatch(r.Text); m != nil {
		r.Code = strings.ToUpper(m[1])
		r.Text = r.Text[len(m[0]):]
	}
	return r
}

var replyLine = regexp.MustCompile(`(?s)^(?:\S{1,16} )?(NO|BAD|BYE|-ERR|[45]\d\d)(?:[ -]|$)(.*)$`)

// ParseReply takes a reply apart that is known as text only.
func ParseReply(text string) Reply {
	m := replyLine.FindStringSubmatch(strings.TrimPrefix(text, "imap: "))
	if m == nil {
		return Reply{Text: text}
	}
	return Reply{Status: m[1], Text: m[2]}
}

// Redact makes a server's words fit to be shown: on one line, cut, and without
// long runs of characters as tokens have them, since some servers repeat the
// command they do not understand.
func Redact(text string) string {
	text = strings.Join(strings.Fields(strings.ToValidUTF8(text, "�")), " ")
	return wire.Cut(tokenRun.ReplaceAllString(text, "…"))
}

// tokenRun is longer than anything that servers write into their replies on
// purpose: the server name in Exchange's greeting is decoded, the longest words
// are "STOREDRV.Submission.Exception:SendAsDeniedException" and the like.
var tokenRun = regexp.MustCompile(`[A-Za-z0-9+/_~=-]{44,}`)

// utf16Name finds the bracketed server name in the greetings of Exchange's
// IMAP and POP3 servers.
var utf16Name = regexp.MustCompile(`\[([A-Za-z0-9+/]{8,344}={0,2})\]`)

// ServerName returns the name with which a server greets: decoded from base64
// and UTF-16 where Exchange's IMAP and POP3 servers hide it, the first word of
// other greetings if it is a host name (RFC 5321, section 4.2), or nothing.
func ServerName(greeting string) string {
	if m := utf16Name.FindStringSubmatch(greeting); m != nil {
		if name := decodeUTF16(m[1]); isHostName(name) {
			return name
		}
	}
	for _, status := range []string{"* OK ", "+OK ", "220 ", "220-"} {
		greeting = strings.TrimPrefix(greeting, status)
	}
	name, _, _ := strings.Cut(greeting, " ")
	if !isHostName(name) {
		return ""
	}
	return name
}

func decodeUTF16(encoded string) string {
	data, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || len(data)%2 != 0 {
		return ""
	}
	units := make([]uint16, 0, len(data)/2)
	for i := 0; i < len(data); i += 2 {
		units = append(units, uint16(data[i])|uint16(data[i+1])<<8)
	}
	return string(utf16.Decode(units))
}

var hostName = regexp.MustCompile(`^[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$`)

func isHostName(s string) bool { return len(s) <= 253 && hostName.MatchString(s) }

// trace finds what Exchange puts in brackets at the end of SMTP replies:
//
//	[SN2PR00CA0018.namprd00.prod.outlook.com 2025-03-20T11:25:21.972Z 08DD66EDEFB0DFDF]
var trace = regexp.MustCompile(`\[((?:Hostname=)?[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+)(?: (\d{4}-\d\d-\d\dT[0-9:.]+Z))?(?: ([0-9A-Fa-f]{8,32}))?\]`)

// Trace returns what Microsoft's support asks for: the server's name, the time
// and the session's id, as the server wrote them, or nothing.
func Trace(text string) string {
	m := trace.FindStringSubmatch(text)
	if m == nil {
		return ""
	}
	m[1] = strings.TrimPrefix(m[1], "Hostname=")
	return strings.Join(strings.Fields(strings.Join(m[1:], " ")), " ")
}

// traceTime returns the time in Exchange's trace, or the zero time.
func traceTime(text string) time.Time {
	m := trace.FindStringSubmatch(text)
	if m == nil {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339Nano, m[2])
	if err != nil {
		return time.Time{}
	}
	return t
}

var backoff = regexp.MustCompile(`(?i)suggested backoff time:\s*(\d{1,12})\s*milliseconds`)

// maxBackoff is the longest wait that a server's text can make anybody wait.
const maxBackoff = 5 * time.Minute

// Backoff returns the wait that Exchange suggests in a throttled reply, at most
// five minutes.
func Backoff(text string) time.Duration {
	m := backoff.FindStringSubmatch(text)
	if m == nil {
		return 0
	}
	ms, err := strconv.ParseInt(m[1], 10, 64)
	if err != nil {
		return 0
	}
	return min(time.Duration(ms)*time.Millisecond, maxBackoff)
}

var sendAs = regexp.MustCompile(`(?i)([^\s;,<>]+@[^\s;,<>]+) not allowed to send as <?([^\s;,<>]+@[^\s;,<>]+)`)

// sendAsPair returns who was not allowed to send as whom, if the text says so.
func sendAsPair(text string) (from, as string) {
	m := sendAs.FindStringSubmatch(text)
	if m == nil {
		return "", ""
	}
	return wire.Cut(m[1]), wire.Cut(strings.TrimRight(m[2], "."))
}

var aadsts = regexp.MustCompile(`AADSTS(\d{4,9})`)

// Number returns the first AADSTS number in a text, or 0.
func Number(text string) int {
	m := aadsts.FindStringSubmatch(text)
	if m == nil {
		return 0
	}
	n, _ := strconv.Atoi(m[1])
	return n
}
