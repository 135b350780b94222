package exchangetest

import (
	"crypto/tls"
	"time"

	"github.com/xoauth2/go-xoauth2"
	"github.com/xoauth2/go-xoauth2/exchangetest/internal/script"
)

// DropConnections hangs up on clients at a moment of their sessions: on those
// of the protocols, or all if none is named.
func (s *Server) DropConnections(when Moment, protocols ...xoauth2.Protocol) *Fault {
	return s.interrupt(when, hangUp, protocols)
}

// StallConnections says nothing more to clients from a moment on, and keeps
// the connection open.
func (s *Server) StallConnections(when Moment, protocols ...xoauth2.Protocol) *Fault {
	return s.interrupt(when, stall, protocols)
}

// DelayConnections waits at a moment of a session before it goes on.
func (s *Server) DelayConnections(when Moment, delay time.Duration, protocols ...xoauth2.Protocol) *Fault {
	return s.interrupt(when, func(*dialogue) bool { return s.pass(delay) }, protocols)
}

// pass lets time pass, and reports whether the server was closed meanwhile. It
// looks instead of waiting for that, which a bubble of testing/synctest could
// not tell from work.
func (s *Server) pass(delay time.Duration) (closed bool) {
	const step = 50 * time.Millisecond
	for ; delay > 0 && !s.isClosed(); delay -= step {
		time.Sleep(min(delay, step))
	}
	return s.isClosed()
}

func (s *Server) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

func (s *Server) interrupt(when Moment, do act, protocols []xoauth2.Protocol) *Fault {
	if when == InGreeting {
		rest := do
		do = func(d *dialogue) bool {
			halfGreeting(d)
			return rest(d)
		}
	}
	return s.fault(func(turn *script.Turn) {
		for _, p := range orAll(protocols) {
			s.faults.at[p][when].Add(turn, do)
		}
	})
}

// HideStartTLS makes the ports for STARTTLS neither offer nor do it.
func (s *Server) HideStartTLS(protocols ...xoauth2.Protocol) *Fault {
	return s.fault(func(turn *script.Turn) {
		for _, p := range orAll(protocols) {
			s.faults.noStartTLS[p].Add(turn, true)
		}
	})
}

// SmuggleBehindStartTLS sends a line of plaintext along with the permission to
// start TLS, as somebody on the way could (CVE-2011-0411; RFC 3207, section
// 4.2).
func (s *Server) SmuggleBehindStartTLS(protocols ...xoauth2.Protocol) *Fault {
	lines := map[xoauth2.Protocol]string{
		xoauth2.IMAP: "* CAPABILITY IMAP4rev1 AUTH=XOAUTH2",
		xoauth2.POP3: "+OK smuggled",
		xoauth2.SMTP: "250 smuggled",
	}
	return s.fault(func(turn *script.Turn) {
		for _, p := range orAll(protocols) {
			s.faults.smuggled[p].Add(turn, lines[p])
		}
	})
}

// GreetPreauth makes IMAP greet as if the client were logged in already, which
// is what keeps a client from STARTTLS (RFC 9051, section 7.1.4).
func (s *Server) GreetPreauth() *Fault {
	return s.Greet(xoauth2.IMAP, "* PREAUTH [CAPABILITY IMAP4rev1] Logged in as somebody")
}

// Greet makes a protocol greet with another line.
func (s *Server) Greet(protocol xoauth2.Protocol, line string) *Fault {
	return s.fault(func(turn *script.Turn) { s.faults.greeting[protocol].Add(turn, line) })
}

// ShowForeignCertificate makes all ports show a certificate that is trusted
// and names another host.
func (s *Server) ShowForeignCertificate(host string) *Fault {
	return s.show(func() (tls.Certificate, error) { return s.ca.Foreign(host) })
}

// ShowExpiredCertificate makes all ports show a certificate that has expired.
func (s *Server) ShowExpiredCertificate() *Fault { return s.show(s.ca.Expired) }

// ShowUntrustedCertificate makes all ports show a certificate of an authority
// that nobody knows.
func (s *Server) ShowUntrustedCertificate() *Fault { return s.show(untrusted) }

func (s *Server) show(make func() (tls.Certificate, error)) *Fault {
	certificate, err := make()
	if err != nil {
		panic("exchangetest: certificate: " + err.Error())
	}
	s.tls.show(certificate)
	s.webClient.CloseIdleConnections()
	return s.state(s.tls.showProper)
}

// SkewClock puts the server's clock forward by d, or back: in the Date header
// and in its tokens.
func (s *Server) SkewClock(d time.Duration) *Fault {
	s.setSkew(d)
	return s.state(func() { s.setSkew(0) })
}

func (s *Server) setSkew(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clock.skew = d
}
