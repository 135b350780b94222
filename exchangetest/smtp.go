package exchangetest

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"net/mail"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/emersion/go-smtp"
)

// smtpLogin talks to an SMTP client until it has logged in, and lets go-smtp's
// server go on. That server's texts are its own, and so is its limit of lines.
func (d *dialogue) smtpLogin() {
	if !d.greet(strings.Replace(d.smtp.greeting, "{date}", d.now().UTC().Format(time.RFC1123Z), 1)) {
		return
	}
	for {
		line, err := d.line()
		if err != nil {
			return
		}
		if !d.smtpCommand(line) {
			return
		}
	}
}

// smtpCommand answers one command before the login, and reports whether there
// can be another.
func (d *dialogue) smtpCommand(line string) bool {
	command, argument, _ := strings.Cut(line, " ")
	switch strings.ToUpper(command) {
	case "EHLO":
		return d.smtpHello(argument)
	case "HELO":
		return d.say("250 "+d.smtp.hello) == nil
	case "STARTTLS":
		if d.secure || d.faults.noStartTLS[d.protocol].Happens() {
			return d.say("503 5.5.2 Command not expected") == nil
		}
		return d.upgrade("220 2.0.0 SMTP server ready")
	case "AUTH":
		return d.smtpAuth(line, argument)
	case "NOOP", "RSET":
		return d.say("250 2.0.0 OK") == nil
	case "QUIT":
		_ = d.say("221 2.0.0 Service closing transmission channel") // the end in any case
		return false
	case "MAIL", "RCPT", "DATA", "BDAT":
		return d.smtpStranger() == nil
	}
	return d.reply("500 5.3.3 Unrecognized command '"+command+"' {stamp}") == nil
}

// properName is what Exchange takes for the name of a client.
var properName = regexp.MustCompile(`^[A-Za-z0-9.:\[\]-]+$`)

func (d *dialogue) smtpHello(name string) bool {
	if !properName.MatchString(name) || d.faults.badHello.Happens() {
		return d.reply("501 5.5.4 Invalid domain name {stamp}") == nil
	}
	lines := []string{d.smtp.hello}
	for _, capability := range d.smtp.capabilities {
		switch {
		case capability == "STARTTLS" && (d.secure || d.faults.noStartTLS[d.protocol].Happens()),
			strings.HasPrefix(capability, "AUTH") && !d.secure:
		default:
			lines = append(lines, d.withMechanisms(capability, ""))
		}
	}
	if i := slices.Index(lines, "AUTH"); i > 0 {
		lines = slices.Delete(lines, i, i+1)
	}
	for i := range lines {
		separator := "-"
		if i == len(lines)-1 {
			separator = " "
		}
		lines[i] = "250" + separator + lines[i]
	}
	return d.say(lines...) == nil
}

func (d *dialogue) smtpStranger() error {
	if !d.secure {
		return d.reply("451 5.7.3 STARTTLS is required to send mail {stamp}")
	}
	return d.reply(d.smtp.stranger)
}

func (d *dialogue) smtpAuth(line, argument string) bool {
	mechanism, _, hasResponse := strings.Cut(argument, " ")
	switch {
	case !d.secure:
		return d.reply(d.smtp.unprotected) == nil
	case hasResponse && d.smtp.maxLine > 0 && len(line)+len("\r\n") > d.smtp.maxLine:
		return d.say(d.smtp.tooLong) == nil
	case strings.EqualFold(mechanism, "LOGIN") && d.takesPasswords():
		return d.smtpAuthLogin()
	case !d.offers(mechanism) || d.faults.badMechanism.Happens():
		return d.reply("504 5.7.4 Unrecognized authentication type {stamp}") == nil
	}
	var admitted *login
	who, goOn := d.logIn(argument, words{
		accepted:  d.smtp.accepted,
		refused:   d.smtpRefusal,
		aborted:   d.smtp.aborted,
		malformed: d.smtp.malformed,
		admit: func(who *login) {
			admitted = who
			d.smtpConnected(who.address, 1)
		},
	})
	if admitted != nil {
		defer d.smtpConnected(admitted.address, -1)
	}
	if who == nil || d.faults.forgotten.Happens() {
		return goOn
	}
	d.smtpSession(who)
	return false
}

func (d *dialogue) takesPasswords() bool {
	return slices.ContainsFunc(d.smtp.capabilities, func(c string) bool { return strings.HasPrefix(c, "AUTH LOGIN") })
}

