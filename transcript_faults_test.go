package xoauth2_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/xoauth2/go-xoauth2"
	"github.com/xoauth2/go-xoauth2/internal/transcript"
)

// TestTranscriptsCutAndStalledByLine drops the connection after every server
// line of every transcript, and, in another session, lets the server fall
// silent there until the caller goes away.
func TestTranscriptsCutAndStalledByLine(t *testing.T) {
	t.Parallel()
	eachTranscript(t, "*", tls.VersionTLS13, func(t *testing.T, st *stage, script *transcript.Script) {
		bubble(t, func(t *testing.T) {
			served := st.play(t, script, transcript.Fault{}).served
			total := lastOf(served)
			for _, n := range append([]int{0}, served...) {
				p := st.checkCut(t, script, n, total)
				st.checkReplay(t, script, p)
				p = st.checkStall(t, script, n, total)
				st.checkReplay(t, script, p)
			}
		})
	})
}

// TestTranscriptsCutAndStalledByByte does the same after every byte.
func TestTranscriptsCutAndStalledByByte(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("thousands of sessions: not with -short")
	}
	var played sync.Map // moments: many transcripts begin alike
	eachTranscript(t, "*", tls.VersionTLS12, func(t *testing.T, st *stage, script *transcript.Script) {
		bubble(t, func(t *testing.T) {
			served := st.play(t, script, transcript.Fault{}).served
			total := lastOf(served)
			for n := range total {
				if _, again := played.LoadOrStore(momentAt(st, script, served, n), true); again {
					continue
				}
				st.checkCut(t, script, n, total)
				st.checkStall(t, script, n, total)
			}
		})
	})
}

// moment is a point of a session: all that the client has heard and said.
type moment struct {
	proto   xoauth2.Protocol
	history string
	bytes   string // of the line that the server is saying
}

// momentAt returns the moment at which the server has sent n bytes.
func momentAt(st *stage, script *transcript.Script, served []int, n int) moment {
	i, _ := slices.BinarySearch(served, n+1) // the line that ends after n bytes
	if i > 0 {
		n -= served[i-1]
	}
	history, line := script.Before(i)
	line = strings.ReplaceAll(line, "{tag}", "T1")
	if !strings.Contains(line, "{") && n <= len(line) {
		return moment{st.proto, history, line[:n]}
	}
	return moment{st.proto, history, fmt.Sprintf("%s %d", line, n)}
}

func lastOf(served []int) int {
	if len(served) == 0 {
		return 0
	}
	return served[len(served)-1]
}

func (st *stage) checkCut(t *testing.T, script *transcript.Script, n, total int) performance {
	t.Helper()
	p := st.play(t, script, transcript.CutAfter(n))
	label := fmt.Sprintf("cut after %d of %d bytes: ", n, total)
	if p.took != 0 {
		t.Errorf(label+"got an answer after %v, want it at once", p.took)
	}
	st.checkFault(t, label, script, p, transcript.Closed, n == total)
	return p
}

func (st *stage) checkStall(t *testing.T, script *transcript.Script, n, total int) performance {
	t.Helper()
	p := st.play(t, script, transcript.StallAfter(n))
	label := fmt.Sprintf("stalled after %d of %d bytes: ", n, total)
	if want := callerPatience; errors.Is(p.err, errLunch) && p.took != want {
		t.Errorf(label+"got an answer after %v, want it when the caller goes after %v", p.took, want)
	} else if p.took != 0 && p.took != want {
		t.Errorf(label+"got an answer after %v, want it at once", p.took)
	}
	st.checkFault(t, label, script, p, transcript.Canceled, n == total)
	return p
}

// checkFault checks how a performance with a fault ended: as the fault has it,
// or, if the client knew enough before, as the script has it.
func (st *stage) checkFault(t *testing.T, label string, script *transcript.Script, p performance, class transcript.Class, complete bool) {
	t.Helper()
	st.checkManners(t, p)
	if p.err == nil {
		if script.Expect != transcript.OK || !complete {
			t.Error(label + "got success, want an error")
		}
		return
	}
	got := st.classes(p.err)
	if !slices.Contains(got, class) && !slices.Contains(got, script.Expect) {
		t.Errorf(label+"got error %q of the classes %q, want %s or %s", p.err, got, class, script.Expect)
	}
}

// TestHandshakesCutAndStalledByByte does the same in the TLS handshake, and in
// all that follows it, to the bytes that really are on the wire.
func TestHandshakesCutAndStalledByByte(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("thousands of sessions: not with -short")
	}
	// One for each protocol and, but for POP3, mode of TLS will do.
	eachTranscript(t, "odd-lower-case", tls.VersionTLS13, func(t *testing.T, st *stage, script *transcript.Script) {
		bubble(t, func(t *testing.T) {
			n := 0
			for ; st.checkWireFault(t, script, n, false); n++ {
				st.checkWireFault(t, script, n, true)
			}
			if n < 500 {
				t.Errorf("got %d bytes on the wire, want a whole session", n)
			}
		})
	})
}

// checkWireFault plays script with a fault after n bytes on the wire, and
// reports whether it came to that.
func (st *stage) checkWireFault(t *testing.T, script *transcript.Script, n int, stall bool) bool {
	t.Helper()
	faulty := *st
	faulty.wrap = func(conn net.Conn, onFault func()) net.Conn {
		return &limitedConn{Conn: conn, left: n, stall: stall, onFault: onFault}
	}
	p := faulty.play(t, script, transcript.Fault{})
	p.player = nil // it cannot go on
	label := fmt.Sprintf("%d bytes on the wire, stall %t: ", n, stall)
	st.checkManners(t, p)
	want, took := transcript.Closed, time.Duration(0)
	if stall {
		want, took = transcript.Canceled, callerPatience
	}
	if p.fault && (p.took != took || p.err == nil || !slices.Contains(st.classes(p.err), want)) {
		t.Errorf(label+"got error %v after %v, want %s after %v", p.err, p.took, want, took)
	}
	return p.fault
}

// limitedConn lets only so many bytes out.
type limitedConn struct {
	net.Conn
	left    int
	stall   bool // swallow the rest; otherwise close
	onFault func()
}

func (c *limitedConn) Write(b []byte) (int, error) {
	if len(b) <= c.left {
		c.left -= len(b)
		return c.Conn.Write(b)
	}
	n, err := c.Conn.Write(b[:c.left])
	c.left = 0
	if c.onFault != nil {
		c.onFault()
		c.onFault = nil
	}
	if c.stall {
		return len(b), err
	}
	c.Conn.Close()
	return n, net.ErrClosed
}
