package exchangetest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"syscall"

	"github.com/xoauth2/go-xoauth2/internal/transcript"
)

// dialMemory connects to one of the server's ports without a socket.
func (s *Server) dialMemory(port service) (net.Conn, error) {
	client, server := transcript.Pipe()
	if !s.admit(server, port.protocol) {
		return nil, &net.OpError{Op: "dial", Net: "memory", Err: net.ErrClosed}
	}
	go s.serve(server, port)
	return memoryConn{client}, nil
}

// memoryConn is a client's end of a connection in memory.
type memoryConn struct{ net.Conn }

// Write takes what is sent to a server that has hung up, as a socket does: the
// next read tells. TLS says goodbye to such servers.
func (c memoryConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	if errors.Is(err, syscall.EPIPE) {
		return len(b), nil
	}
	return n, err
}

// memoryTransport hands requests to a handler.
type memoryTransport struct{ handler http.Handler }

// RoundTrip implements http.RoundTripper. It returns early when the request's
// context ends.
func (t memoryTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	body := io.ReadCloser(http.NoBody)
	if r.Body != nil {
		body = r.Body
	}
	octets, err := io.ReadAll(body)
	if err := errors.Join(err, body.Close()); err != nil {
		return nil, err
	}
	received := r.Clone(r.Context())
	received.Body, received.RequestURI = io.NopCloser(bytes.NewReader(octets)), r.URL.RequestURI()

	answered := make(chan *recorder, 1) // has room for a handler that nobody waits for
	go func() { answered <- record(t.handler, received) }()
	select {
	case w := <-answered:
		return w.response(r)
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
}

// record runs a handler, and takes down what it answers.
func record(handler http.Handler, r *http.Request) (w *recorder) {
	w = &recorder{header: make(http.Header), status: http.StatusOK}
	defer func() {
		if reason := recover(); reason != nil {
			w.aborted = fmt.Errorf("the connection ends: %v", reason)
		}
	}()
	handler.ServeHTTP(w, r)
	return w
}

// recorder is the http.ResponseWriter of a request in memory.
type recorder struct {
	header  http.Header
	status  int
	body    bytes.Buffer
	aborted error
}

func (w *recorder) Header() http.Header         { return w.header }
func (w *recorder) WriteHeader(status int)      { w.status = status }
func (w *recorder) Write(b []byte) (int, error) { return w.body.Write(b) }

func (w *recorder) response(r *http.Request) (*http.Response, error) {
	if w.aborted != nil {
		return nil, w.aborted
	}
	return &http.Response{
		Status:        fmt.Sprintf("%d %s", w.status, http.StatusText(w.status)),
		StatusCode:    w.status,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        w.header,
		Body:          io.NopCloser(&w.body),
		ContentLength: int64(w.body.Len()),
		Request:       r,
	}, nil
}
