//go:build linux

package realserver

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// How long a server may take to start, and how often something is looked at.
const (
	startTimeout = time.Minute
	pollInterval = 5 * time.Millisecond
)

// process is a server's first process, which leads a group that all the others
// are in.
type process struct {
	cmd    *exec.Cmd
	exited chan struct{}

	watchdog *exec.Cmd
	leash    io.WriteCloser
}

// start starts a program whose output goes to a file. It ends, with all that it
// started, at the end of the test, or when the test is killed.
func start(tb testing.TB, output, program string, args ...string) *process {
	tb.Helper()
	p := &process{cmd: exec.Command(program, args...), exited: make(chan struct{})}
	if err := p.start(output); err != nil {
		tb.Fatal("realserver: ", err)
	}
	tb.Cleanup(func() {
		if err := p.stop(); err != nil {
			tb.Error("realserver: ", err)
		}
	})
	return p
}

func (p *process) start(output string) error {
	out, err := os.Create(output)
	if err != nil {
		return err
	}
	defer out.Close()
	p.cmd.Stdout, p.cmd.Stderr = out, out
	p.cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := errors.Join(adoptOrphans(), p.watch()); err != nil {
		return err
	}
	if err := p.cmd.Start(); err != nil {
		return errors.Join(err, p.leash.Close(), p.watchdog.Wait())
	}
	go func() {
		_ = p.cmd.Wait() // the log says why
		close(p.exited)
	}()
	_, err = fmt.Fprintln(p.leash, p.cmd.Process.Pid)
	return err
}

// watch starts a shell that kills the server's group, of which it is told, as
// soon as this process lets go of its standard input. Pdeathsig would not
// do: Postfix changes its effective user for a moment, which clears that.
func (p *process) watch() (err error) {
	p.watchdog = exec.Command("sh", "-c", `read -r group && ! read -r _ && kill -s KILL -- "-$group"`)
	p.watchdog.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // out of reach of a terminal's signals
	if p.leash, err = p.watchdog.StdinPipe(); err != nil {
		return err
	}
	return p.watchdog.Start()
}

// await waits until the server takes connections at addr.
func (p *process) await(addr string) error {
	for deadline := time.Now().Add(startTimeout); time.Now().Before(deadline); time.Sleep(pollInterval) {
		conn, err := net.DialTimeout("tcp", addr, startTimeout)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-p.exited:
			return fmt.Errorf("%s does not start: %v", p.cmd.Path, p.cmd.ProcessState)
		default:
		}
	}
	return fmt.Errorf("%s does not listen at %s", p.cmd.Path, addr)
}

// stop ends the whole group at once: nothing of it is worth a good end.
func (p *process) stop() error {
	if err := p.leash.Close(); err != nil {
		return err
	}
	_ = p.watchdog.Wait() // it fails if the server has ended by itself
	<-p.exited
	return reap(p.cmd.Process.Pid)
}

// adoptOrphans makes processes children of this one if their parent, below this
// one, ends.
func adoptOrphans() error { return unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) }

// reap waits until nothing is left of a process group whose leader has ended.
func reap(group int) error {
	for {
		_, err := syscall.Wait4(-group, nil, 0, nil)
		switch {
		case errors.Is(err, syscall.ECHILD):
			return nil
		case err != nil && !errors.Is(err, syscall.EINTR):
			return err
		}
	}
}
