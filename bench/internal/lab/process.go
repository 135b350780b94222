package lab

import (
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"testing"
)

// serverVariable, if set, makes this program the server of FarMail.
const serverVariable = "XOAUTH2_BENCH_SERVER"

// ServeIfAsked makes the program a mail server, and does not return, if it was
// started by FarMail. It is to be called first in TestMain.
func ServeIfAsked() {
	if os.Getenv(serverVariable) == "" {
		return
	}
	server := NewServer(1)
	if err := json.NewEncoder(os.Stdout).Encode(MailOf(server)); err != nil {
		panic(err)
	}
	_, _ = io.Copy(io.Discard, os.Stdin) // until the parent is done
	server.Close()
	os.Exit(0)
}

// FarMail starts a mail server in another process, so that what is measured of
// this one is the client's alone.
func FarMail(tb testing.TB) *Mail {
	tb.Helper()
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), serverVariable+"=1")
	command.Stderr = os.Stderr
	stdin, err := command.StdinPipe()
	if err != nil {
		tb.Fatal(err)
	}
	stdout, err := command.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := command.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		stdin.Close()
		_ = command.Wait() // what it did is known
	})
	m := new(Mail)
	if err := json.NewDecoder(stdout).Decode(m); err != nil {
		tb.Fatal(err)
	}
	return m
}
