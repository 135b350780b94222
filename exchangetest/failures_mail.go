package exchangetest

import (
	"fmt"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-smtp"

	"github.com/xoauth2/go-xoauth2"
	"github.com/xoauth2/go-xoauth2/exchangetest/internal/script"
)

// The texts are those that Exchange's servers send, as users have reported
// them; the comments name what is behind them.

// RefuseLogins refuses good tokens in the words for bad ones, as Exchange does
// until a permission has spread through it.
func (s *Server) RefuseLogins(protocols ...xoauth2.Protocol) *Fault {
	return s.fault(func(turn *script.Turn) {
		for _, p := range orAll(protocols) {
			s.faults.refused[p].Add(turn, true)
		}
	})
}

// AnswerLogins gives a reply of the test's own to every credential: for IMAP
// without the tag, as in "NO AUTHENTICATE failed.". {stamp} in it becomes
// what Exchange's SMTP servers end their refusals with.
func (s *Server) AnswerLogins(protocol xoauth2.Protocol, reply string) *Fault {
	return s.fault(func(turn *script.Turn) { s.faults.decree[protocol].Add(turn, reply) })
}

// RemoveServicePrincipal makes Exchange not know the service principals of
// applications: nobody ran New-ServicePrincipal, or did so with the object id
// of the App registration instead of that of the Enterprise application.
func (s *Server) RemoveServicePrincipal() *Fault { return s.condition(&s.faults.noServicePrincipal) }

// DenyMailboxAccess takes FullAccess from applications and delegates.
func (s *Server) DenyMailboxAccess() *Fault { return s.condition(&s.faults.noFullAccess) }

// DisableProtocol switches protocols off for every mailbox, all if none is
// named, as Set-CASMailbox does: IMAP and POP3 refuse the login, SMTP says that
// it is off for the mailbox.
func (s *Server) DisableProtocol(protocols ...xoauth2.Protocol) *Fault {
	return s.fault(func(turn *script.Turn) {
		for _, p := range orAll(protocols) {
			s.faults.protocolOff[p].Add(turn, true)
		}
	})
}

// DisableSMTPForTenant switches SMTP AUTH off for the organization, as
// Set-TransportConfig does.
func (s *Server) DisableSMTPForTenant() *Fault { return s.condition(&s.faults.smtpOffTenant) }

// DisableSMTPForMailbox switches SMTP AUTH off for every mailbox, as
// Set-CASMailbox does.
func (s *Server) DisableSMTPForMailbox() *Fault { return s.condition(&s.faults.smtpOffMailbox) }

func (s *Server) condition(c *script.Script[bool]) *Fault {
	return s.fault(func(turn *script.Turn) { c.Add(turn, true) })
}

// DisconnectMailboxes lets IMAP and POP3 clients log in and then has no
// mailbox for them.
func (s *Server) DisconnectMailboxes() *Fault {
	const text = "User is authenticated but not connected."
	return s.fault(func(turn *script.Turn) {
		s.faults.imapCommand.Add(turn, &imap.Error{Type: imap.StatusResponseTypeBad, Text: text})
		s.faults.pop3Command.Add(turn, "-ERR "+text)
	})
}

// BlockSMTPBySecurityDefaults refuses SMTP logins for the sake of security
// defaults.
func (s *Server) BlockSMTPBySecurityDefaults() *Fault {
	return s.AnswerLogins(xoauth2.SMTP, "535 5.7.139 Authentication unsuccessful, user is locked by your organization's security defaults policy. Contact your administrator. {stamp}")
}

// BlockSMTPByConditionalAccess refuses SMTP logins for the sake of a
// Conditional Access policy.
func (s *Server) BlockSMTPByConditionalAccess() *Fault {
	return s.AnswerLogins(xoauth2.SMTP, "535 5.7.139 Authentication unsuccessful, the request did not meet the criteria to be authenticated successfully. Contact your administrator. {stamp}")
}

// RefuseSMTPAsBasic takes SMTP tokens for passwords.
func (s *Server) RefuseSMTPAsBasic() *Fault {
	return s.AnswerLogins(xoauth2.SMTP, "550 5.7.30 Basic authentication is not supported for Client Submission. {stamp}")
}

// RefuseSMTPMechanism makes SMTP not know the mechanism that it offered.
func (s *Server) RefuseSMTPMechanism() *Fault { return s.condition(&s.faults.badMechanism) }

// RefuseSMTPHello makes SMTP refuse every client's name in EHLO.
func (s *Server) RefuseSMTPHello() *Fault { return s.condition(&s.faults.badHello) }

// ForgetSMTPLogin makes SMTP report success at AUTH and know nothing of it
// afterwards.
func (s *Server) ForgetSMTPLogin() *Fault { return s.condition(&s.faults.forgotten) }

// RefuseLongSMTPLine refuses SMTP credentials as too long a line.
func (s *Server) RefuseLongSMTPLine() *Fault {
	return s.AnswerLogins(xoauth2.SMTP, "500 5.5.2 Line too long")
}

// RequireSMTPTokenLife refuses SMTP tokens as too close to their end, as High
// Volume Email does under ten minutes.
func (s *Server) RequireSMTPTokenLife() *Fault {
	return s.AnswerLogins(xoauth2.SMTP, "501 5.5.127 Token will expire soon. {stamp}")
}

