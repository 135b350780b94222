package diagnosis

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/xoauth2/go-xoauth2/internal/wire"
)

// LocalKind is a failure that no server put into words.
type LocalKind string

// The kinds. The root package sets the last ones, which it knows by its own
// errors.
const (
	DNSUnknown    LocalKind = "no such host"
	DNSFailed     LocalKind = "name resolution failed"
	Refused       LocalKind = "connection refused"
	Unreachable   LocalKind = "network unreachable"
	TimedOut      LocalKind = "timeout"
	Closed        LocalKind = "connection closed"
	WrongName     LocalKind = "certificate of another host"
	WrongTime     LocalKind = "certificate not valid now"
	WrongIssuer   LocalKind = "certificate of an unknown authority"
	NotTLS        LocalKind = "no TLS"
	NoHandshake   LocalKind = "TLS handshake failed"
	NoSTARTTLS    LocalKind = "no STARTTLS"
	Tampered      LocalKind = "plaintext after STARTTLS"
	NotAdvertised LocalKind = "mechanism not offered"
	NoAccount     LocalKind = "nobody signed in"
)

// Local is a failure with what the remedies need of it.
type Local struct {
	Kind   LocalKind
	Host   string // whom it concerns, where the error says so
	Detail string
}

// ReadLocal tells the kind of a network or TLS error, however it is wrapped. A
// context that its owner canceled is not a failure.
func ReadLocal(err error) Local {
	if errors.Is(err, context.Canceled) {
		return Local{}
	}
	for _, read := range []func(error) (Local, bool){readDNS, readCertificate, readTLS, readConnection} {
		if l, ok := read(err); ok {
			return l
		}
	}
	return Local{}
}

func readDNS(err error) (Local, bool) {
	e, ok := errors.AsType[*net.DNSError](err)
	if !ok {
		return Local{}, false
	}
	if e.IsNotFound && !e.IsTemporary && !e.IsTimeout {
		return Local{Kind: DNSUnknown, Host: e.Name}, true
	}
	return Local{Kind: DNSFailed, Host: e.Name, Detail: e.Err}, true
}

func readCertificate(err error) (Local, bool) {
	if e, ok := errors.AsType[x509.HostnameError](err); ok {
		return Local{Kind: WrongName, Host: e.Host, Detail: issuer(e.Certificate)}, true
	}
	if e, ok := errors.AsType[x509.CertificateInvalidError](err); ok {
		kind := WrongIssuer
		if e.Reason == x509.Expired {
			kind = WrongTime
		}
		return Local{Kind: kind, Detail: validity(e.Cert, kind)}, true
	}
	if e, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return Local{Kind: WrongIssuer, Detail: issuer(e.Cert)}, true
	}
	return Local{}, false
}

func issuer(cert *x509.Certificate) string {
	if cert == nil {
		return ""
	}
	return cert.Issuer.String()
}

func validity(cert *x509.Certificate, kind LocalKind) string {
	if cert == nil || kind != WrongTime {
		return issuer(cert)
	}
	return instant(cert.NotBefore) + " to " + instant(cert.NotAfter)
}

func readTLS(err error) (Local, bool) {
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return Local{Kind: NotTLS}, true
	}
	if e, ok := errors.AsType[tls.AlertError](err); ok {
		return Local{Kind: NoHandshake, Detail: e.Error()}, true
	}
	if errors.Is(err, wire.ErrPlaintextAfterStartTLS) {
		return Local{Kind: Tampered}, true
	}
	return Local{}, false
}

// winsock has the numbers of Windows' sockets, which the portable names of
// package syscall do not stand for. No other system has such numbers.
var winsock = map[syscall.Errno]LocalKind{
	10049: Unreachable, 10051: Unreachable, 10065: Unreachable,
	10053: Closed, 10054: Closed,
	10060: TimedOut,
	10061: Refused,
}

func readConnection(err error) (Local, bool) {
	errno, _ := errors.AsType[syscall.Errno](err)
	kind := winsock[errno]
	timeout, isNet := errors.AsType[net.Error](err)
	switch {
	case kind != "":
	case errors.Is(err, syscall.ECONNREFUSED):
		kind = Refused
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.EADDRNOTAVAIL):
		kind = Unreachable
	case errors.Is(err, context.DeadlineExceeded), isNet && timeout.Timeout():
		kind = TimedOut
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF),
		errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, net.ErrClosed),
		strings.Contains(err.Error(), "stream error: stream ID"): // net/http does not export HTTP/2's errors
		kind = Closed
	}
	return Local{Kind: kind}, kind != ""
}
