package exchangetest

import (
	"maps"
	"net/url"
	"sync"

	"github.com/xoauth2/go-xoauth2"
)

// accounting counts what happens. The arrays are indexed by protocol.
type accounting struct {
	mu          sync.Mutex
	connections [4]int
	accepted    [4]int
	refused     [4]int
	messages    int
}

func (a *accounting) connected(p xoauth2.Protocol) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.connections[p]++
}

func (a *accounting) decided(p xoauth2.Protocol, accepted bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if accepted {
		a.accepted[p]++
		return
	}
	a.refused[p]++
}

func (a *accounting) sent() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.messages++
}

func (a *accounting) sum(counts *[4]int, protocols []xoauth2.Protocol) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	total := 0
	for _, p := range orAll(protocols) {
		total += counts[p]
	}
	return total
}

// TokenRequests returns how many requests the token endpoint got, refused and
// interrupted ones included: those of the grant types named, or all.
func (s *Server) TokenRequests(grants ...string) int { return s.identity.Requests(grants...) }

// LastTokenRequest returns the form of the last request to the token endpoint,
// with "redacted" in place of its secrets; nil if there was none.
func (s *Server) LastTokenRequest() url.Values { return maps.Clone(s.identity.LatestRequest()) }

// Secrets returns the secrets that the server has given out or was sent: access
// and refresh tokens, id_tokens, codes, client secrets, assertions and
// verifiers; at most the first ten thousand. Tests search for them where they
// must not be.
func (s *Server) Secrets() []string { return s.identity.Secrets() }

// Connections returns how many connections clients have made to the protocols,
// to all if none is named.
func (s *Server) Connections(protocols ...xoauth2.Protocol) int {
	return s.accounting.sum(&s.accounting.connections, protocols)
}

// OpenConnections returns how many of them are open now.
func (s *Server) OpenConnections(protocols ...xoauth2.Protocol) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	open := 0
	for _, p := range orAll(protocols) {
		for _, is := range s.conns {
			if is == p {
				open++
			}
		}
	}
	return open
}

// Logins returns how many logins the protocols have let in, all if none is
// named.
func (s *Server) Logins(protocols ...xoauth2.Protocol) int {
	return s.accounting.sum(&s.accounting.accepted, protocols)
}

// RefusedLogins returns how many credentials the protocols have refused, all if
// none is named.
func (s *Server) RefusedLogins(protocols ...xoauth2.Protocol) int {
	return s.accounting.sum(&s.accounting.refused, protocols)
}

// SentMessages returns how many messages SMTP clients have sent.
func (s *Server) SentMessages() int {
	s.accounting.mu.Lock()
	defer s.accounting.mu.Unlock()
	return s.accounting.messages
}
