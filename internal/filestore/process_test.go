package filestore_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os/exec"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/xoauth2/go-xoauth2/internal/filestore"
)

// TestProcesses: many processes, and many stores in each of them, lose no update.
func TestProcesses(t *testing.T) {
	t.Parallel()
	processes := 20
	if testing.Short() {
		processes = 4
	}
	s, dir := newStore(t)
	var children []*exec.Cmd
	output := make([]bytes.Buffer, processes)
	for i := range processes {
		cmd := child("increment", dir)
		cmd.Stderr = &output[i]
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		children = append(children, cmd)
	}
	here := make(chan error, 2)
	for range cap(here) {
		go func() { here <- increment(filestore.New(dir), increments) }()
	}
	for range cap(here) {
		if err := <-here; err != nil {
			t.Error(err)
		}
	}
	for i, cmd := range children {
		if err := cmd.Wait(); err != nil {
			t.Errorf("process %d: %v: %s", i, err, &output[i])
		}
	}
	wantValue(t, s, sharedKey, []byte(strconv.Itoa((processes+cap(here))*increments)))
	wantNoTemp(t, dir)
}

// TestDeletingStores: the removal of lock files, which comes with deletion, lets no two holders in.
func TestDeletingStores(t *testing.T) {
	t.Parallel()
	_, dir := newStore(t)
	busy := make(chan struct{}, 1)
	absent := func([]byte) ([]byte, error) {
		select {
		case busy <- struct{}{}:
			runtime.Gosched()
			<-busy
			return nil, nil
		default:
			return nil, errors.New("two at once")
		}
	}
	const workers, rounds = 32, 400
	done := make(chan error)
	for range workers {
		go func() {
			s := filestore.New(dir)
			var err error
			for i := 0; i < rounds && err == nil; i++ {
				err = s.Update(context.Background(), sharedKey, absent)
			}
			done <- err
		}()
	}
	for range workers {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// TestKilled kills a writing process at random moments. What it leaves is a
// whole record, an open lock, and at most a temporary file that the next Update
// removes.
func TestKilled(t *testing.T) {
	t.Parallel()
	kills := 40
	if testing.Short() {
		kills = 5
	}
	s, dir := newStore(t)
	for range kills {
		cmd := child("rewrite", dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		// The moment is meant to be random; nothing is measured.
		time.Sleep(rand.N(10 * time.Millisecond))
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // "signal: killed"

		value, err := s.Load(context.Background(), sharedKey)
		if err != nil || len(value) != fillSize || !bytes.Equal(value, bytes.Repeat(value[:1], fillSize)) {
			t.Fatalf("got %d bytes (%.20q…) and error %v, want one letter %d times", len(value), value, err, fillSize)
		}
		err = s.Update(context.Background(), sharedKey, func(old []byte) ([]byte, error) {
			if !bytes.Equal(old, value) {
				t.Error("Update saw another record than Load")
			}
			return filled(0), nil
		})
		if err != nil {
			t.Fatal(err)
		}
		wantNoTemp(t, dir)
	}
}

// TestReadWhileReplaced: a reader, who takes no lock, sees whole records only.
func TestReadWhileReplaced(t *testing.T) {
	t.Parallel()
	s, dir := newStore(t)
	set(t, s, sharedKey, filled(0))
	writer := make(chan error)
	stop := make(chan struct{})
	go func() {
		var err error
		for i := 1; err == nil; i++ {
			select {
			case <-stop:
				writer <- nil
				return
			default:
				err = s.Update(context.Background(), sharedKey, func([]byte) ([]byte, error) { return filled(i), nil })
			}
		}
		writer <- err
	}()
	for range 2000 {
		value, err := filestore.New(dir).Load(context.Background(), sharedKey)
		if err != nil || !bytes.Equal(value, bytes.Repeat(value[:1], fillSize)) {
			t.Errorf("got %.20q… and error %v, want one letter %d times", value, err, fillSize)
			break
		}
	}
	close(stop)
	if err := <-writer; err != nil {
		t.Error(err)
	}
}

// TestWaitEnds: the context of a waiter ends its wait for a lock that somebody else holds.
func TestWaitEnds(t *testing.T) {
	t.Parallel()
	s, dir := newStore(t)
	reason := errors.New("enough")
	ctx, cancel := context.WithCancelCause(context.Background())
	err := s.Update(context.Background(), sharedKey, func([]byte) ([]byte, error) {
		time.AfterFunc(20*time.Millisecond, func() { cancel(reason) })
		err := filestore.New(dir).Update(ctx, sharedKey, func([]byte) ([]byte, error) {
			return nil, errors.New("two at once")
		})
		if !errors.Is(err, reason) {
			t.Errorf("got error %v, want %v", err, reason)
		}
		return []byte("x"), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	wantValue(t, s, sharedKey, []byte("x"))
	if names := fileNames(t, dir); len(names) != 2 {
		t.Errorf("got files %q, want the record and its lock", names)
	}
}
