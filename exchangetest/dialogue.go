package exchangetest

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"net"
	"slices"
	"strings"

	"github.com/xoauth2/go-xoauth2"
)

// maxLine is the longest line that a client may send before it is logged in.
const maxLine = 1 << 20

// dialogue is one connection until its login.
type dialogue struct {
	*Server
	*manners

	protocol xoauth2.Protocol
	socket   net.Conn // below TLS
	conn     net.Conn
	r        *bufio.Reader
	secure   bool
	tag      string // IMAP: of the command that is answered
}

// serve talks to one client until it leaves.
func (s *Server) serve(conn net.Conn, port service) {
	defer s.release(conn)
	d := &dialogue{Server: s, manners: s.manners(), protocol: port.protocol, socket: conn}
	d.use(conn)
	if d.scripted(AtAccept) || !port.startTLS && d.startTLS() != nil {
		return
	}
	switch port.protocol {
	case xoauth2.IMAP:
		d.imapLogin()
	case xoauth2.POP3:
		d.pop3Login()
	case xoauth2.SMTP:
		d.smtpLogin()
	}
	_ = d.conn.Close() // with TLS's goodbye, which the client may not wait for
}

func (d *dialogue) use(conn net.Conn) {
	d.conn, d.r = conn, bufio.NewReader(conn)
}

// startTLS goes on over TLS. What the client sent ahead is lost with the old
// reader, as it has to be (RFC 3207, section 4.2).
func (d *dialogue) startTLS() error {
	conn := tls.Server(d.conn, d.tls.config())
	if err := conn.Handshake(); err != nil {
		return err
	}
	d.use(conn)
	d.secure = true
	return nil
}

// line reads one line of the client.
func (d *dialogue) line() (string, error) {
	var line []byte
	for {
		part, err := d.r.ReadSlice('\n')
		line = append(line, part...)
		if err == nil {
			return strings.TrimRight(string(line), "\r\n"), nil
		}
		if !errors.Is(err, bufio.ErrBufferFull) || len(line) > maxLine {
			return "", err
		}
	}
}

// say sends lines, at once.
func (d *dialogue) say(lines ...string) error {
	_, err := d.conn.Write([]byte(strings.Join(lines, "\r\n") + "\r\n"))
	return err
}

// reply sends the final reply to a command: in IMAP with the tag, in SMTP with
// what stands for {stamp}.
func (d *dialogue) reply(lines ...string) error {
	text := strings.Join(lines, "\r\n")
	switch d.protocol {
	case xoauth2.IMAP:
		text = d.tag + " " + text
	case xoauth2.SMTP:
		text = strings.ReplaceAll(text, "{stamp}", d.stamp())
	}
	return d.say(text)
}

// stamp is what Exchange's SMTP servers end their refusals with.
func (d *dialogue) stamp() string {
	return "[" + mailHost + " " + d.now().UTC().Format("2006-01-02T15:04:05.000Z") + " " + stampID + "]"
}

// challenge sends a SASL challenge.
func (d *dialogue) challenge(text string) error {
	prefix := "+ "
	if d.protocol == xoauth2.SMTP {
		prefix = "334 "
	}
	return d.say(prefix + base64.StdEncoding.EncodeToString([]byte(text)))
}

// Ways in which a SASL exchange ends without a decision.
var (
	errAborted   = errors.New("aborted")
	errMalformed = errors.New("malformed")
	errTooLong   = errors.New("too long")
)

// words is how a protocol ends a login.
type words struct {
	accepted  string
	refused   func(reason) []string
	aborted   string // the client gave up
	malformed string // no SASL message
	limit     int    // how long a response may be, in base64; 0: as long as it likes
	tooLong   string // before the server hangs up

	admit func(*login) // called before the client knows that it is let in; may be nil
}

// logIn runs a login, of which argument is what the client sent behind AUTH. It
// returns who is let in, or nobody and whether the dialogue goes on.
func (d *dialogue) logIn(argument string, say words) (who *login, goOn bool) {
	if d.scripted(AtLogin) {
		return nil, false
	}
	who, why, err := d.authenticate(argument, say.limit)
	if d.scripted(DuringLogin) {
		return nil, false
	}
	switch {
	case errors.Is(err, errAborted):
		return nil, d.reply(say.aborted) == nil
	case errors.Is(err, errMalformed):
		return nil, d.reply(say.malformed) == nil
	case errors.Is(err, errTooLong):
		_ = d.reply(say.tooLong) // the end in any case
		return nil, false
	case err != nil:
		return nil, false
	}
	var refusal []string
	if why != fine {
		refusal = say.refused(why)
	}
	if decree, ok := d.faults.decree[d.protocol].Next(); ok {
		refusal = []string{decree}
	}
	d.accounting.decided(d.protocol, len(refusal) == 0)
	if len(refusal) > 0 {
		return nil, d.reply(refusal...) == nil
	}
	if say.admit != nil {
		say.admit(who)
	}
	if d.reply(say.accepted) != nil || d.scripted(AfterLogin) {
		return nil, false
	}
	return who, true
}

