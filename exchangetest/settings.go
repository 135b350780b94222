package exchangetest

import (
	"time"

	"github.com/xoauth2/go-xoauth2/exchangetest/internal/authority"
)

// settings is what a test can set beyond the style. Nil: as the style has it.
type settings struct {
	mechanisms  []string
	pipelining  *bool
	maxAuthLine *int

	connectionLimit int // of SMTP, to a mailbox
	messageLimit    int // of SMTP, from a mailbox in a minute
}

// Limits of Exchange Online for SMTP AUTH client submission ("How to set up a
// multifunction device or application to send email").
const (
	smtpConnections       = 3
	smtpMessagesPerMinute = 30
)

func defaultSettings() settings {
	return settings{connectionLimit: smtpConnections, messageLimit: smtpMessagesPerMinute}
}

// OfferMechanisms makes all three protocols offer these SASL mechanisms, of
// XOAUTH2 and OAUTHBEARER, and no other; none of them without an argument.
func (s *Server) OfferMechanisms(mechanisms ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settings.mechanisms = append([]string{}, mechanisms...)
}

// OfferPipelining says whether POP3 offers PIPELINING (RFC 2449, section 6.6).
// A server that does not offer it, as Exchange does not, breaks off when a
// client sends a command before it has the reply to the last.
func (s *Server) OfferPipelining(offer bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settings.pipelining = &offer
}

// LimitAuthLine makes SMTP refuse an AUTH command over n octets, its CRLF
// included, as RFC 4954, section 4, allows from 512 on. Zero lifts the limit.
func (s *Server) LimitAuthLine(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settings.maxAuthLine = &n
}

// LimitSubmission sets how many SMTP connections to one mailbox may send at
// once, and how many messages a mailbox may send in a minute. Exchange Online
// allows 3 and 30, and so does a new Server. Zero lifts a limit.
func (s *Server) LimitSubmission(connections, messagesPerMinute int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settings.connectionLimit, s.settings.messageLimit = connections, messagesPerMinute
}

// clock is the server's time.
type clock struct {
	now  func() time.Time
	fake bool // not the machine's: nothing says when it moves
	skew time.Duration
}

// SetClock makes now the server's clock, instead of time.Now: for tokens, their
// verification, the Date header and the time in replies. now must be safe for
// concurrent use.
func (s *Server) SetClock(now func() time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clock.now, s.clock.fake = now, true
}

func (s *Server) now() time.Time {
	s.mu.Lock()
	c := s.clock
	s.mu.Unlock()
	return c.now().Add(c.skew)
}

// SetTokenLifetime makes access tokens last d from now on, instead of an hour.
func (s *Server) SetTokenLifetime(d time.Duration) { s.identity.SetLifetime(d) }

// SetDeviceInterval makes device sign-ins be polled every d, whole seconds,
// from now on. Entra asks for five seconds; a new Server asks for one, so that
// tests do not wait.
func (s *Server) SetDeviceInterval(d time.Duration) { s.identity.SetInterval(d) }

// Rotation is what becomes of a refresh token when it is used.
type Rotation uint8

// The ways of rotation. RotateStrict, the zero value, replaces the token; if
// the old one is used again, the whole sign-in is revoked (RFC 9700, section
// 4.14.2). RotateLenient replaces it and takes the old one as well, which is
// what Entra does. RotateNever keeps it, as Google and Yahoo do in any case.
const (
	RotateStrict Rotation = iota
	RotateLenient
	RotateNever
)

// SetRotation says what becomes of used refresh tokens from now on.
func (s *Server) SetRotation(r Rotation) { s.identity.SetRotation(authority.Rotation(r)) }

// poll is how often a session looks at a clock that may jump.
const poll = 10 * time.Millisecond

// onTime calls end once the server's clock has reached at, unless stop is
// called before.
func (s *Server) onTime(at time.Time, end func()) (stop func()) {
	stopped := make(chan struct{})
	go func() {
		for {
			left := at.Sub(s.now())
			if left <= 0 {
				end()
				return
			}
			timer := time.NewTimer(s.pause(left))
			select {
			case <-timer.C:
			case <-stopped:
				timer.Stop()
				return
			}
		}
	}()
	return func() { close(stopped) }
}

// pause returns how long to sleep when left of the server's time has to pass.
func (s *Server) pause(left time.Duration) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.clock.fake {
		return min(left, poll)
	}
	return min(left, time.Second) // a clock may be set meanwhile
}