// smtpAuthLogin lets a client try a password, in vain.
func (d *dialogue) smtpAuthLogin() bool {
	for _, prompt := range []string{"Username:", "Password:"} {
		if d.challenge(prompt) != nil {
			return false
		}
		if _, err := d.line(); err != nil {
			return false
		}
	}
	return d.reply("550 5.7.30 Basic authentication is not supported for Client Submission. {stamp}") == nil
}

// smtpRefusal words a refusal.
func (d *dialogue) smtpRefusal(why reason) []string {
	const disabled = "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the %s. Visit https://aka.ms/smtp_auth_disabled for more information. {stamp}"
	switch why {
	case smtpOffTenant:
		return []string{fmt.Sprintf(disabled, "Tenant")}
	case smtpOffMailbox:
		return []string{fmt.Sprintf(disabled, "Mailbox")}
	}
	return d.smtp.refused
}

// maxMessage is the SIZE that is offered.
const maxMessage = 157286400

// smtpSession serves a client who is logged in.
func (d *dialogue) smtpSession(who *login) {
	session := &smtpSession{dialogue: d, login: who}
	server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return session, nil }))
	server.ErrorLog = log.New(io.Discard, "", 0)
	server.MaxLineLength = 0
	server.MaxMessageBytes = maxMessage
	server.EnableSMTPUTF8, server.EnableDSN, server.EnableBINARYMIME = true, true, true
	conn := d.hand("EHLO client\r\n", func(line string) bool { return !strings.HasPrefix(line, "250 ") })
	// It ends with the connection, whose end is the client's affair.
	_ = server.Serve(conn.listener())
}

// smtpSession is one SMTP client who is logged in.
type smtpSession struct {
	*dialogue
	*login

	from string
	to   []string
}

// Mail implements smtp.Session.
func (s *smtpSession) Mail(from string, _ *smtp.MailOptions) error {
	if err, ok := s.faults.smtpMail.Next(); ok {
		return s.sign(err)
	}
	s.from = from
	return nil
}

// Rcpt implements smtp.Session.
func (s *smtpSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = append(s.to, to)
	return nil
}

// Data implements smtp.Session.
func (s *smtpSession) Data(r io.Reader) error {
	octets, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if err, ok := s.faults.smtpData.Next(); ok {
		return s.sign(err)
	}
	if err := s.withinLimits(s.address); err != nil {
		return s.sign(err)
	}
	for _, sender := range s.senders(octets) {
		if err := s.maySend(sender); err != nil {
			return s.sign(err)
		}
	}
	for _, to := range s.to {
		s.deliver(to, octets)
	}
	s.accounting.sent()
	return nil
}

// senders returns the addresses that a message comes from: its envelope's and
// its header's.
func (s *smtpSession) senders(octets []byte) []string {
	senders := []string{s.from}
	message, err := mail.ReadMessage(bytes.NewReader(octets))
	if err != nil {
		return senders
	}
	addresses, err := message.Header.AddressList("From")
	if err != nil {
		return senders
	}
	for _, a := range addresses {
		senders = append(senders, a.Address)
	}
	return senders
}

func (s *smtpSession) maySend(from string) *smtp.SMTPError {
	if from == "" || s.maySendAs(from, s.address) {
		return nil
	}
	return sendAsDenied(s.address, from)
}

// sign ends a refusal as Exchange does.
func (s *smtpSession) sign(err *smtp.SMTPError) error {
	signed := *err
	signed.Message += " [Hostname=" + mailHost + "]"
	return &signed
}

// Reset implements smtp.Session.
func (s *smtpSession) Reset() { s.from, s.to = "", nil }

// Logout implements smtp.Session.
func (s *smtpSession) Logout() error { return nil }

func (s *Server) smtpConnected(address string, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.org.smtpConnections[strings.ToLower(address)] += n
}

// withinLimits counts a message, and checks what its sender is allowed.
func (s *Server) withinLimits(address string) *smtp.SMTPError {
	address = strings.ToLower(address)
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if limit := s.settings.connectionLimit; limit > 0 && s.org.smtpConnections[address] > limit {
		return tooManyConnections()
	}
	recent := slices.DeleteFunc(s.org.smtpSent[address], func(at time.Time) bool { return now.Sub(at) >= time.Minute })
	if limit := s.settings.messageLimit; limit > 0 && len(recent) >= limit {
		return tooManyThreads()
	}
	s.org.smtpSent[address] = append(recent, now)
	return nil
}
