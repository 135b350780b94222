//go:build linux

package realserver

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// Deliver puts messages into a mailbox, oldest first, behind the servers'
// backs. There is no mailbox that needs to be made first.
func (s *Servers) Deliver(tb testing.TB, mailbox string, messages ...[]byte) {
	tb.Helper()
	maildir := filepath.Join(s.path("mail"), mailbox)
	for _, folder := range []string{"", "tmp", "cur", "new"} {
		folder = filepath.Join(maildir, folder)
		if err := os.MkdirAll(folder, 0o700); err != nil {
			tb.Fatal(err)
		}
		if err := os.Chown(folder, mailOwner, mailOwner); err != nil {
			tb.Fatal(err)
		}
	}
	for _, message := range messages {
		// Dovecot numbers messages by the time with which their names begin.
		name := fmt.Sprintf("%d.1.%s", 1_000_000_000+s.delivered.Add(1), Host)
		unfinished := filepath.Join(maildir, "tmp", name)
		if err := os.WriteFile(unfinished, message, 0o644); err != nil {
			tb.Fatal(err)
		}
		if err := os.Rename(unfinished, filepath.Join(maildir, "new", name)); err != nil {
			tb.Fatal(err)
		}
	}
}

// Lock makes a mailbox one whose owner can log in, and no more.
func (s *Servers) Lock(tb testing.TB, mailbox string) {
	tb.Helper()
	s.Deliver(tb, mailbox)
	if err := os.Chown(filepath.Join(s.path("mail"), mailbox), 0, 0); err != nil {
		tb.Fatal(err)
	}
}
