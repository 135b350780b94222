package wire

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"reflect"
	"runtime"
	"sync"
	"sync/atomic"
	"weak"
)

// A trust is what connections have in common that trust the same roots, and
// have nothing special about them. They may resume each other's TLS
// sessions: a session must not outlive the trust it began in.
type trust struct {
	sessions tls.ClientSessionCache
	latest   atomic.Pointer[weak.Pointer[tls.Config]] // lent to all who want the same
}

// maxSessions is how many hosts' sessions a trust keeps.
const maxSessions = 64

// trusts holds the trust of every pool of roots that is in use. The system's
// has a zero key.
var trusts sync.Map // from weak.Pointer[x509.CertPool] to *trust

func trustOf(roots *x509.CertPool) *trust {
	key := weak.Make(roots)
	if known, ok := trusts.Load(key); ok {
		return known.(*trust)
	}
	t, known := trusts.LoadOrStore(key, &trust{sessions: tls.NewLRUClientSessionCache(maxSessions)})
	if !known && roots != nil {
		runtime.AddCleanup(roots, func(key weak.Pointer[x509.CertPool]) { trusts.Delete(key) }, key)
	}
	return t.(*trust)
}

// ClientTLS returns the caller's configuration, or that of the system if it is
// nil, with TLS 1.2 as the lowest version and host as the name to verify. It is
// not to be changed.
//
// One that says no more than whom to trust and which versions to speak gets a
// cache of TLS sessions. One that says more may have its reasons to see every
// handshake, such as a VerifyPeerCertificate, which resuming skips.
func ClientTLS(config *tls.Config, host string) *tls.Config {
	if config == nil {
		config = new(tls.Config)
	}
	own := config.Clone()
	own.MinVersion = max(own.MinVersion, tls.VersionTLS12)
	own.ServerName = cmp.Or(own.ServerName, host)
	if !isPlain(config) {
		return own
	}
	t := trustOf(own.RootCAs)
	if latest := t.latest.Load(); latest != nil {
		lent := latest.Value()
		if lent != nil && lent.ServerName == own.ServerName && lent.MinVersion == own.MinVersion && lent.MaxVersion == own.MaxVersion {
			return lent // which saves every session that waits half a KiB
		}
	}
	own.ClientSessionCache = t.sessions
	latest := weak.Make(own)
	t.latest.Store(&latest)
	return own
}

// isPlain reports whether config names roots, a server and versions only.
func isPlain(config *tls.Config) bool {
	rest := config.Clone()
	rest.RootCAs, rest.ServerName, rest.MinVersion, rest.MaxVersion = nil, "", 0, 0
	return reflect.ValueOf(rest).Elem().IsZero()
}
