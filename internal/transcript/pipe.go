package transcript

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// pipeSize is how much an end of a pipe takes before writes to it block: more
// than any answer of a server in a login, less than a flood.
const pipeSize = 64 << 10

// Pipe returns the two ends of a connection in memory. Other than net.Pipe's it
// has a buffer, as a socket has, so that TLS can close it from both sides; and
// waiting for it is durable in the sense of testing/synctest.
func Pipe() (client, server *PipeConn) {
	up, down := newFlow(), newFlow()
	return &PipeConn{in: down, out: up}, &PipeConn{in: up, out: down}
}

// PipeConn is one end of a [Pipe].
type PipeConn struct {
	in, out *flow
}

var _ net.Conn = (*PipeConn)(nil)

// Read returns io.EOF once the other end is closed and its bytes are read, and
// net.ErrClosed once this end is closed.
func (c *PipeConn) Read(b []byte) (int, error) { return c.in.read(b) }

// Write returns syscall.EPIPE once the other end is closed, and net.ErrClosed
// once this end is closed.
func (c *PipeConn) Write(b []byte) (int, error) { return c.out.write(b) }

// Close closes this end. What was written before can still be read.
func (c *PipeConn) Close() error {
	c.in.close(&c.in.readerGone)
	if !c.out.close(&c.out.writerGone) {
		return opError("close", net.ErrClosed)
	}
	return nil
}

// Closed reports whether this end is closed.
func (c *PipeConn) Closed() bool {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	return c.out.writerGone
}

// LocalAddr returns an address that says no more than "pipe".
func (c *PipeConn) LocalAddr() net.Addr { return pipeAddr{} }

// RemoteAddr returns an address that says no more than "pipe".
func (c *PipeConn) RemoteAddr() net.Addr { return pipeAddr{} }

// SetDeadline implements net.Conn.
func (c *PipeConn) SetDeadline(t time.Time) error {
	c.in.setDeadline(&c.in.readBy, t)
	c.out.setDeadline(&c.out.writeBy, t)
	return nil
}

// SetReadDeadline implements net.Conn.
func (c *PipeConn) SetReadDeadline(t time.Time) error {
	c.in.setDeadline(&c.in.readBy, t)
	return nil
}

// SetWriteDeadline implements net.Conn.
func (c *PipeConn) SetWriteDeadline(t time.Time) error {
	c.out.setDeadline(&c.out.writeBy, t)
	return nil
}

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "pipe" }

// flow is one direction of a pipe.
type flow struct {
	changed *sync.Cond

	mu                     sync.Mutex // guards the rest
	buf                    []byte
	readerGone, writerGone bool
	readBy, writeBy        deadline
}

type deadline struct {
	at    time.Time
	timer *time.Timer
}

func (d *deadline) passed() bool { return !d.at.IsZero() && !time.Now().Before(d.at) }

func newFlow() *flow {
	f := new(flow)
	f.changed = sync.NewCond(&f.mu)
	return f
}

func (f *flow) read(b []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for {
		switch {
		case f.readerGone:
			return 0, opError("read", net.ErrClosed)
		case f.readBy.passed():
			return 0, opError("read", os.ErrDeadlineExceeded)
		case len(f.buf) > 0 || len(b) == 0:
			n := copy(b, f.buf)
			f.buf = f.buf[n:]
			f.changed.Broadcast()
			return n, nil
		case f.writerGone:
			return 0, io.EOF
		}
		f.changed.Wait()
	}
}

func (f *flow) write(b []byte) (n int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for {
		switch {
		case f.writerGone:
			return n, opError("write", net.ErrClosed)
		case f.readerGone:
			return n, opError("write", syscall.EPIPE)
		case f.writeBy.passed():
			return n, opError("write", os.ErrDeadlineExceeded)
		}
		room := min(pipeSize-len(f.buf), len(b)-n)
		f.buf = append(f.buf, b[n:n+room]...)
		n += room
		f.changed.Broadcast()
		if n == len(b) {
			return n, nil
		}
		f.changed.Wait()
	}
}

// close sets gone, one side's mark, and reports whether it was not set before.
func (f *flow) close(gone *bool) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	first := !*gone
	*gone = true
	f.changed.Broadcast()
	return first
}

func (f *flow) setDeadline(d *deadline, t time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
	d.at = t
	if !t.IsZero() {
		d.timer = time.AfterFunc(time.Until(t), f.wake)
	}
	f.changed.Broadcast()
}

func (f *flow) wake() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.changed.Broadcast()
}

func opError(op string, err error) error {
	return &net.OpError{Op: op, Net: "pipe", Addr: pipeAddr{}, Err: err}
}
