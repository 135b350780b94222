package wire_test

import (
	"crypto/tls"
	"crypto/x509"
	"runtime"
	"testing"
	"time"

	"github.com/xoauth2/go-xoauth2/internal/wire"
)

const mailHost = "mail.contoso.test"

func TestClientTLS(t *testing.T) {
	t.Parallel()
	caller := &tls.Config{MinVersion: tls.VersionTLS10}
	verify := func(tls.ConnectionState) error { return nil }
	tests := []struct {
		name    string
		config  *tls.Config
		server  string
		version uint16
		cache   bool
	}{
		{"none", nil, mailHost, tls.VersionTLS12, true},
		{"old", caller, mailHost, tls.VersionTLS12, true},
		{"new", &tls.Config{MinVersion: tls.VersionTLS13}, mailHost, tls.VersionTLS13, true},
		{"named", &tls.Config{ServerName: "other.contoso.test"}, "other.contoso.test", tls.VersionTLS12, true},
		{"rooted", &tls.Config{RootCAs: x509.NewCertPool()}, mailHost, tls.VersionTLS12, true},
		{"verifying", &tls.Config{VerifyConnection: verify}, mailHost, tls.VersionTLS12, false},
		{"unverified", &tls.Config{InsecureSkipVerify: true}, mailHost, tls.VersionTLS12, false},
		{"without tickets", &tls.Config{SessionTicketsDisabled: true}, mailHost, tls.VersionTLS12, false},
		{"with an identity", &tls.Config{Certificates: make([]tls.Certificate, 1)}, mailHost, tls.VersionTLS12, false},
	}
	for _, tt := range tests {
		got := wire.ClientTLS(tt.config, mailHost)
		if got.ServerName != tt.server || got.MinVersion != tt.version || (got.ClientSessionCache != nil) != tt.cache || got == tt.config {
			t.Errorf("%s: got %q, version %x, a cache %v, want %q, %x, %v in a copy",
				tt.name, got.ServerName, got.MinVersion, got.ClientSessionCache != nil, tt.server, tt.version, tt.cache)
		}
	}
	if caller.ServerName != "" || caller.MinVersion != tls.VersionTLS10 || caller.ClientSessionCache != nil {
		t.Error("got the caller's configuration changed, want it as it was")
	}
	cache := tls.NewLRUClientSessionCache(1)
	if got := wire.ClientTLS(&tls.Config{ClientSessionCache: cache}, mailHost); got.ClientSessionCache != cache {
		t.Error("got another cache of sessions than the caller's")
	}
}

// Sessions are shared where the roots are, and so are whole configurations, if
// there is no difference.
func TestClientTLSShares(t *testing.T) {
	t.Parallel()
	one, other := x509.NewCertPool(), x509.NewCertPool()
	first := wire.ClientTLS(&tls.Config{RootCAs: one}, mailHost)
	for _, tt := range []struct {
		name             string
		config           *tls.Config
		host             string
		sameTrust, equal bool
	}{
		{"the same", &tls.Config{RootCAs: one, ServerName: mailHost}, "192.0.2.1", true, true},
		{"another host", &tls.Config{RootCAs: one}, "other.contoso.test", true, false},
		{"another version", &tls.Config{RootCAs: one, MaxVersion: tls.VersionTLS12}, mailHost, true, false},
		{"other roots", &tls.Config{RootCAs: other}, mailHost, false, false},
		{"the system's roots", nil, mailHost, false, false},
	} {
		if got := wire.ClientTLS(&tls.Config{RootCAs: one}, mailHost); got.ServerName != mailHost {
			t.Errorf("before %s: got %q", tt.name, got.ServerName)
		}
		first = wire.ClientTLS(&tls.Config{RootCAs: one}, mailHost)
		got := wire.ClientTLS(tt.config, tt.host)
		if sameTrust := got.ClientSessionCache == first.ClientSessionCache; sameTrust != tt.sameTrust || (got == first) != tt.equal {
			t.Errorf("%s: got the same cache %v, the same configuration %v, want %v, %v", tt.name, sameTrust, got == first, tt.sameTrust, tt.equal)
		}
		if got.RootCAs == one != tt.sameTrust {
			t.Errorf("%s: got the wrong roots", tt.name)
		}
	}
	runtime.KeepAlive(first)
}

// What is remembered of a pool of roots goes with it.
func TestClientTLSForgets(t *testing.T) {
	t.Parallel()
	gone := make(chan struct{})
	sessions := wire.ClientTLS(&tls.Config{RootCAs: x509.NewCertPool()}, mailHost).ClientSessionCache
	if sessions == nil {
		t.Fatal("got no cache of sessions")
	}
	runtime.AddCleanup(sessionsKey(sessions), func(done chan struct{}) { close(done) }, gone)
	sessions = nil
	for range 100 {
		runtime.GC()
		select {
		case <-gone:
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
	t.Error("the sessions of roots that nobody has any more are kept")
}

// sessionsKey puts something into a cache of sessions that is gone when the
// cache is.
func sessionsKey(sessions tls.ClientSessionCache) *tls.ClientSessionState {
	state := new(tls.ClientSessionState)
	sessions.Put("key", state)
	return state
}
