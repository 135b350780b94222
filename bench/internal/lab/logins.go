package lab

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"strconv"

	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-smtp"
	"github.com/wneessen/go-mail"
	mailsmtp "github.com/wneessen/go-mail/smtp"
	"golang.org/x/oauth2"

	"github.com/xoauth2/go-xoauth2"
)

// Login makes an authenticated session.
type Login func(ctx context.Context, m *Mail, config *tls.Config) (io.Closer, error)

// Options returns this library's options for m.
func (m *Mail) Options(config *tls.Config) *xoauth2.DialOptions {
	return &xoauth2.DialOptions{Provider: m.Provider, TLSConfig: config, DialContext: m.Dial}
}

// OurIMAP is DialIMAP.
func OurIMAP(ctx context.Context, m *Mail, config *tls.Config) (io.Closer, error) {
	return DialIMAP(ctx, m, m.TokenSource(), m.Options(config))
}

// DialIMAP is OurIMAP with another source and options.
func DialIMAP(ctx context.Context, m *Mail, ts oauth2.TokenSource, o *xoauth2.DialOptions) (io.Closer, error) {
	return closer(xoauth2.DialIMAP(ctx, m.User, ts, o))
}

// OurPOP3 is DialPOP3.
func OurPOP3(ctx context.Context, m *Mail, config *tls.Config) (io.Closer, error) {
	return closer(xoauth2.DialPOP3(ctx, m.User, m.TokenSource(), m.Options(config)))
}

// OurSMTP is DialSMTP with STARTTLS.
func OurSMTP(ctx context.Context, m *Mail, config *tls.Config) (io.Closer, error) {
	return DialSMTP(ctx, m, m.TokenSource(), m.Options(config))
}

// OurSMTPTwoStep is DialSMTP where the server is not known to take long lines.
func OurSMTPTwoStep(ctx context.Context, m *Mail, config *tls.Config) (io.Closer, error) {
	o := m.Options(config)
	o.Provider.LongAuthLine = false
	return DialSMTP(ctx, m, m.TokenSource(), o)
}

// OurSMTPTLS is DialSMTP with TLS from the first byte.
func OurSMTPTLS(ctx context.Context, m *Mail, config *tls.Config) (io.Closer, error) {
	return DialSMTP(ctx, m, m.TokenSource(), m.TLSOptions(config))
}

// DialSMTP is OurSMTP with another source and options.
func DialSMTP(ctx context.Context, m *Mail, ts oauth2.TokenSource, o *xoauth2.DialOptions) (io.Closer, error) {
	return closer(xoauth2.DialSMTP(ctx, m.User, ts, o))
}

// TLSOptions is Options with TLS from the first byte for SMTP.
func (m *Mail) TLSOptions(config *tls.Config) *xoauth2.DialOptions {
	o := m.Options(config)
	o.Provider.SMTP.Addr, o.Provider.SMTP.StartTLS = m.SMTPTLS, false
	return o
}

// closer makes an interface of a client, and nil of a nil one.
func closer[C io.Closer](c C, err error) (io.Closer, error) {
	if err != nil {
		return nil, err
	}
	return c, nil
}

// connect returns a TCP connection.
func (m *Mail) connect(ctx context.Context, addr string) (net.Conn, error) {
	dial := m.Dial
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	return dial(ctx, "tcp", addr)
}

// secure returns a connection with TLS from the first byte.
func (m *Mail) secure(ctx context.Context, addr string, config *tls.Config) (*tls.Conn, error) {
	conn, err := m.connect(ctx, addr)
	if err != nil {
		return nil, err
	}
	secure := tls.Client(conn, named(config, addr))
	return secure, secure.HandshakeContext(ctx)
}

// named returns a copy of config for the host of addr, as tls.Dialer makes one.
func named(config *tls.Config, addr string) *tls.Config {
	config = config.Clone()
	config.ServerName, _, _ = net.SplitHostPort(addr) // without a name, every server is refused
	return config
}

// GoIMAP uses go-imap by hand.
func GoIMAP(ctx context.Context, m *Mail, config *tls.Config) (io.Closer, error) {
	conn, err := m.secure(ctx, m.Provider.IMAP.Addr, config)
	if err != nil {
		return nil, err
	}
	client := imapclient.New(conn, nil)
	if err := client.WaitGreeting(); err != nil {
		return nil, err
	}
	return client, client.Authenticate(xoauth2.NewSASLClient(m.User, m.Token))
}

// GoSMTP uses go-smtp by hand, with STARTTLS.
func GoSMTP(ctx context.Context, m *Mail, config *tls.Config) (io.Closer, error) {
	conn, err := m.connect(ctx, m.Provider.SMTP.Addr)
	if err != nil {
		return nil, err
	}
	client, err := smtp.NewClientStartTLS(conn, named(config, m.Provider.SMTP.Addr))
	if err != nil {
		return nil, err
	}
	return m.authenticateSMTP(client)
}

// GoSMTPTLS uses go-smtp by hand, with TLS from the first byte.
func GoSMTPTLS(ctx context.Context, m *Mail, config *tls.Config) (io.Closer, error) {
	conn, err := m.secure(ctx, m.SMTPTLS, config)
	if err != nil {
		return nil, err
	}
	return m.authenticateSMTP(smtp.NewClient(conn))
}

func (m *Mail) authenticateSMTP(client *smtp.Client) (io.Closer, error) {
	if err := client.Hello("localhost"); err != nil {
		return nil, err
	}
	return client, client.Auth(xoauth2.NewSASLClient(m.User, m.Token))
}

// GoMail uses go-mail, with STARTTLS.
func GoMail(ctx context.Context, m *Mail, config *tls.Config) (io.Closer, error) {
	return m.goMail(ctx, m.Provider.SMTP.Addr, m.connect, mail.WithTLSPolicy(mail.TLSMandatory), mail.WithTLSConfig(named(config, m.Provider.SMTP.Addr)))
}

// GoMailTLS uses go-mail, with TLS from the first byte.
func GoMailTLS(ctx context.Context, m *Mail, config *tls.Config) (io.Closer, error) {
	return m.goMail(ctx, m.SMTPTLS, func(ctx context.Context, addr string) (net.Conn, error) {
		return m.secure(ctx, addr, config)
	}, mail.WithSSL())
}

func (m *Mail) goMail(ctx context.Context, addr string, dial func(context.Context, string) (net.Conn, error), options ...mail.Option) (io.Closer, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return nil, err
	}
	options = append(options,
		mail.WithPort(number), mail.WithHELO("localhost"), mail.WithSMTPAuth(mail.SMTPAuthXOAUTH2),
		mail.WithUsername(m.User), mail.WithPassword(m.Token),
		mail.WithDialContextFunc(func(ctx context.Context, _, addr string) (net.Conn, error) { return dial(ctx, addr) }))
	client, err := mail.NewClient(host, options...)
	if err != nil {
		return nil, err
	}
	session, err := client.DialToSMTPClientWithContext(ctx)
	return mailSession{session}, err
}

// mailSession is a session of go-mail.
type mailSession struct{ *mailsmtp.Client }

// Close implements io.Closer.
func (s mailSession) Close() error { return s.Client.Close() }
