package exchangetest

import (
	"bytes"
	"io"
	"net"
	"strings"
	"sync"
)

// handover is a connection whose client has logged in, for a library's server
// that takes it to be a new one.
type handover struct {
	net.Conn

	r      io.Reader              // what the server is told first, and then the client
	hidden func(line string) bool // reports whether more than this line of the server's must not be seen

	pending []byte // the beginning of a line to hide
	once    sync.Once
	closed  chan struct{}
}

// hand makes the dialogue's connection one for a library's server: intro is
// what the client says to it first, and hidden is called with each line of its
// answers until it returns false; they stay unseen.
func (d *dialogue) hand(intro string, hidden func(line string) bool) *handover {
	return &handover{
		Conn:   d.conn,
		r:      io.MultiReader(strings.NewReader(intro), d.r),
		hidden: hidden,
		closed: make(chan struct{}),
	}
}

// Read implements net.Conn.
func (h *handover) Read(b []byte) (int, error) { return h.r.Read(b) }

// Write implements net.Conn.
func (h *handover) Write(b []byte) (int, error) {
	if h.hidden == nil {
		return h.Conn.Write(b)
	}
	h.pending = append(h.pending, b...)
	for h.hidden != nil {
		line, rest, complete := bytes.Cut(h.pending, []byte("\r\n"))
		if !complete {
			return len(b), nil
		}
		h.pending = rest
		if !h.hidden(string(line)) {
			h.hidden = nil
		}
	}
	if len(h.pending) == 0 {
		return len(b), nil
	}
	if _, err := h.Conn.Write(h.pending); err != nil {
		return 0, err
	}
	return len(b), nil
}

// Close implements net.Conn.
func (h *handover) Close() error {
	h.once.Do(func() { close(h.closed) })
	return h.Conn.Close()
}

// listener returns a listener that accepts h, and ends with it.
func (h *handover) listener() net.Listener {
	return &single{handover: h, first: make(chan struct{}, 1)}
}

type single struct {
	*handover
	first chan struct{} // holds something once h is accepted
}

// Accept implements net.Listener.
func (l *single) Accept() (net.Conn, error) {
	select {
	case l.first <- struct{}{}:
		return l.handover, nil
	default:
	}
	<-l.closed
	return nil, net.ErrClosed
}

// Close implements net.Listener. The connection is its server's to close.
func (l *single) Close() error { return nil }

// Addr implements net.Listener.
func (l *single) Addr() net.Addr { return l.LocalAddr() }
