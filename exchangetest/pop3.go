package exchangetest

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/xoauth2/go-xoauth2/exchangetest/internal/mailstore"
)

// protocolError is what Exchange says before it hangs up on a client that does
// AUTH in one line, or with too long a token.
const protocolError = "-ERR Protocol error. Connection is closed. 10"

// pop3Login talks to a POP3 client until it has logged in.
func (d *dialogue) pop3Login() {
	if !d.greet(d.pop3.greeting) {
		return
	}
	for {
		line, err := d.pop3Line()
		if err != nil {
			return
		}
		if !d.pop3Command(line) {
			return
		}
	}
}

// pop3Line reads a command. A client that sends the next one before it has
// the reply, where PIPELINING is not offered, is hung up on.
func (d *dialogue) pop3Line() (string, error) {
	line, err := d.line()
	if err == nil && !d.pop3.pipelining && d.r.Buffered() > 0 {
		_ = d.say(protocolError) // the end in any case
		return "", errMalformed
	}
	return line, err
}

// pop3Command answers one command before the login, and reports whether there
// can be another.
func (d *dialogue) pop3Command(line string) bool {
	command, argument, _ := strings.Cut(line, " ")
	switch strings.ToUpper(command) {
	case "CAPA":
		return d.say(d.pop3Capabilities()...) == nil
	case "AUTH":
		return d.pop3Auth(argument)
	case "STLS":
		if d.secure || d.faults.noStartTLS[d.protocol].Happens() {
			return d.say("-ERR Command is not valid in this state.") == nil
		}
		return d.upgrade("+OK Begin TLS negotiation.")
	case "QUIT":
		_ = d.say(d.pop3.loggedOut) // the end in any case
		return false
	case "USER":
		return d.say("+OK") == nil
	case "PASS":
		return d.say(d.pop3.refused) == nil
	}
	return d.say("-ERR Command is not valid in this state.") == nil
}

func (d *dialogue) pop3Capabilities() []string {
	lines := []string{"+OK"}
	for _, capability := range d.pop3.capabilities {
		switch {
		case capability == "PIPELINING" && !d.pop3.pipelining,
			!d.secure && (capability == "USER" || strings.HasPrefix(capability, "SASL")):
		default:
			lines = append(lines, d.withMechanisms(capability, ""))
		}
	}
	if d.pop3.pipelining && !slices.Contains(lines, "PIPELINING") {
		lines = append(lines, "PIPELINING")
	}
	if !d.secure && !d.faults.noStartTLS[d.protocol].Happens() {
		lines = append(lines, "STLS")
	}
	return append(lines, ".")
}

func (d *dialogue) pop3Auth(argument string) bool {
	mechanism, _, hasResponse := strings.Cut(argument, " ")
	switch {
	case !d.secure:
		return d.say(d.pop3.unprotected) == nil
	case !d.offers(mechanism):
		return d.say("-ERR Authentication type is not supported.") == nil
	case hasResponse && !d.pop3.oneLine:
		_ = d.say(protocolError) // the end in any case
		return false
	}
	who, goOn := d.logIn(argument, words{
		accepted:  d.pop3.accepted,
		refused:   func(reason) []string { return []string{d.pop3.refused} },
		aborted:   d.pop3.aborted,
		malformed: d.pop3.malformed,
		limit:     d.pop3.maxPayload,
		tooLong:   protocolError,
	})
	if who == nil {
		return goOn
	}
	d.pop3Session(who)
	return false
}

// maildrop is what a POP3 session works on: the messages that were there at the
// login (RFC 1939, section 4).
type maildrop struct {
	*dialogue
	mailbox  *mailstore.Mailbox
	messages []mailstore.Message
	deleted  []bool
}

// pop3Session serves a client who is logged in.
func (d *dialogue) pop3Session(who *login) {
	messages := d.inbox(who.mailbox)
	drop := &maildrop{dialogue: d, mailbox: who.mailbox, messages: messages, deleted: make([]bool, len(messages))}
	for {
		line, err := d.pop3Line()
		if err != nil || !drop.command(line) {
			return
		}
	}
}

