package loopback

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync"
)

// visitors keeps the book of a server's connections. Past the limit the oldest
// has to go: whoever holds a thousand idle connections loses them, and the
// browser, which comes last and needs milliseconds, finds a place. (A limit
// that makes newcomers wait would let the idle ones keep it out.)
type visitors struct {
	limit     int
	answer    chan url.Values
	delivered chan struct{} // closed when the connection that brought the answer has ended

	gone sync.WaitGroup

	mu     sync.Mutex
	open   []net.Conn // oldest first
	winner net.Conn   // brought the answer; never has to go
}

func newVisitors(limit int) *visitors {
	return &visitors{limit: limit, answer: make(chan url.Values, 1), delivered: make(chan struct{})}
}

type connKey struct{}

// context is for [http.Server.ConnContext]: it lets a handler name its connection to win.
func (v *visitors) context(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}

// note is for [http.Server.ConnState].
func (v *visitors) note(c net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		v.gone.Add(1)
		if oldest := v.enter(c); oldest != nil {
			_ = oldest.Close() // its goroutine notices, and leaves
		}
	case http.StateClosed:
		v.leave(c)
		v.gone.Done()
	}
}

func (v *visitors) enter(c net.Conn) (oldest net.Conn) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.open = append(v.open, c)
	if len(v.open) > v.limit {
		oldest = v.open[0]
		v.open = slices.Delete(v.open, 0, 1)
	}
	return oldest
}

func (v *visitors) leave(c net.Conn) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.forget(c)
	if c == v.winner {
		close(v.delivered)
	}
}

// forget takes c out of the book; v.mu is held.
func (v *visitors) forget(c net.Conn) {
	if i := slices.Index(v.open, c); i >= 0 {
		v.open = slices.Delete(v.open, i, i+1)
	}
}

// win hands in the answer that the request with this context brought, and
// reports whether it was the first.
func (v *visitors) win(ctx context.Context, answer url.Values) bool {
	c, ok := ctx.Value(connKey{}).(net.Conn)
	v.mu.Lock()
	defer v.mu.Unlock()
	if !ok || v.winner != nil {
		return false
	}
	v.winner = c
	v.forget(c)
	v.answer <- answer
	return true
}

// wait returns the answer, or why there will be none.
func (v *visitors) wait(ctx context.Context, stopped <-chan error) (url.Values, error) {
	select {
	case answer := <-v.answer:
		return answer, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case err := <-stopped:
		return nil, err
	}
}

// waitDelivered waits until the server has sent its page to the winner and closed the connection.
func (v *visitors) waitDelivered(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, deliveryTimeout)
	defer cancel()
	select {
	case <-v.delivered:
	case <-ctx.Done():
	}
}
