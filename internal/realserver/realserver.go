//go:build linux

package realserver

import (
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"
)

// Host is what the servers are called.
const Host = "mail.contoso.test"

// domain is whose mail they take.
const domain = "contoso.test"

// Options say what the servers are like. They need Key or Introspection.
type Options struct {
	Key             *rsa.PublicKey // a token that it verifies is good for the mailbox in its "upn"
	KeyID           string
	Introspection   string // URL that says whether a token is good, and for the mailbox in "username" (RFC 7662)
	Mechanisms      string // offered; empty: XOAUTH2 and OAUTHBEARER
	LineLengthLimit int    // Postfix's line_length_limit; zero: its default, 2,048

	Mailboxes []string // at contoso.test, to which Postfix delivers; Dovecot opens any
}

// Port is one of the servers'. Those with an S do TLS from the first byte, the
// others after STARTTLS.
type Port int

// The ports are always these, since the address is another for all servers.
const (
	IMAP  Port = 10143
	IMAPS Port = 10993
	POP3  Port = 10110
	POP3S Port = 10995
	SMTP  Port = 10587
	SMTPS Port = 10465
)

// Servers are a Dovecot and a Postfix. They end with the test that started
// them, or with its process.
type Servers struct {
	ip        string
	dir       string
	trusted   *x509.CertPool
	delivered atomic.Int64 // messages
}

// Start starts the servers and waits until they answer. If the test fails, it
// gets their logs, without tokens.
func Start(tb testing.TB, opts Options) *Servers {
	tb.Helper()
	require(tb)
	// An address of its own keeps the servers out of everybody's way.
	ip := fmt.Sprintf("127.%d.%d.%d", 1+rand.IntN(254), rand.IntN(256), 1+rand.IntN(254))
	s := &Servers{ip: ip, dir: tempDir(tb)}
	if err := s.prepare(opts); err != nil {
		tb.Fatal("realserver: ", err)
	}
	tb.Cleanup(func() { s.showLogs(tb) })
	dovecot := start(tb, s.path("dovecot.out"), "dovecot", "-F", "-c", s.path("dovecot/dovecot.conf"))
	postfix := start(tb, s.path("postfix.out"), postfixMaster, "-c", s.path("postfix/etc"))
	for port, server := range map[Port]*process{
		IMAP: dovecot, IMAPS: dovecot, POP3: dovecot, POP3S: dovecot, SMTP: postfix, SMTPS: postfix,
	} {
		if err := server.await(s.Addr(port)); err != nil {
			tb.Fatal("realserver: ", err)
		}
	}
	return s
}

// Addr returns the address of a port.
func (s *Servers) Addr(port Port) string { return net.JoinHostPort(s.ip, strconv.Itoa(int(port))) }

// TLSConfig returns the configuration of a client that trusts the servers.
func (s *Servers) TLSConfig() *tls.Config { return &tls.Config{RootCAs: s.trusted} }

// CAFile returns the path of the certificate to trust, in PEM.
func (s *Servers) CAFile() string { return s.path("ca.pem") }

func (s *Servers) path(name string) string { return filepath.Join(s.dir, filepath.FromSlash(name)) }

// prepare fills the temporary folder.
func (s *Servers) prepare(opts Options) (err error) {
	if err := s.makeFolders(); err != nil {
		return err
	}
	if s.trusted, err = s.makeCertificates(); err != nil {
		return err
	}
	if err := s.writeKey(opts); err != nil {
		return err
	}
	return s.writeConfiguration(opts)
}

// tempDir is tb.TempDir for a folder that other users may enter.
func tempDir(tb testing.TB) string {
	tb.Helper()
	dir, err := os.MkdirTemp("", "xoauth2-")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			tb.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		tb.Fatal(err)
	}
	return dir
}
