package lab

import (
	"context"
	"net"
	"time"

	"github.com/xoauth2/go-xoauth2/internal/transcript"
)

// Dial makes a connection, as net.Dialer.DialContext does.
type Dial func(ctx context.Context, network, addr string) (net.Conn, error)

// Link is the way to a server that is RTT away there and back.
type Link struct {
	RTT time.Duration
	To  Dial
}

// DialContext connects within one round trip. It works in the time of
// testing/synctest if To does.
func (l Link) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	select {
	case <-time.After(l.RTT):
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	near, gate := transcript.Pipe()
	go l.relay(gate, time.Now(), network, addr)
	return near, nil
}

// Listen returns an address on loopback that leads to addr over the link. A
// client there seems to be connected at once; what it sends before the
// round trip of the TCP handshake has passed, waits for that.
func (l Link) Listen(addr string) (near string, stop func(), err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go l.relay(conn, time.Now().Add(l.RTT), "tcp", addr)
		}
	}()
	return listener.Addr().String(), func() { listener.Close() }, nil
}

// relay connects near, whose TCP handshake ends at established, to addr.
func (l Link) relay(near net.Conn, established time.Time, network, addr string) {
	up := l.collect(near, established)
	time.Sleep(time.Until(established.Add(l.RTT / 2)))
	far, err := l.To(context.Background(), network, addr)
	if err != nil {
		near.Close()
		return
	}
	go deliver(l.collect(far, established), near)
	deliver(up, far)
}

// parcel is what arrived at once, and when it is due at the other end.
type parcel struct {
	octets []byte
	due    time.Time
}

// collect takes what comes from one end, and is due half a round trip later at
// the other.
func (l Link) collect(from net.Conn, established time.Time) <-chan parcel {
	underway := make(chan parcel, 1<<10)
	go func() {
		defer close(underway)
		for {
			octets := make([]byte, 32<<10)
			n, err := from.Read(octets)
			sent := time.Now()
			if sent.Before(established) {
				sent = established
			}
			underway <- parcel{octets[:n], sent.Add(l.RTT / 2)}
			if err != nil {
				return
			}
		}
	}()
	return underway
}

func deliver(underway <-chan parcel, to net.Conn) {
	for p := range underway {
		time.Sleep(time.Until(p.due))
		_, _ = to.Write(p.octets) // what is sent to the dead is lost
	}
	to.Close()
}