// command answers one command, and reports whether there can be another.
func (m *maildrop) command(line string) bool {
	if trouble, ok := m.faults.pop3Command.Next(); ok {
		return m.say(trouble) == nil
	}
	command, arguments, _ := strings.Cut(line, " ")
	words := strings.Fields(arguments)
	switch strings.ToUpper(command) {
	case "STAT":
		count, size := m.stat()
		return m.say(fmt.Sprintf("+OK %d %d", count, size)) == nil
	case "LIST":
		return m.list(words, func(i int) string { return strconv.Itoa(len(m.messages[i].Octets)) }) == nil
	case "UIDL":
		return m.list(words, func(i int) string { return m.messages[i].ID }) == nil
	case "RETR":
		return m.retrieve(words, -1) == nil
	case "TOP":
		return m.top(words) == nil
	case "DELE":
		return m.mark(words) == nil
	case "RSET":
		clear(m.deleted)
		return m.say("+OK") == nil
	case "NOOP":
		return m.say("+OK") == nil
	case "CAPA":
		return m.say(m.pop3Capabilities()...) == nil
	case "QUIT":
		m.quit()
		return false
	}
	return m.say("-ERR Protocol error. Unknown command.") == nil
}

func (m *maildrop) stat() (count, size int) {
	for i, message := range m.messages {
		if !m.deleted[i] {
			count++
			size += len(message.Octets)
		}
	}
	return count, size
}

// number returns the index of the message that a command names.
func (m *maildrop) number(words []string) (int, error) {
	if len(words) == 0 {
		return 0, errMalformed
	}
	n, err := strconv.Atoi(words[0])
	if err != nil || n < 1 || n > len(m.messages) || m.deleted[n-1] {
		return 0, errMalformed
	}
	return n - 1, nil
}

const noMessage = "-ERR The specified message is not available."

// list answers LIST and UIDL, for one message or all.
func (m *maildrop) list(words []string, value func(i int) string) error {
	if len(words) > 0 {
		i, err := m.number(words)
		if err != nil {
			return m.say(noMessage)
		}
		return m.say(fmt.Sprintf("+OK %d %s", i+1, value(i)))
	}
	count, size := m.stat()
	lines := []string{fmt.Sprintf("+OK %d %d", count, size)}
	for i := range m.messages {
		if !m.deleted[i] {
			lines = append(lines, fmt.Sprintf("%d %s", i+1, value(i)))
		}
	}
	return m.say(append(lines, ".")...)
}

func (m *maildrop) top(words []string) error {
	if len(words) < 2 {
		return m.say("-ERR Protocol error.")
	}
	lines, err := strconv.Atoi(words[1])
	if err != nil || lines < 0 {
		return m.say("-ERR Protocol error.")
	}
	return m.retrieve(words, lines)
}

// retrieve sends a message: all of it, or its header and so many lines.
func (m *maildrop) retrieve(words []string, lines int) error {
	i, err := m.number(words)
	if err != nil {
		return m.say(noMessage)
	}
	octets := m.messages[i].Octets
	if lines >= 0 {
		octets = beginning(octets, lines)
	}
	_, err = m.conn.Write(append([]byte("+OK\r\n"), multiline(octets)...))
	return err
}

// beginning returns a message's header and the first lines of its body (RFC
// 1939, TOP).
func beginning(octets []byte, lines int) []byte {
	header, body, ok := bytes.Cut(octets, []byte("\r\n\r\n"))
	if !ok {
		return octets
	}
	end := len(header) + len("\r\n\r\n")
	for range lines {
		i := bytes.IndexByte(body, '\n')
		if i < 0 {
			return octets
		}
		end += i + 1
		body = body[i+1:]
	}
	return octets[:end]
}

// multiline makes octets the body of a reply: with dots stuffed, and its end
// (RFC 1939, section 3).
func multiline(octets []byte) []byte {
	stuffed := bytes.ReplaceAll(octets, []byte("\n."), []byte("\n.."))
	if bytes.HasPrefix(octets, []byte(".")) {
		stuffed = append([]byte("."), stuffed...)
	}
	if !bytes.HasSuffix(stuffed, []byte("\r\n")) && len(stuffed) > 0 {
		stuffed = append(stuffed, "\r\n"...)
	}
	return append(stuffed, ".\r\n"...)
}

func (m *maildrop) mark(words []string) error {
	i, err := m.number(words)
	if err != nil {
		return m.say(noMessage)
	}
	m.deleted[i] = true
	return m.say("+OK")
}

// quit removes what is marked (RFC 1939, section 6).
func (m *maildrop) quit() {
	var gone []mailstore.Message
	for i, message := range m.messages {
		if m.deleted[i] {
			gone = append(gone, message)
		}
	}
	if err := m.mailbox.Delete(gone); err != nil {
		_ = m.say("-ERR Some messages were not removed.") // the end in any case
		return
	}
	_ = m.say(m.manners.pop3.loggedOut) // the end in any case
}
