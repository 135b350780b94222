package pop3

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"net"
)

// Limits on what RetrAll has under way. A thousand commands are on the way at
// once, so that a thousand small messages cost one round trip; fewer where
// the messages are known to be large, since what was asked for must be read
// before anything else can be done.
const (
	maxInFlight    = 1024
	octetsInFlight = 8 << 20
	assumedSize    = octetsInFlight / maxInFlight
	maxDrain       = 32 << 20
)

var (
	errTooMuch   = fmt.Errorf("closed, since more than %d MiB that were asked for had to be read for nobody", maxDrain>>20)
	errAbandoned = errors.New("closed, since RetrAll was left by a panic or runtime.Goexit while replies were to come")
)

// fetch is a call of RetrAll.
type fetch struct {
	client    *Client
	pipelined bool
	numbers   []int
	sent      int   // so many of numbers were asked for
	done      int   // so many were answered, and read to the end
	octets    int64 // of the messages that were
	budget    int64 // so many octets may still be read for nobody
	message   Message
	batch     []byte
	writing   chan error // gets the result of the write under way; nil: none is
}

// RetrAll asks for messages and calls each with one after the other. If
// numbers is nil, these are all messages. The Message is valid within each.
//
// If the server takes it, commands are sent ahead of the replies. They are
// written beside the reading: if both sides only wrote, each could wait for
// ever for the other to read (RFC 2449, section 6.6).
func (c *Client) RetrAll(numbers []int, each func(n int, m *Message) error) error {
	if c.err != nil || numbers != nil && len(numbers) == 0 {
		return c.err
	}
	for _, n := range numbers {
		if n < 1 {
			return command{"RETR", n}.failed(errNumber(n))
		}
	}
	pipelined, err := c.canPipeline()
	if err != nil {
		return err
	}
	if numbers == nil {
		if numbers, err = c.numbers(); err != nil {
			return err
		}
	}
	if err := c.ready(command{verb: "RETR"}); err != nil {
		return err
	}
	f := &fetch{client: c, pipelined: pipelined, numbers: numbers, budget: math.MaxInt64}
	c.fetching = true
	defer f.leave()
	for f.done < len(numbers) {
		if err := f.ask(); err != nil {
			return err
		}
		if err := f.next(each); err != nil {
			f.stop()
			return err
		}
	}
	return nil
}

// ask sends commands, if there is room for enough of them to be worth a write.
func (f *fetch) ask() error {
	window := f.window()
	inFlight := f.sent - f.done
	if f.sent == len(f.numbers) || inFlight > window/2 {
		return nil
	}
	if written, err := f.written(inFlight == 0); !written || err != nil {
		return err
	}
	numbers := f.numbers[f.sent:min(f.sent+window-inFlight, len(f.numbers))]
	f.sent += len(numbers)
	if f.sent-f.done == 1 { // the server has nothing else to do than to read it
		return f.client.send(appendCommand(f.client.line[:0], "RETR", numbers[0]))
	}
	f.batch = f.batch[:0]
	for _, n := range numbers {
		f.batch = appendCommand(f.batch, "RETR", n)
	}
	f.writing = make(chan error, 1)
	go func(conn net.Conn) {
		_, err := conn.Write(f.batch)
		f.writing <- err
	}(f.client.wire.Conn)
	return nil
}

// window returns how many commands may be under way.
func (f *fetch) window() int {
	if !f.pipelined {
		return 1
	}
	return int(min(max(octetsInFlight/f.size(), 2), maxInFlight))
}

// size returns how large a message probably is, at least one octet.
func (f *fetch) size() int64 {
	if f.done > 0 {
		return f.octets/int64(f.done) + 1
	}
	return cmp.Or(f.client.averageSize, assumedSize)
}

// written reports whether the last write is over. It waits for that if wait.
func (f *fetch) written(wait bool) (bool, error) {
	if f.writing == nil {
		return true, nil
	}
	if !wait && len(f.writing) == 0 {
		return false, nil
	}
	err := <-f.writing
	f.writing = nil
	if err != nil {
		return true, f.client.fail(err)
	}
	return true, nil
}

// next reads the oldest reply under way, and has each read the message.
func (f *fetch) next(each func(n int, m *Message) error) error {
	c, n := f.client, f.numbers[f.done]
	c.command = command{"RETR", n}
	r, err := c.reply()
	if err != nil {
		if isRefusal(err) {
			f.done++
		}
		return err
	}
	f.message.begin(c, r)
	err = each(n, &f.message)
	if err != nil {
		f.budget = min(f.budget, maxDrain)
	}
	unread := f.message.octets
	if drainErr := f.message.drain(f.budget); drainErr != nil {
		return cmp.Or(err, drainErr)
	}
	f.budget -= f.message.octets - unread
	f.octets += f.message.octets
	f.done++
	return err
}

// stop reads the replies to what was asked for in vain, unless that would take
// too long.
func (f *fetch) stop() {
	c := f.client
	f.budget = min(f.budget, maxDrain)
	if c.err == nil && int64(f.sent-f.done)*f.size() > f.budget {
		c.fail(errTooMuch)
	}
	for c.err == nil && f.done < f.sent {
		// Further refusals are the fate of what nobody wants any more.
		_ = f.next(func(int, *Message) error { return nil })
	}
}

// leave ends the call, whichever way it ended.
func (f *fetch) leave() {
	c := f.client
	c.fetching = false
	if c.err == nil && f.done < f.sent {
		c.fail(errAbandoned)
	}
	_, _ = f.written(true) // a failure is the session's, and ends it
	c.release()
}
