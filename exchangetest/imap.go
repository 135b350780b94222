package exchangetest

import (
	"io"
	"log"
	"slices"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"

	"github.com/xoauth2/go-xoauth2/exchangetest/internal/mailstore"
)

// imapLogin talks to an IMAP client until it has logged in, and lets go-imap's
// server go on. That server's own login greets with capabilities and takes no
// long responses.
func (d *dialogue) imapLogin() {
	if !d.greet("* " + d.withMechanisms(d.imap.greeting, "AUTH=")) {
		return
	}
	for {
		line, err := d.line()
		if err != nil {
			return
		}
		if !d.imapCommand(line) {
			return
		}
	}
}

// imapCommand answers one command, and reports whether there can be another.
func (d *dialogue) imapCommand(line string) bool {
	words := strings.SplitN(line, " ", 3)
	if len(words) < 2 || words[0] == "" {
		return d.say("* BAD Protocol Error.") == nil
	}
	d.tag = words[0]
	argument := strings.Join(words[2:], "")
	switch command := strings.ToUpper(words[1]); command {
	case "CAPABILITY":
		return d.say("* CAPABILITY "+d.imapCapabilities(), d.tag+" OK CAPABILITY completed.") == nil
	case "NOOP":
		return d.reply("OK NOOP completed.") == nil
	case "ID":
		return d.say(`* ID ("name" "exchangetest")`, d.tag+" OK ID completed.") == nil
	case "LOGOUT":
		_ = d.say("* "+d.imap.loggedOut, d.tag+" OK LOGOUT completed.") // the end in any case
		return false
	case "STARTTLS":
		return d.imapStartTLS()
	case "AUTHENTICATE":
		return d.imapAuthenticate(argument)
	case "LOGIN":
		return d.reply("NO LOGIN failed.") == nil
	}
	return d.reply("BAD Command received in Invalid state.") == nil
}

// imapCapabilities returns what is offered at this point.
func (d *dialogue) imapCapabilities() string {
	if d.secure {
		return d.withMechanisms(d.imap.capabilities, "AUTH=")
	}
	words := strings.Fields(strings.Replace(d.imap.capabilities, "{mechanisms}", "", 1))
	words = slices.DeleteFunc(words, func(word string) bool { return word == "AUTH=PLAIN" })
	words = append(words, "LOGINDISABLED")
	if !d.faults.noStartTLS[d.protocol].Happens() {
		words = append(words, "STARTTLS")
	}
	return strings.Join(words, " ")
}

func (d *dialogue) imapStartTLS() bool {
	if d.secure || d.faults.noStartTLS[d.protocol].Happens() {
		return d.reply("BAD Command received in Invalid state.") == nil
	}
	return d.upgrade(d.tag + " OK Begin TLS negotiation now.")
}

func (d *dialogue) imapAuthenticate(argument string) bool {
	mechanism, _, _ := strings.Cut(argument, " ")
	switch {
	case !d.secure:
		return d.reply(d.imap.unprotected) == nil
	case !d.offers(mechanism):
		return d.reply("BAD Command Argument Error. 12") == nil
	}
	who, goOn := d.logIn(argument, words{
		accepted:  d.imap.accepted,
		refused:   func(reason) []string { return []string{d.imap.refused} },
		aborted:   d.imap.aborted,
		malformed: d.imap.malformed,
	})
	if who == nil {
		return goOn
	}
	d.imapSession(who)
	return false
}

// sessionCapabilities is what go-imap v2.0.0-beta.8 offers with
// sessionExtensions.
const sessionCapabilities = "IMAP4rev1 SASL-IR LITERAL- UNSELECT ENABLE IDLE UTF8=ACCEPT NAMESPACE UIDPLUS MOVE LITERAL+"

func sessionExtensions() imap.CapSet {
	return imap.CapSet{
		imap.CapIMAP4rev1: {}, imap.CapNamespace: {}, imap.CapUIDPlus: {}, imap.CapMove: {}, imap.CapLiteralPlus: {},
	}
}

// imapSession serves a client who is logged in.
func (d *dialogue) imapSession(who *login) {
	conn := d.hand("", func(string) bool { return false }) // the greeting
	server := imapserver.New(&imapserver.Options{
		NewSession: func(c *imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
			return d.newIMAPSession(c, who), &imapserver.GreetingData{PreAuth: true}, nil
		},
		Caps:   sessionExtensions(),
		Logger: log.New(io.Discard, "", 0),
	})
	// It ends with the connection, whose end is the client's affair.
	_ = server.Serve(conn.listener())
}

// imapSession is the session of a mailbox that ends with its token.
type imapSession struct {
	*mailstore.Session

	server *Server
	conn   *imapserver.Conn
	stop   func() // the waiting for the token's end
}

func (s *Server) newIMAPSession(c *imapserver.Conn, who *login) *imapSession {
	session := &imapSession{Session: who.mailbox.Session(), server: s, conn: c}
	session.stop = s.onTime(time.Unix(who.claims.Expiry, 0), session.invalidate)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sessions[session] = struct{}{}
	return session
}

// invalidate ends the session as Exchange does when its token has ended.
func (s *imapSession) invalidate() {
	_ = s.conn.Bye("Session invalidated - AccessTokenExpired") // the client may be gone
}

// Close implements imapserver.Session.
func (s *imapSession) Close() error {
	s.stop()
	s.server.mu.Lock()
	delete(s.server.sessions, s)
	s.server.mu.Unlock()
	return s.Session.Close()
}

// trouble returns what goes wrong with the next command that needs the
// mailbox.
func (s *imapSession) trouble() error {
	if s.server.faults.ended.Happens() {
		s.invalidate()
	}
	if err, ok := s.server.faults.imapCommand.Next(); ok {
		return err
	}
	return nil
}

// Select implements imapserver.Session.
func (s *imapSession) Select(folder string, options *imap.SelectOptions) (*imap.SelectData, error) {
	if err := s.trouble(); err != nil {
		return nil, err
	}
	return s.Session.Select(folder, options)
}

// List implements imapserver.Session.
func (s *imapSession) List(w *imapserver.ListWriter, ref string, patterns []string, options *imap.ListOptions) error {
	if err := s.trouble(); err != nil {
		return err
	}
	return s.Session.List(w, ref, patterns, options)
}

// Status implements imapserver.Session.
func (s *imapSession) Status(folder string, options *imap.StatusOptions) (*imap.StatusData, error) {
	if err := s.trouble(); err != nil {
		return nil, err
	}
	return s.Session.Status(folder, options)
}

// Append implements imapserver.Session.
func (s *imapSession) Append(folder string, r imap.LiteralReader, options *imap.AppendOptions) (*imap.AppendData, error) {
	if err := s.trouble(); err != nil {
		return nil, err
	}
	return s.Session.Append(folder, r, options)
}
