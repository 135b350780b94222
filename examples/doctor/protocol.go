package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/xoauth2/go-xoauth2"
)

// protocol examines one mail protocol: the way to the server, then the login.
func (d *doctor) protocol(ctx context.Context, proto xoauth2.Protocol) {
	prefix := strings.ToLower(proto.String()) + "."
	way := &route{doctor: d, proto: proto, service: d.provider.Service(proto)}
	steps := []struct {
		name  string
		check func(context.Context) (string, error)
	}{
		{"dns", way.dns}, {"tcp", way.tcp}, {"tls", way.tls}, {"capabilities", way.capabilities},
	}
	why := ""
	for _, s := range steps {
		switch {
		case why != "":
			d.skip(prefix+s.name, why)
		case !d.step(ctx, prefix+s.name, within(s.check)):
			why = "after the failure of " + prefix + s.name
		}
	}
	way.close()
	if why == "" && d.tokens == nil {
		why = "there is no token"
	}
	d.login(ctx, proto, prefix, why)
}

// login logs in with the dialer, then opens the mailbox, or offers the sender
// and a message.
func (d *doctor) login(ctx context.Context, proto xoauth2.Protocol, prefix, why string) {
	steps := []struct {
		name  string
		check func(context.Context, *patient) (string, error)
	}{{"login", d.logIn(proto)}, {"mailbox", d.openMailbox(proto)}}
	if proto == xoauth2.SMTP {
		steps[1].name, steps[1].check = "sender", d.offerSender
		steps = append(steps, steps[0])
		steps[2].name, steps[2].check = "message", d.sendMessage
	}
	for _, s := range steps {
		name := prefix + s.name
		switch {
		case why != "":
			d.skip(name, why)
		case s.name == "message" && !d.rehearsal:
			d.skip(name, "nothing is sent; Exchange judges Send As only when a message is")
		case !d.step(ctx, name, func(ctx context.Context) (string, error) { return s.check(ctx, d.patient) }):
			why = "after the failure of " + name
		}
	}
}

// logIn returns the step that does nothing but log in.
func (d *doctor) logIn(proto xoauth2.Protocol) func(context.Context, *patient) (string, error) {
	return func(ctx context.Context, p *patient) (string, error) {
		var client io.Closer
		var err error
		switch proto {
		case xoauth2.IMAP:
			client, err = xoauth2.DialIMAP(ctx, p.mailbox, d.tokens, p.dialOptions())
		case xoauth2.POP3:
			client, err = xoauth2.DialPOP3(ctx, p.mailbox, d.tokens, p.dialOptions())
		default:
			client, err = xoauth2.DialSMTP(ctx, p.mailbox, d.tokens, p.dialOptions())
		}
		if err != nil {
			return "", err
		}
		client.Close()
		return "as " + p.mailbox, nil
	}
}

func (p *patient) dialOptions() *xoauth2.DialOptions {
	return &xoauth2.DialOptions{Provider: p.provider, TLSConfig: p.tls, Timeout: p.timeout}
}

// openMailbox returns the step that opens the mailbox: Exchange lets some in
// whose mailbox it does not open.
func (d *doctor) openMailbox(proto xoauth2.Protocol) func(context.Context, *patient) (string, error) {
	return func(ctx context.Context, p *patient) (string, error) {
		opts := p.dialOptions()
		opts.VerifyMailbox = true
		if proto == xoauth2.IMAP {
			c, err := xoauth2.DialIMAP(ctx, p.mailbox, d.tokens, opts)
			if err != nil {
				return "", err
			}
			defer c.Close()
			return "INBOX opens", nil
		}
		c, err := xoauth2.DialPOP3(ctx, p.mailbox, d.tokens, opts)
		if err != nil {
			return "", err
		}
		defer c.Close()
		return "the mailbox opens", nil
	}
}

// offerSender offers the sender and a recipient, and takes both back.
func (d *doctor) offerSender(ctx context.Context, p *patient) (string, error) {
	return "the server takes " + p.sender + " for a sender", d.submit(ctx, func(c *smtp.Client) error {
		if err := c.Mail(p.sender, nil); err != nil {
			return err
		}
		if err := c.Rcpt(p.mailbox, nil); err != nil {
			return err
		}
		return c.Reset()
	})
}

// sendMessage sends a message from the mailbox to itself. Only the
// demonstration does that.
func (d *doctor) sendMessage(ctx context.Context, p *patient) (string, error) {
	const message = "Subject: Rehearsal\r\n\r\nNobody reads this.\r\n"
	return "a message from the mailbox to itself is accepted", d.submit(ctx, func(c *smtp.Client) error {
		return c.SendMail(p.sender, []string{p.mailbox}, strings.NewReader(message))
	})
}

// submit does something with an SMTP client. What the server refuses is told
// with what is known of the token.
func (d *doctor) submit(ctx context.Context, use func(*smtp.Client) error) error {
	c, err := xoauth2.DialSMTP(ctx, d.mailbox, d.tokens, d.dialOptions())
	if err != nil {
		return err
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { c.Close() }) // go-smtp knows no contexts
	defer stop()
	err = use(c)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if refused, ok := errors.AsType[*smtp.SMTPError](err); ok {
		return &xoauth2.AuthError{
			Protocol: xoauth2.SMTP, Addr: d.provider.SMTP.Addr, Username: d.mailbox, Time: time.Now(), Token: d.info, Err: refused,
		}
	}
	return err
}

// dns looks the server up for both families of addresses.
func (r *route) dns(ctx context.Context) (string, error) {
	host, _, err := net.SplitHostPort(r.service.Addr)
	if err != nil {
		return "", fmt.Errorf("%s has no %v server: %w", r.provider.Name, r.proto, err)
	}
	if net.ParseIP(host) != nil {
		return "an address, no name", nil
	}
	v4, err4 := net.DefaultResolver.LookupNetIP(ctx, "ip4", host)
	v6, err6 := net.DefaultResolver.LookupNetIP(ctx, "ip6", host)
	if err4 != nil && err6 != nil {
		return "", errors.Join(err4, err6)
	}
	detail := fmt.Sprintf("%s: %d IPv4 and %d IPv6 addresses", host, len(v4), len(v6))
	if err4 != nil {
		return detail, notice("the name has no IPv4 address here")
	}
	return detail, nil
}
