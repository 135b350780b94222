package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"slices"
	"strings"
	"time"

	"github.com/xoauth2/go-xoauth2"
)

// route is the way to a mail server, up to where a login would begin.
type route struct {
	*doctor
	proto   xoauth2.Protocol
	service xoauth2.Service
	conn    net.Conn
	text    *textproto.Conn // over conn
}

func (r *route) close() {
	if r.conn != nil {
		r.conn.Close()
	}
}

// tcp connects.
func (r *route) tcp(ctx context.Context) (string, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", r.service.Addr)
	if err != nil {
		return "", err
	}
	r.conn = conn
	return "connected to " + conn.RemoteAddr().String(), nil
}

// tls secures the connection, after STARTTLS where the provider has it so, and
// looks at the certificate.
func (r *route) tls(ctx context.Context) (string, error) {
	defer r.interruptible(ctx)()
	if r.service.StartTLS {
		r.text = textproto.NewConn(r.conn)
		if err := r.startTLS(); err != nil {
			return "", r.instead(ctx, err)
		}
	}
	host, _, _ := net.SplitHostPort(r.service.Addr)
	config := r.patient.tls.Clone()
	config.ServerName = host
	conn := tls.Client(r.conn, config)
	if err := conn.HandshakeContext(ctx); err != nil {
		return "", err
	}
	r.conn, r.text = conn, textproto.NewConn(conn)
	return r.judge(conn.ConnectionState())
}

// interruptible lets ctx end what the connection is waiting for.
func (r *route) interruptible(ctx context.Context) func() bool {
	conn := r.conn
	return context.AfterFunc(ctx, func() { conn.Close() })
}

// within makes a step of the route end with its context, and say so.
func within(check func(context.Context) (string, error)) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		detail, err := check(ctx)
		if err != nil && ctx.Err() != nil {
			return "", fmt.Errorf("no answer: %w", context.Cause(ctx))
		}
		return detail, err
	}
}

// instead returns the dialer's error, if it explains more than our own.
func (r *route) instead(ctx context.Context, err error) error {
	if len(xoauth2.Diagnose(err).Causes) > 0 || r.tokens == nil {
		return err
	}
	if _, dialErr := r.logIn(r.proto)(ctx, r.patient); dialErr != nil {
		return dialErr
	}
	return err
}

// startTLS is SMTP's; it is the only protocol that a provider has it for.
func (r *route) startTLS() error {
	if _, _, err := r.text.ReadResponse(220); err != nil {
		return err
	}
	extensions, err := r.command(250, "EHLO localhost")
	if err != nil {
		return err
	}
	if !strings.Contains(strings.ToUpper(extensions), "STARTTLS") {
		return errors.New("the server does not offer STARTTLS")
	}
	if _, err := r.command(220, "STARTTLS"); err != nil {
		return err
	}
	if r.text.R.Buffered() > 0 {
		return errors.New("the server sent plaintext after its reply to STARTTLS")
	}
	return nil
}

func (r *route) command(expect int, line string) (string, error) {
	if err := r.text.PrintfLine("%s", line); err != nil {
		return "", err
	}
	_, message, err := r.text.ReadResponse(expect)
	return message, err
}

// judge looks at a handshake that has succeeded.
func (r *route) judge(state tls.ConnectionState) (string, error) {
	cert := state.PeerCertificates[0]
	left := time.Until(cert.NotAfter)
	detail := fmt.Sprintf("%s, certificate by %s until %s",
		tls.VersionName(state.Version), issuerOf(cert), cert.NotAfter.Format(time.DateOnly))
	switch {
	case r.intercepted(cert):
		return detail, notice("the certificate is not by an authority that the provider uses: a proxy or virus scanner seems to inspect the connection, and sees the token")
	case left < 14*24*time.Hour && len(r.issuers) > 0:
		return detail, notice(fmt.Sprintf("the certificate ends in %v", left.Round(time.Hour)))
	}
	return detail, nil
}

func issuerOf(cert *x509.Certificate) string {
	if len(cert.Issuer.Organization) > 0 {
		return cert.Issuer.Organization[0]
	}
	return cert.Issuer.CommonName
}

func (r *route) intercepted(cert *x509.Certificate) bool {
	return len(r.issuers) > 0 && !slices.ContainsFunc(r.issuers, func(name string) bool {
		return strings.Contains(cert.Issuer.String(), name)
	})
}

// capabilities asks what the server offers, and looks for the mechanism.
func (r *route) capabilities(ctx context.Context) (string, error) {
	defer r.interruptible(ctx)()
	offered, err := r.offered()
	if err != nil {
		return "", r.instead(ctx, err)
	}
	words := strings.FieldsFunc(strings.ToUpper(offered), func(c rune) bool { return c == ' ' || c == '=' || c == '\n' })
	for _, mechanism := range []string{xoauth2.Mechanism, "OAUTHBEARER"} {
		if slices.Contains(words, mechanism) {
			return "the server offers " + mechanism, nil
		}
	}
	return "", xoauth2.ErrNotAdvertised
}

// offered returns the server's list.
func (r *route) offered() (string, error) {
	switch r.proto {
	case xoauth2.SMTP:
		return r.smtpOffers()
	case xoauth2.POP3:
		return r.pop3Offers()
	}
	return r.imapOffers()
}

func (r *route) smtpOffers() (string, error) {
	if !r.service.StartTLS {
		if _, _, err := r.text.ReadResponse(220); err != nil {
			return "", err
		}
	}
	return r.command(250, "EHLO localhost")
}

func (r *route) pop3Offers() (string, error) {
	for _, command := range []string{"", "CAPA"} {
		if command != "" {
			if err := r.text.PrintfLine("%s", command); err != nil {
				return "", err
			}
		}
		line, err := r.text.ReadLine()
		if err != nil {
			return "", err
		}
		if !strings.HasPrefix(line, "+OK") {
			return "", &xoauth2.POP3Error{Message: strings.TrimPrefix(line, "-ERR ")}
		}
	}
	lines, err := r.text.ReadDotLines()
	return strings.Join(lines, "\n"), err
}

func (r *route) imapOffers() (string, error) {
	greeting, err := r.text.ReadLine()
	if err != nil {
		return "", err
	}
	if !strings.HasPrefix(greeting, "* OK") {
		return "", fmt.Errorf("the server greets with %.80q", greeting)
	}
	if err := r.text.PrintfLine("a CAPABILITY"); err != nil {
		return "", err
	}
	const most = 100
	for range most {
		line, err := r.text.ReadLine()
		if err != nil {
			return "", err
		}
		if strings.HasPrefix(strings.ToUpper(line), "* CAPABILITY") {
			return line, nil
		}
	}
	return "", errors.New("the server does not tell its capabilities")
}