// authenticate runs a SASL exchange. The error is one of those above, or that
// the client is gone.
func (d *dialogue) authenticate(argument string, limit int) (*login, reason, error) {
	mechanism, response, hasResponse := strings.Cut(argument, " ")
	payload, err := d.payload(response, hasResponse, limit)
	if err != nil {
		return nil, fine, err
	}
	read := readXOAUTH2
	if strings.EqualFold(mechanism, "OAUTHBEARER") {
		read = readBearer
	}
	user, token, err := read(payload)
	if err != nil {
		return nil, fine, err
	}
	who, why := d.check(d.protocol, user, token)
	if who == nil && d.document != "" {
		return nil, why, d.explain(mechanism)
	}
	return who, why, nil
}

// payload returns the client's SASL response: the initial one, if it has sent
// one, or that to an empty challenge.
func (d *dialogue) payload(encoded string, sent bool, limit int) (string, error) {
	if !sent {
		if err := d.challenge(""); err != nil {
			return "", err
		}
		line, err := d.line()
		if err != nil {
			return "", err
		}
		encoded = line
	}
	switch {
	case encoded == "*":
		return "", errAborted
	case encoded == "=":
		return "", errMalformed // an empty response (RFC 4422, section 4.3.1)
	case limit > 0 && len(encoded) > limit:
		return "", errTooLong
	}
	decoded, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return "", errMalformed
	}
	return string(decoded), nil
}

// explain sends the error document, and wants it dismissed in the way of the
// mechanism: by an empty line, or by 0x01 (RFC 7628, section 3.2.3).
func (d *dialogue) explain(mechanism string) error {
	if err := d.challenge(d.document); err != nil {
		return err
	}
	answer, err := d.line()
	if err != nil {
		return err
	}
	dismissal := ""
	if strings.EqualFold(mechanism, "OAUTHBEARER") {
		dismissal = "AQ=="
	}
	switch answer {
	case dismissal:
		return nil
	case "*":
		return errAborted
	}
	return errMalformed
}

// readXOAUTH2 takes XOAUTH2's message apart (Google's "OAuth 2.0 Mechanism").
func readXOAUTH2(payload string) (user, token string, err error) {
	rest, ok := strings.CutPrefix(payload, "user=")
	user, rest, found := strings.Cut(rest, "\x01")
	rest, bearer := strings.CutPrefix(rest, "auth=Bearer ")
	token, closed := strings.CutSuffix(rest, "\x01\x01")
	if !ok || !found || !bearer || !closed || strings.ContainsRune(token, '\x01') {
		return "", "", errMalformed
	}
	return user, token, nil
}

// readBearer takes OAUTHBEARER's message apart (RFC 7628, section 3.1).
func readBearer(payload string) (user, token string, err error) {
	header, rest, _ := strings.Cut(payload, "\x01")
	user, ok := strings.CutPrefix(header, "n,a=")
	user, ended := strings.CutSuffix(user, ",")
	fields, closed := strings.CutSuffix(rest, "\x01\x01")
	if !ok || !ended || !closed {
		return "", "", errMalformed
	}
	for field := range strings.SplitSeq(fields, "\x01") {
		if value, found := strings.CutPrefix(field, "auth=Bearer "); found {
			user = strings.NewReplacer("=2C", ",", "=3D", "=").Replace(user)
			return user, value, nil
		}
	}
	return "", "", errMalformed
}

// greet sends the greeting, and reports whether the dialogue goes on.
func (d *dialogue) greet(text string) bool {
	if d.scripted(InGreeting) {
		return false
	}
	if other, ok := d.faults.greeting[d.protocol].Next(); ok {
		text = other
	}
	return d.say(text) == nil && !d.scripted(AfterGreeting)
}

// upgrade permits TLS and starts it.
func (d *dialogue) upgrade(permission string) bool {
	if d.scripted(AtStartTLS) {
		return false
	}
	lines := []string{permission}
	if smuggled, ok := d.faults.smuggled[d.protocol].Next(); ok {
		lines = append(lines, smuggled)
	}
	return d.say(lines...) == nil && d.startTLS() == nil
}

// offers reports whether a SASL mechanism is offered.
func (d *dialogue) offers(mechanism string) bool {
	return slices.ContainsFunc(d.mechanisms, func(offered string) bool { return strings.EqualFold(offered, mechanism) })
}
