package pop3

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/emersion/go-sasl"

	"github.com/xoauth2/go-xoauth2/internal/payload"
	"github.com/xoauth2/go-xoauth2/internal/wire"
)

// maxChallenges limits an AUTH exchange. No mechanism needs more than three.
const maxChallenges = 10

var (
	errPlaintext = errors.New("refused on a connection that is not TLS, or does not show that it is")
	errNoEnd     = errors.New("the server never ends asking")
)

// Auth runs the AUTH command (RFC 5034, section 4), over TLS only. A refusal
// leaves the session usable, and so does an error of the mechanism, upon which
// the exchange is cancelled.
//
// The initial response goes on a line of its own, after the server has asked
// for it: Exchange Online closes the connection when it comes in the command
// line (Microsoft, "Authenticate an IMAP, POP or SMTP connection using OAuth").
func (c *Client) Auth(mechanism sasl.Client) error {
	return c.auth(mechanism, c.cancel)
}

// Login is Auth for a session that is of no use unless it succeeds: instead of
// cancelling an exchange, it breaks the session.
func (c *Client) Login(mechanism sasl.Client) error {
	return c.auth(mechanism, func(why error) { c.fail(why) })
}

// auth runs the AUTH command. If there is no answer to a challenge, giveUp
// learns why.
func (c *Client) auth(mechanism sasl.Client, giveUp func(why error)) error {
	cmd := command{verb: "AUTH"}
	if err := c.ready(cmd); err != nil {
		return err
	}
	if !c.isTLS() {
		return cmd.failed(errPlaintext)
	}
	own, err := payload.Begin(mechanism)
	if err != nil {
		return err
	}
	initial, err := own.AppendInitial(nil)
	if err != nil {
		return err
	}
	name := own.Mechanism()
	if !isMechanism(name) {
		return cmd.failed(fmt.Errorf("%q is no name of a mechanism", wire.Cut(name)))
	}
	if err := c.send(appendCommand(c.line[:0], "AUTH "+name)); err != nil {
		return err
	}
	err = c.exchange(mechanism, initial, giveUp)
	c.release()
	return err
}

// isMechanism reports whether name is one (RFC 4422, section 3.1).
func isMechanism(name string) bool {
	notInName := func(r rune) bool {
		return !('A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '-' || r == '_')
	}
	return name != "" && len(name) <= 20 && !strings.ContainsFunc(name, notInName)
}

// exchange answers the server's challenges until its final reply.
func (c *Client) exchange(mechanism sasl.Client, initial []byte, giveUp func(why error)) error {
	for n := 0; ; n++ {
		r, err := c.anyReply()
		if err != nil {
			return err
		}
		if r.status == refused {
			refusal := r.refusal()
			refusal.Unasked = n == 0
			return c.command.failed(refusal)
		}
		if r.status == accepted && n == 0 {
			return c.fail(errors.New("the server reports success before it has asked for anything"))
		}
		if r.status == accepted {
			return nil
		}
		if n == maxChallenges {
			giveUp(errNoEnd)
			return c.command.failed(errNoEnd)
		}
		if n == 0 {
			if err := c.quiet(); err != nil { // success, say, before the response
				return err
			}
		}
		line := initial
		if n > 0 || initial == nil {
			line, err = c.respond(mechanism, r, giveUp)
		}
		if err != nil {
			return err
		}
		if err := c.wire.WriteLines(append(line, "\r\n"...)); err != nil {
			return c.fail(err)
		}
	}
}

// respond has the mechanism answer a challenge, in base64.
func (c *Client) respond(mechanism sasl.Client, r reply, giveUp func(why error)) ([]byte, error) {
	challenge, err := base64.StdEncoding.DecodeString(string(r.text))
	if err != nil {
		return nil, c.fail(fmt.Errorf("the server's challenge is not base64: %q", wire.Cut(string(r.text))))
	}
	response, err := mechanism.Next(challenge)
	if err != nil {
		giveUp(err)
	}
	return payload.AppendLine(nil, response), err
}

// cancel ends the exchange without an answer (RFC 5034, section 4). That
// breaks the session only if the server does not go along.
func (c *Client) cancel(error) {
	if err := c.wire.WriteLine("*"); err != nil {
		c.fail(err)
		return
	}
	r, err := c.anyReply()
	if err == nil && r.status != refused {
		c.fail(wire.Unexpected(r.line()))
	}
}
