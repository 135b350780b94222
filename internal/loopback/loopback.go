// Package loopback receives the answer to an authorization request that was
// made in the user's browser, on a port of this machine (RFC 8252 section 7.3).
// It opens no browser.
package loopback

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"
)

const (
	attempts = 20 // at a port that is free on both addresses

	// A browser on this machine needs milliseconds. What takes longer is not the answer.
	headerTimeout   = 5 * time.Second
	requestTimeout  = 10 * time.Second
	deliveryTimeout = 2 * time.Second

	maxHeader = 16 << 10 // bytes; net/http adds 4 KiB
	maxBody   = 64 << 10
	maxOpen   = 128 // connections
)

// Listener waits for one authorization response on a port of both loopback addresses.
type Listener struct {
	host    string // what the browser has to call this server
	sockets []net.Listener
}

// Listen opens a free port on 127.0.0.1 and, where the machine has it, the same
// on ::1: the redirect names localhost, and which address a browser tries first
// is its own affair. If another program had the port on the other address, the
// answer could go there.
func Listen() (*Listener, error) {
	dual := hasIPv6()
	var err error
	for range attempts {
		var sockets []net.Listener
		if sockets, err = listen(dual); err == nil {
			return newListener(sockets...), nil
		}
	}
	return nil, fmt.Errorf("listen for the redirect on localhost: %w", err)
}

func hasIPv6() bool {
	probe, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		return false
	}
	return probe.Close() == nil
}

func listen(dual bool) ([]net.Listener, error) {
	v4, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil || !dual {
		return []net.Listener{v4}, err
	}
	_, port, err := net.SplitHostPort(v4.Addr().String())
	if err != nil {
		return nil, errors.Join(err, v4.Close())
	}
	v6, err := net.Listen("tcp6", net.JoinHostPort("::1", port))
	if err != nil {
		return nil, errors.Join(err, v4.Close())
	}
	return []net.Listener{v4, v6}, nil
}

// newListener takes over sockets that share a port.
func newListener(sockets ...net.Listener) *Listener {
	host := "localhost"
	if addr, ok := sockets[0].Addr().(*net.TCPAddr); ok {
		host = net.JoinHostPort(host, strconv.Itoa(addr.Port))
	}
	return &Listener{host: host, sockets: sockets}
}

// URL returns the redirect URL: http://localhost:PORT, without a path. Entra
// ignores the port of this one host when it compares the URL with the
// registered ones, and compares the path ("Redirect URI restrictions and
// limitations").
func (l *Listener) URL() string { return "http://" + l.host }

// Wait serves until the answer that carries state has come, sends the browser a
// page that says how the sign-in went, closes the listener, and returns the
// parameters of the answer: those of a success or of a refusal. Everything else
// that knocks is turned away, and the wait goes on. When ctx ends, Wait returns
// its cause. Nothing is left open or running in either case, and the listener
// cannot be used again.
func (l *Listener) Wait(ctx context.Context, state string) (url.Values, error) {
	defer l.Close()
	if state == "" {
		return nil, errors.New("wait for the redirect: no state to recognise it by")
	}
	v := newVisitors(maxOpen)
	srv := &http.Server{
		Handler:                      &handler{host: l.host, state: state, visitors: v},
		ReadHeaderTimeout:            headerTimeout,
		ReadTimeout:                  requestTimeout,
		WriteTimeout:                 requestTimeout,
		MaxHeaderBytes:               maxHeader,
		DisableGeneralOptionsHandler: true, // it would answer any Host
		ConnContext:                  v.context,
		ConnState:                    v.note,
		ErrorLog:                     log.New(io.Discard, "", 0),
	}
	srv.SetKeepAlivesEnabled(false)
	var serving sync.WaitGroup
	stopped := make(chan error, len(l.sockets))
	for _, socket := range l.sockets {
		serving.Go(func() { stopped <- srv.Serve(socket) })
	}
	answer, err := v.wait(ctx, stopped)
	l.Close()
	serving.Wait() // from here on nobody comes in
	if err != nil {
		err = fmt.Errorf("wait for the redirect: %w", err)
	} else {
		v.waitDelivered(ctx)
	}
	_ = srv.Close() // whatever the sockets say, they are closed
	v.gone.Wait()
	return answer, err
}

// Close ends the listener, and a Wait with an error. It may be called more than once.
func (l *Listener) Close() error {
	var errs []error
	for _, socket := range l.sockets {
		if err := socket.Close(); !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
