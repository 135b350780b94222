package exchangetest

import (
	"fmt"
	"io"
	"sync"

	"github.com/emersion/go-smtp"

	"github.com/xoauth2/go-xoauth2"
	"github.com/xoauth2/go-xoauth2/exchangetest/internal/script"
)

// Fault is something that goes wrong, from the call of the method that returns
// it on, every time, until it is cleared. It is safe for concurrent use.
type Fault struct {
	turn *script.Turn
	undo func() // nil: there is nothing to undo
	once sync.Once
}

// Times makes the fault happen n times and no more, and returns it.
func (f *Fault) Times(n int) *Fault {
	f.turn.Limit(n)
	return f
}

// Count returns how often the fault has happened, for tests to make sure that
// it did. Faults that are a state rather than an event, [Server.SkewClock] and
// the certificates, are neither counted nor limited.
func (f *Fault) Count() int { return f.turn.Taken() }

// Clear ends the fault.
func (f *Fault) Clear() {
	f.turn.Limit(0)
	if f.undo != nil {
		f.once.Do(f.undo)
	}
}

// Heal clears all faults.
func (s *Server) Heal() {
	s.mu.Lock()
	active := s.faults.active
	s.faults.active = nil
	s.mu.Unlock()
	for _, f := range active {
		f.Clear()
	}
}

// fault starts a fault. The turn that begin gets limits how often it happens.
func (s *Server) fault(begin func(*script.Turn)) *Fault {
	f := &Fault{turn: script.NewTurn()}
	begin(f.turn)
	s.remember(f)
	return f
}

// state starts a fault that is undone when it is cleared.
func (s *Server) state(undo func()) *Fault {
	f := &Fault{turn: script.NewTurn(), undo: undo}
	s.remember(f)
	return f
}

func (s *Server) remember(f *Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults.active = append(s.faults.active, f)
}

// Moment is a point of a mail session.
type Moment uint8

// The moments, in their order.
const (
	AtAccept      Moment = iota // before anything is said
	InGreeting                  // in the middle of the greeting's line
	AfterGreeting               // before any command is answered
	AtStartTLS                  // instead of the permission to start TLS
	AtLogin                     // instead of asking for, or looking at, the credential
	DuringLogin                 // instead of the reply to the credential
	AfterLogin                  // after the reply that lets the client in
)

const moments = AfterLogin + 1

// String returns the moment's name.
func (m Moment) String() string {
	names := [moments]string{"AtAccept", "InGreeting", "AfterGreeting", "AtStartTLS", "AtLogin", "DuringLogin", "AfterLogin"}
	if m < moments {
		return names[m]
	}
	return fmt.Sprintf("Moment(%d)", uint8(m))
}

// act does something in a dialogue, and reports whether the dialogue is over.
type act func(*dialogue) (over bool)

// faults is what is to go wrong with the mail servers. The arrays are indexed
// by protocol.
type faults struct {
	active []*Fault // guarded by Server.mu

	at       [4][moments]script.Script[act]
	greeting [4]script.Script[string] // another one
	decree   [4]script.Script[string] // the reply to a credential, whatever it is
	smuggled [4]script.Script[string] // behind the permission to start TLS

	refused     [4]script.Script[bool]
	protocolOff [4]script.Script[bool]
	noStartTLS  [4]script.Script[bool]

	noServicePrincipal, noFullAccess         script.Script[bool]
	smtpOffTenant, smtpOffMailbox            script.Script[bool]
	badHello, badMechanism, forgotten, ended script.Script[bool]

	imapCommand        script.Script[error]
	pop3Command        script.Script[string]
	smtpMail, smtpData script.Script[*smtp.SMTPError]
}

// scripted does what is due at a moment, and reports whether the dialogue is
// over.
func (d *dialogue) scripted(m Moment) bool {
	for do := range d.faults.at[d.protocol][m].Due() {
		if do(d) {
			return true
		}
	}
	return false
}

// orAll returns protocols, or all if none is named.
func orAll(protocols []xoauth2.Protocol) []xoauth2.Protocol {
	if len(protocols) == 0 {
		return allProtocols()
	}
	return protocols
}

// hangUp drops the connection, without TLS's goodbye.
func hangUp(d *dialogue) bool {
	_ = d.socket.Close() // the end in any case
	return true
}

// stall says nothing until the client leaves.
func stall(d *dialogue) bool {
	_, _ = io.Copy(io.Discard, d.conn) // it ends with the connection
	return true
}

// halfGreeting sends the beginning of a greeting.
func halfGreeting(d *dialogue) {
	beginnings := map[xoauth2.Protocol]string{xoauth2.IMAP: "* OK The Micro", xoauth2.POP3: "+OK The Micro", xoauth2.SMTP: "220 AM0PR06"}
	_, _ = io.WriteString(d.conn, beginnings[d.protocol]) // the end in any case
}
