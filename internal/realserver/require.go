//go:build linux

package realserver

import (
	"os"
	"os/exec"
	"testing"
)

// postfixMaster is the process that runs all of Postfix's services.
const postfixMaster = "/usr/lib/postfix/sbin/master"

// require skips the test if the servers cannot be started.
func require(tb testing.TB) {
	tb.Helper()
	if os.Getuid() != 0 {
		missing(tb, "they are started by root only")
	}
	for _, program := range []string{"/usr/lib/dovecot/imap", "/usr/lib/dovecot/pop3", postfixMaster} {
		Program(tb, program, "dovecot-imapd dovecot-pop3d postfix")
	}
}

// Program returns the path of a program, or skips the test if it is missing,
// naming the packages it comes from.
func Program(tb testing.TB, name, packages string) string {
	tb.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		missing(tb, "install "+packages)
	}
	return path
}

// missing skips the test, or fails it if the servers are required.
func missing(tb testing.TB, remedy string) {
	tb.Helper()
	switch required := os.Getenv("XOAUTH2_REQUIRE_SERVERS"); required {
	case "":
		tb.Skip("no real servers: " + remedy)
	case "1":
		tb.Fatal("no real servers: " + remedy)
	default:
		tb.Fatalf("XOAUTH2_REQUIRE_SERVERS: got %q, want 1 or nothing", required)
	}
}
