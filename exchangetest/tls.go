package exchangetest

import (
	"crypto/rand"
	"crypto/tls"
	"sync"

	"github.com/xoauth2/go-xoauth2/exchangetest/internal/certs"
)

// presenter chooses the certificate that the server shows.
type presenter struct {
	ca *certs.Authority

	mu        sync.Mutex // guards the rest
	shown     tls.Certificate
	proper    tls.Certificate
	ticketKey [32]byte
}

func newPresenter(ca *certs.Authority) (*presenter, error) {
	proper, err := ca.Loopback()
	if err != nil {
		return nil, err
	}
	p := &presenter{ca: ca, proper: proper}
	p.show(proper)
	return p, nil
}

// show makes the server show certificate from now on. No session of before is
// resumed, since that would show none.
func (p *presenter) show(certificate tls.Certificate) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.shown = certificate
	_, _ = rand.Read(p.ticketKey[:]) // never fails, by its documentation
}

// showProper ends a show of something else.
func (p *presenter) showProper() { p.show(p.proper) }

// config returns a server configuration that follows show.
func (p *presenter) config(protocols ...string) *tls.Config {
	config := p.current(protocols)
	config.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return p.current(protocols), nil }
	return config
}

func (p *presenter) current(protocols []string) *tls.Config {
	p.mu.Lock()
	defer p.mu.Unlock()
	config := &tls.Config{
		Certificates: []tls.Certificate{p.shown},
		NextProtos:   protocols,
		MinVersion:   tls.VersionTLS12,
	}
	config.SetSessionTicketKeys([][32]byte{p.ticketKey})
	return config
}

// untrusted returns a certificate for this host of an authority of its own.
func untrusted() (tls.Certificate, error) {
	ca, err := certs.New()
	if err != nil {
		return tls.Certificate{}, err
	}
	return ca.Loopback()
}
