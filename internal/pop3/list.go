package pop3

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/xoauth2/go-xoauth2/internal/wire"
)

// Limits on the lines of a list.
const (
	maxCapabilities = 1_000
	maxMessages     = 1_000_000
)

// Entry is a message as LIST and UIDL tell of it.
type Entry struct {
	Number int
	Size   int64
	UID    string // empty: the server gave none
}

// Capabilities asks what the server can do (RFC 2449, section 5). The names
// are in upper case.
func (c *Client) Capabilities() (map[string][]string, error) {
	_, err := c.ask("CAPA")
	if isRefusal(err) {
		c.knowsPipelining, c.pipelining = true, false
	}
	if err != nil {
		return nil, err
	}
	capabilities := make(map[string][]string)
	err = c.lines(maxCapabilities, func(line []byte) error {
		words := strings.Fields(string(line))
		if len(words) > 0 {
			name := strings.ToUpper(words[0])
			capabilities[name] = append(capabilities[name], words[1:]...)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	c.release()
	_, c.pipelining = capabilities["PIPELINING"]
	c.knowsPipelining = true
	return capabilities, nil
}

// canPipeline reports whether the server takes a command before it answered
// the last one. It asks at most once: that does not change with the login (RFC
// 2449, section 6.6).
func (c *Client) canPipeline() (bool, error) {
	if c.knowsPipelining {
		return c.pipelining, nil
	}
	_, err := c.Capabilities()
	if err != nil && !isRefusal(err) {
		return false, err
	}
	return c.pipelining, nil
}

func isRefusal(err error) bool {
	var refusal *Refusal
	return errors.As(err, &refusal)
}

// List returns all messages that are not marked for deletion, by number. It
// asks for their sizes and unique ids, both at once if the server takes it.
func (c *Client) List() ([]Entry, error) {
	pipelined, err := c.canPipeline()
	if err != nil {
		return nil, err
	}
	if err := c.ready(command{verb: "LIST"}); err != nil {
		return nil, err
	}
	lines := appendCommand(c.line[:0], "LIST")
	if pipelined {
		lines = appendCommand(lines, "UIDL")
	}
	if err := c.send(lines); err != nil {
		return nil, err
	}
	entries, err := c.sizes(c.reply())
	if c.err != nil || err != nil && !pipelined {
		return nil, err
	}
	c.command = command{verb: "UIDL"}
	if !pipelined {
		if err := c.send(appendCommand(c.line[:0], "UIDL")); err != nil {
			return nil, err
		}
	}
	if err := cmp.Or(err, c.uids(entries)); err != nil {
		return nil, err
	}
	return entries, nil
}

// numbers returns the numbers of all messages.
func (c *Client) numbers() ([]int, error) {
	entries, err := c.sizes(c.ask("LIST"))
	numbers := make([]int, len(entries))
	for i, entry := range entries {
		numbers[i] = entry.Number
	}
	return numbers, err
}

// sizes reads what follows the status line of LIST (RFC 1939, section 5), which
// was read.
func (c *Client) sizes(_ reply, err error) ([]Entry, error) {
	if err != nil {
		return nil, err
	}
	entries := []Entry{}
	total := int64(0)
	err = c.lines(maxMessages, func(line []byte) error {
		number, size, ok := cutNumbers(line)
		if !ok || number < 1 {
			return wire.Unexpected(string(line))
		}
		entries = append(entries, Entry{Number: number, Size: size})
		total += size
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(entries, func(a, b Entry) int { return cmp.Compare(a.Number, b.Number) })
	for i := 1; i < len(entries); i++ {
		if entries[i].Number == entries[i-1].Number {
			return nil, c.fail(fmt.Errorf("the server lists message %d twice", entries[i].Number))
		}
	}
	c.averageSize = total / int64(max(len(entries), 1))
	c.release()
	return entries, nil
}

// uids reads the reply to UIDL (RFC 1939, section 7) into entries. A server
// does not need to know the command; but one that knows it and cannot answer
// now must not pass for one without unique ids.
func (c *Client) uids(entries []Entry) error {
	_, err := c.reply()
	var refusal *Refusal
	if errors.As(err, &refusal) && !strings.HasPrefix(refusal.Code, "SYS/") {
		return nil
	}
	if err != nil {
		return err
	}
	err = c.lines(maxMessages, func(line []byte) error {
		first, uid := cutWord(line)
		number, ok := parseNumber(first)
		uid, _ = cutWord(uid)
		if !ok || len(uid) == 0 {
			return wire.Unexpected(string(line))
		}
		i, ok := slices.BinarySearchFunc(entries, number, func(e Entry, n int) int { return cmp.Compare(e.Number, n) })
		if ok {
			entries[i].UID = string(uid)
		}
		return nil
	})
	if err != nil {
		return err
	}
	c.release()
	return nil
}

// cutNumbers reads the two numbers that a text begins with.
func cutNumbers(text []byte) (number int, size int64, ok bool) {
	first, rest := cutWord(text)
	second, _ := cutWord(rest)
	number, ok = parseNumber(first)
	octets, err := strconv.ParseUint(string(second), 10, 63)
	return number, int64(octets), ok && err == nil
}

func parseNumber(word []byte) (int, bool) {
	n, err := strconv.ParseUint(string(word), 10, 31)
	return int(n), err == nil
}

// cutWord splits text behind its first word.
func cutWord(text []byte) (word, rest []byte) {
	word, rest, _ = bytes.Cut(bytes.TrimLeft(text, " "), []byte(" "))
	return word, rest
}
