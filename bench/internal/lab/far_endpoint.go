package lab

import (
	"context"
	"encoding/pem"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"

	"github.com/xoauth2/go-xoauth2"
)

// FarEndpoint is an Endpoint behind TLS and a link.
type FarEndpoint struct {
	*Endpoint
	Connections atomic.Int64

	server *httptest.Server
	link   Link
}

// Serve starts e on loopback, with HTTP/2 or without. The caller closes it.
func (e *Endpoint) Serve(link Link, isHTTP2 bool) *FarEndpoint {
	f := &FarEndpoint{Endpoint: e, server: httptest.NewUnstartedServer(e), link: link}
	f.server.EnableHTTP2 = isHTTP2
	f.server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			f.Connections.Add(1)
		}
	}
	f.server.StartTLS()
	f.link.To = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, f.server.Listener.Addr().String())
	}
	return f
}

// Close stops the endpoint.
func (f *FarEndpoint) Close() { f.server.Close() }

// Client returns a client with the transport that programs have by default,
// which finds the endpoint wherever it seems to be.
func (f *FarEndpoint) Client() *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DialContext = f.link.DialContext
	if f.link.RTT == 0 {
		transport.DialContext = f.link.To
	}
	certificate := f.server.TLS.Certificates[0]
	certificate.Leaf = f.server.Certificate()
	transport.TLSClientConfig = Trust(certificate)
	return &http.Client{Transport: transport}
}

// App returns this library's application with the transport that it has by
// default. It trusts the endpoint if TrustSystem was called.
func (f *FarEndpoint) App() *xoauth2.App {
	app := App(nil)
	app.Provider = xoauth2.Exchange
	app.Provider.TokenURL = f.server.URL + "/oauth2/v2.0/token"
	return app
}

// TrustSystem makes the certificate of net/http/httptest one of the system's
// roots for this process, which has not looked at them yet.
func TrustSystem(dir string) error {
	certificate, err := Certificate()
	if err != nil {
		return err
	}
	file := filepath.Join(dir, "roots.pem")
	octets := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Leaf.Raw})
	if err := os.WriteFile(file, octets, 0o600); err != nil {
		return err
	}
	return os.Setenv("SSL_CERT_FILE", file)
}
