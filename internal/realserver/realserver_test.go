//go:build linux

package realserver_test

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/xoauth2/go-xoauth2/internal/realserver"
)

// helperVariable makes TestHelper what TestEndWithProcess starts.
const helperVariable = "REALSERVER_HELPER"

func allPorts() []realserver.Port {
	return []realserver.Port{
		realserver.IMAP, realserver.IMAPS, realserver.POP3, realserver.POP3S, realserver.SMTP, realserver.SMTPS,
	}
}

func TestEndWithTest(t *testing.T) {
	t.Parallel()
	var s *realserver.Servers
	t.Run("servers", func(t *testing.T) {
		s = realserver.Start(t, realserver.Options{})
		for _, port := range allPorts() {
			conn, err := net.Dial("tcp", s.Addr(port))
			if err != nil {
				t.Fatal(err)
			}
			conn.Close()
		}
		if len(processesIn(t, filepath.Dir(s.CAFile()))) == 0 {
			t.Error("got no processes while the servers run")
		}
	})
	if s == nil {
		t.Skip("no servers were started")
	}
	dir := filepath.Dir(s.CAFile())
	if left := processesIn(t, dir); len(left) > 0 {
		t.Errorf("got processes %q after the test, want none", left)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("got %v for the folder after the test, want that it is gone", err)
	}
	for _, port := range allPorts() {
		if conn, err := net.Dial("tcp", s.Addr(port)); err == nil {
			conn.Close()
			t.Errorf("got a connection to port %d after the test", port)
		}
	}
}

// TestEndWithProcess kills a test while its servers run.
func TestEndWithProcess(t *testing.T) {
	t.Parallel()
	helper := exec.Command(os.Args[0], "-test.run=^TestHelper$")
	helper.Env = append(os.Environ(), helperVariable+"=1")
	input, err := helper.StdinPipe() // open, so that the helper waits
	if err != nil {
		t.Fatal(err)
	}
	defer input.Close()
	output, err := helper.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := helper.Start(); err != nil {
		t.Fatal(err)
	}
	var dir string
	_, scanErr := fmt.Fscanf(output, "folder %s\n", &dir)
	before := len(processesIn(t, dir))
	if err := helper.Process.Kill(); err != nil {
		t.Error(err)
	}
	_ = helper.Wait() // it was killed
	if scanErr != nil {
		t.Skip("no servers were started") // TestEndWithTest says why
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if before == 0 {
		t.Error("got no processes while the servers run")
	}
	left := processesIn(t, dir)
	for deadline := time.Now().Add(time.Minute); len(left) > 0 && time.Now().Before(deadline); left = processesIn(t, dir) {
		time.Sleep(10 * time.Millisecond)
	}
	if len(left) > 0 {
		t.Errorf("got processes %q after the test was killed, want none", left)
	}
}

// TestHelper is no test of its own.
func TestHelper(t *testing.T) {
	if os.Getenv(helperVariable) == "" {
		t.Skip("run by TestEndWithProcess")
	}
	s := realserver.Start(t, realserver.Options{})
	fmt.Printf("folder %s\n", filepath.Dir(s.CAFile()))
	_, _ = io.Copy(io.Discard, os.Stdin) // until it is killed
}

// processesIn returns the command lines of processes that work in dir or were
// started with it.
func processesIn(t *testing.T, dir string) (commands []string) {
	t.Helper()
	folders, err := filepath.Glob("/proc/[0-9]*")
	if err != nil || dir == "" {
		return nil
	}
	for _, folder := range folders {
		// What cannot be read has just ended.
		command, _ := os.ReadFile(filepath.Join(folder, "cmdline"))
		cwd, _ := os.Readlink(filepath.Join(folder, "cwd"))
		root, _ := os.Readlink(filepath.Join(folder, "root"))
		if strings.Contains(string(command)+"\n"+cwd+"\n"+root, dir) {
			commands = append(commands, strings.ReplaceAll(string(command), "\x00", " "))
		}
	}
	return commands
}
