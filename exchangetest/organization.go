package exchangetest

import (
	"slices"
	"strings"
	"time"

	"github.com/xoauth2/go-xoauth2"
	"github.com/xoauth2/go-xoauth2/exchangetest/internal/authority"
	"github.com/xoauth2/go-xoauth2/exchangetest/internal/mailstore"
)

// organization is what Exchange's administrators have set. It is guarded by
// Server.mu.
type organization struct {
	mailboxes  map[string]bool // by address in lower case, as all below
	fullAccess map[pair]bool
	sendAs     map[pair]bool

	roleless bool // applications may send whose tokens show no role

	smtpConnections map[string]int
	smtpSent        map[string][]time.Time
}

// pair is a mailbox and who may use it.
type pair struct{ mailbox, trustee string }

func newOrganization() organization {
	return organization{
		mailboxes:       make(map[string]bool),
		fullAccess:      make(map[pair]bool),
		sendAs:          make(map[pair]bool),
		smtpConnections: make(map[string]int),
		smtpSent:        make(map[string][]time.Time),
	}
}

// AddMailbox makes a mailbox, its user in the directory, and puts messages into
// its INBOX, oldest first. A mailbox that exists gets the messages and stays
// as it is otherwise. Messages are kept as they are; their lines should end in
// CRLF, as those do that come in by SMTP. The user can sign in; addresses of
// outlook.com, hotmail.com, live.com and msn.com are personal accounts.
func (s *Server) AddMailbox(address string, messages ...[]byte) {
	s.identity.AddUser(address)
	s.mu.Lock()
	s.org.mailboxes[strings.ToLower(address)] = true
	s.mu.Unlock()
	for _, octets := range messages {
		s.deliver(address, octets)
	}
}

func (s *Server) deliver(address string, octets []byte) {
	if err := s.mail.Open(address).Deliver(octets, s.now()); err != nil {
		// There is always an INBOX, since no session can delete or rename it.
		panic("exchangetest: deliver: " + err.Error())
	}
}

// Messages returns the messages in the INBOX of an address, oldest first. That
// includes what was sent to addresses without a mailbox.
func (s *Server) Messages(address string) [][]byte {
	inbox := s.inbox(s.mail.Open(address))
	octets := make([][]byte, len(inbox))
	for i, m := range inbox {
		octets[i] = slices.Clone(m.Octets)
	}
	return octets
}

func (s *Server) inbox(m *mailstore.Mailbox) []mailstore.Message {
	inbox, err := m.Inbox()
	if err != nil {
		panic("exchangetest: inbox: " + err.Error()) // as in deliver
	}
	return inbox
}

// GrantFullAccess lets trustee open another mailbox by IMAP and POP3, as
// Add-MailboxPermission does.
func (s *Server) GrantFullAccess(mailbox, trustee string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.org.fullAccess[pair{strings.ToLower(mailbox), strings.ToLower(trustee)}] = true
}

// GrantSendAs lets trustee send mail from another address, as
// Add-RecipientPermission does.
func (s *Server) GrantSendAs(address, trustee string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.org.sendAs[pair{strings.ToLower(address), strings.ToLower(trustee)}] = true
}

// GrantByRBAC lets applications send by SMTP whose tokens hold no role, as
// "Role Based Access Control for Applications in Exchange Online" does.
func (s *Server) GrantByRBAC() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.org.roleless = true
}

func (s *Server) hasMailbox(address string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.org.mailboxes[strings.ToLower(address)]
}

func (s *Server) mayOpen(mailbox, trustee string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.org.fullAccess[pair{strings.ToLower(mailbox), strings.ToLower(trustee)}]
}

func (s *Server) maySendAs(address, trustee string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.EqualFold(address, trustee) || s.org.sendAs[pair{strings.ToLower(address), strings.ToLower(trustee)}]
}

// login is a client who is let in.
type login struct {
	address string // of the mailbox
	claims  authority.Claims
	mailbox *mailstore.Mailbox
}

// reason is why a login is refused.
type reason uint8

const (
	fine reason = iota
	badToken
	badAudience
	noPermission
	noAccess
	smtpOffTenant
	smtpOffMailbox
)

// check decides about a login, as Exchange does.
func (s *Server) check(protocol xoauth2.Protocol, address, token string) (*login, reason) {
	claims, err := s.identity.Verify(token)
	if err != nil {
		return nil, badToken
	}
	shape := s.manners().shape
	switch {
	case !forMail(shape, claims):
		return nil, badAudience
	case shape == authority.Entra && !permits(claims, protocol) && !s.permitsByRBAC(claims, protocol):
		return nil, noPermission
	case !s.hasMailbox(address) || !s.owns(protocol, address, claims):
		return nil, noAccess
	case s.faults.refused[protocol].Happens():
		return nil, noAccess
	case s.faults.protocolOff[protocol].Happens():
		return nil, smtpOffMailbox // which IMAP and POP3 do not tell
	case protocol == xoauth2.SMTP && s.faults.smtpOffTenant.Happens():
		return nil, smtpOffTenant
	case protocol == xoauth2.SMTP && s.faults.smtpOffMailbox.Happens():
		return nil, smtpOffMailbox
	}
	return &login{address: address, claims: claims, mailbox: s.mail.Open(address)}, fine
}

// forMail reports whether a token is meant for the mail servers.
func forMail(shape authority.Shape, claims authority.Claims) bool {
	switch shape {
	case authority.Google:
		return slices.Contains(strings.Fields(claims.Scopes), authority.GoogleScope)
	case authority.Yahoo:
		return slices.Contains(strings.Fields(claims.Scopes), authority.YahooScope)
	}
	switch strings.TrimSuffix(claims.Audience, "/") {
	case "https://outlook.office.com", "https://outlook.office365.com", "00000002-0000-0ff1-ce00-000000000000":
		return true
	}
	return false
}

// Permissions of Exchange, by protocol.
func delegatedPermission(p xoauth2.Protocol) string {
	return map[xoauth2.Protocol]string{xoauth2.IMAP: "IMAP.AccessAsUser.All", xoauth2.POP3: "POP.AccessAsUser.All", xoauth2.SMTP: "SMTP.Send"}[p]
}

func appPermission(p xoauth2.Protocol) string {
	return map[xoauth2.Protocol]string{xoauth2.IMAP: "IMAP.AccessAsApp", xoauth2.POP3: "POP.AccessAsApp", xoauth2.SMTP: "SMTP.SendAsApp"}[p]
}

// permits reports whether a token allows a protocol.
func permits(claims authority.Claims, protocol xoauth2.Protocol) bool {
	if claims.AppOnly() {
		return slices.Contains(claims.Roles, appPermission(protocol))
	}
	return slices.Contains(strings.Fields(claims.Scopes), delegatedPermission(protocol))
}

// permitsByRBAC is permits for applications without roles.
func (s *Server) permitsByRBAC(claims authority.Claims, protocol xoauth2.Protocol) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.org.roleless && protocol == xoauth2.SMTP && claims.AppOnly()
}

// owns reports whether the token's owner may use the mailbox: an application
// whose service principal is registered and has access; the mailbox's user;
// and for IMAP and POP3 whoever has full access to it.
func (s *Server) owns(protocol xoauth2.Protocol, address string, claims authority.Claims) bool {
	if claims.AppOnly() {
		return !s.faults.noServicePrincipal.Happens() && !s.faults.noFullAccess.Happens()
	}
	if strings.EqualFold(claims.UPN, address) {
		return true
	}
	return protocol != xoauth2.SMTP && s.mayOpen(address, claims.UPN) && !s.faults.noFullAccess.Happens()
}