// DenySendAs refuses every message as one from a foreign address. Without it,
// that happens to those that are.
func (s *Server) DenySendAs() *Fault {
	return s.refuseMessages(sendAsDenied("user@contoso.com", "shared@contoso.com"))
}

func sendAsDenied(user, from string) *smtp.SMTPError {
	return &smtp.SMTPError{
		Code: 554, EnhancedCode: smtp.EnhancedCode{5, 2, 252},
		Message: fmt.Sprintf("SendAsDenied; %s not allowed to send as %s; STOREDRV.Submission.Exception:SendAsDeniedException.MapiExceptionSendAsDenied; Failed to process message due to a permanent exception with message Cannot submit message.", user, from),
	}
}

// RefuseSender refuses every message for its sender, in the words of Exchange
// Server.
func (s *Server) RefuseSender() *Fault {
	return s.refuseMessages(&smtp.SMTPError{
		Code: 550, EnhancedCode: smtp.EnhancedCode{5, 7, 60}, Message: "SMTP; Client does not have permissions to send as this sender",
	})
}

// FailMailboxLogon makes every message fail since the application cannot open
// the mailbox that it sends from: a lasting failure, for all its 430.
func (s *Server) FailMailboxLogon() *Fault {
	return s.refuseMessages(&smtp.SMTPError{
		Code: 430, EnhancedCode: smtp.EnhancedCode{4, 2, 0},
		Message: "STOREDRV; mailbox logon failure; failure cause: LogonFailed; Failed to process message due to a permanent exception with message Cannot open mailbox.",
	})
}

// LimitSMTPConnections refuses every message for too many connections.
func (s *Server) LimitSMTPConnections() *Fault { return s.refuseMessages(tooManyConnections()) }

// LimitSMTPThreads refuses every message for too many at once.
func (s *Server) LimitSMTPThreads() *Fault { return s.refuseMessages(tooManyThreads()) }

func tooManyConnections() *smtp.SMTPError {
	return &smtp.SMTPError{
		Code: 432, EnhancedCode: smtp.EnhancedCode{4, 3, 2},
		Message: "Concurrent connections limit exceeded. Visit https://aka.ms/concurrent_sending for more information.",
	}
}

func tooManyThreads() *smtp.SMTPError {
	return &smtp.SMTPError{
		Code: 432, EnhancedCode: smtp.EnhancedCode{4, 3, 2}, Message: "STOREDRV.ClientSubmit; sender thread limit exceeded",
	}
}

// ExceedSubmissionQuota refuses every message for the recipients of the day.
func (s *Server) ExceedSubmissionQuota() *Fault {
	return s.refuseMessages(&smtp.SMTPError{
		Code: 554, EnhancedCode: smtp.EnhancedCode{5, 2, 0},
		Message: "STOREDRV.Submission.Exception:SubmissionQuotaExceededException; Failed to process message due to a permanent exception with message The message can't be submitted because the sender's submission quota was exceeded.",
	})
}

func (s *Server) refuseMessages(reply *smtp.SMTPError) *Fault {
	return s.fault(func(turn *script.Turn) { s.faults.smtpData.Add(turn, reply) })
}

// RefuseMailFrom refuses SMTP's MAIL with a reply of the test's own.
func (s *Server) RefuseMailFrom(reply *smtp.SMTPError) *Fault {
	return s.fault(func(turn *script.Turn) { s.faults.smtpMail.Add(turn, reply) })
}

// ThrottleIMAP refuses IMAP logins for now, and says how long that will last.
func (s *Server) ThrottleIMAP(backoff time.Duration) *Fault {
	return s.AnswerLogins(xoauth2.IMAP, "BAD "+throttled(backoff))
}

// ThrottleIMAPCommands refuses IMAP commands that need the mailbox.
func (s *Server) ThrottleIMAPCommands(backoff time.Duration) *Fault {
	return s.fault(func(turn *script.Turn) {
		s.faults.imapCommand.Add(turn, &imap.Error{Type: imap.StatusResponseTypeBad, Text: throttled(backoff)})
	})
}

func throttled(backoff time.Duration) string {
	return fmt.Sprintf("Request is throttled. Suggested Backoff Time: %d milliseconds", backoff.Milliseconds())
}

// MakeIMAPUnavailable refuses IMAP logins for want of a server.
func (s *Server) MakeIMAPUnavailable() *Fault {
	return s.AnswerLogins(xoauth2.IMAP, "NO Server Unavailable. 15")
}

// InvalidateSessions ends all IMAP sessions as if their tokens had ended, and
// every new one at its first use of the mailbox.
func (s *Server) InvalidateSessions() *Fault {
	f := s.condition(&s.faults.ended)
	for _, session := range s.imapSessions() {
		session.invalidate()
	}
	return f
}

func (s *Server) imapSessions() []*imapSession {
	s.mu.Lock()
	defer s.mu.Unlock()
	sessions := make([]*imapSession, 0, len(s.sessions))
	for session := range s.sessions {
		sessions = append(sessions, session)
	}
	return sessions
}
