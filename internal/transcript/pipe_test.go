package transcript_test

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/xoauth2/go-xoauth2/internal/transcript"
)

func TestPipeEnds(t *testing.T) {
	t.Parallel()
	near, far := transcript.Pipe()
	if _, err := io.WriteString(far, "bye"); err != nil {
		t.Fatal(err)
	}
	if err := far.Close(); err != nil || !far.Closed() || near.Closed() {
		t.Errorf("got error %v, closed %t and %t, want only the far end closed", err, far.Closed(), near.Closed())
	}
	if got, err := io.ReadAll(near); string(got) != "bye" || err != nil {
		t.Errorf("got %q, error %v, want what was written before the close", got, err)
	}
	if _, err := near.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("got error %v from writing to a closed peer, want EPIPE", err)
	}
	for name, f := range map[string]func([]byte) (int, error){"read": far.Read, "write": far.Write} {
		if _, err := f(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("got error %v from a %s on a closed end, want net.ErrClosed", err, name)
		}
	}
	if err := far.Close(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("got error %v from the second close, want net.ErrClosed", err)
	}
}

func TestPipeDeadlines(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		near, _ := transcript.Pipe()
		start := time.Now()
		near.SetDeadline(start.Add(time.Hour))
		near.SetReadDeadline(start.Add(time.Minute))
		near.SetWriteDeadline(start.Add(2 * time.Minute))
		if _, err := near.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != time.Minute {
			t.Errorf("got error %v after %v, want a timeout after a minute", err, time.Since(start))
		}
		n, err := near.Write(make([]byte, 1<<20))
		if !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != 2*time.Minute || n == 0 || n == 1<<20 {
			t.Errorf("got %d bytes written, error %v after %v, want some of them and a timeout after two minutes", n, err, time.Since(start))
		}
		near.SetDeadline(time.Time{})
	})
}

func TestPipeBlocksAndGoesOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		near, far := transcript.Pipe()
		go func() {
			near.Write(make([]byte, 1<<20))
			near.Close()
		}()
		synctest.Wait()
		if n, err := io.Copy(io.Discard, far); n != 1<<20 || err != nil {
			t.Errorf("got %d bytes, error %v, want %d", n, err, 1<<20)
		}
	})
}

func TestPipeCloseInterrupts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		near, _ := transcript.Pipe()
		time.AfterFunc(time.Second, func() { near.Close() })
		if _, err := near.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("got error %v, want net.ErrClosed", err)
		}
	})
}
