//go:build linux

package xoauth2_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/xoauth2/go-xoauth2"
	"github.com/xoauth2/go-xoauth2/internal/realserver"
)

// curlLoginDenied is curl's exit status after a refused login.
const curlLoginDenied = 67

// curl has curl do something as a user, with further lines of configuration,
// and returns what it prints and its exit status.
func (w *realWorld) curl(t *testing.T, s realService, path, user, token string, lines ...string) (output string, status int) {
	t.Helper()
	scheme := strings.ToLower(s.proto.String())
	if !s.startTLS {
		scheme += "s"
	}
	config := fmt.Sprintf("silent\nshow-error\nssl-reqd\nurl = %q\ncacert = %q\nuser = %q\noauth2-bearer = %q\n",
		scheme+"://"+w.Addr(s.port)+"/"+path, w.CAFile(), user+":", token)
	cmd := exec.CommandContext(t.Context(), realserver.Program(t, "curl", "curl"), "--disable", "--config", "-")
	cmd.Stdin = strings.NewReader(config + strings.Join(lines, "\n"))
	printed, err := cmd.CombinedOutput()
	var failed *exec.ExitError
	if err != nil && !errors.As(err, &failed) {
		t.Fatal(err)
	}
	return realserver.Mask(string(printed)), cmd.ProcessState.ExitCode()
}

// TestRealServersCurl shows with another client that the servers are what they
// should be.
func TestRealServersCurl(t *testing.T) {
	t.Parallel()
	const user = "bob@contoso.test"
	w := newRealWorld(t, realserver.Options{Mailboxes: []string{testUser}})
	mail := newMail(testUser, user, "curl")
	w.Deliver(t, user, []byte(mail))
	file := filepath.Join(t.TempDir(), "mail")
	if err := os.WriteFile(file, []byte(mail), 0o600); err != nil {
		t.Fatal(err)
	}
	good, forged := w.token(t, user), w.token(t, user, w.entra.IssueForgedTokens())
	for _, mechanism := range []string{"XOAUTH2", "OAUTHBEARER"} {
		for _, s := range realServices() {
			t.Run(mechanism+" "+s.String(), func(t *testing.T) {
				t.Parallel()
				lines := []string{fmt.Sprintf("login-options = %q", "AUTH="+mechanism)}
				path, want := "", mail
				switch s.proto {
				case xoauth2.IMAP:
					path = "INBOX;MAILINDEX=1"
				case xoauth2.POP3:
					path = "1"
				case xoauth2.SMTP:
					lines = append(lines, fmt.Sprintf("mail-from = %q\nmail-rcpt = %q\nupload-file = %q", user, testUser, file))
					want = ""
				}
				if output, status := w.curl(t, s, path, user, good, lines...); status != 0 || output != want {
					t.Errorf("got status %d and %q, want 0 and %q", status, output, want)
				}
				if output, status := w.curl(t, s, path, user, forged, lines...); status != curlLoginDenied {
					t.Errorf("got status %d for a forged token, want %d: %s", status, curlLoginDenied, output)
				}
			})
		}
	}
}
