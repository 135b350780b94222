package exchangetest_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/xoauth2/go-xoauth2"
	"github.com/xoauth2/go-xoauth2/exchangetest"
)

// curl runs curl with a user's token against the server.
func curl(t *testing.T, srv *exchangetest.Server, arguments ...string) (output string, ok bool) {
	t.Helper()
	path, err := exec.LookPath("curl")
	if err != nil {
		t.Skip("curl is not installed")
	}
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, srv.CertificatePEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	arguments = append([]string{"--silent", "--show-error", "--cacert", ca, "--user", alice, "--oauth2-bearer", userToken(t, srv, alice)}, arguments...)
	octets, err := exec.CommandContext(ctx, path, arguments...).CombinedOutput()
	return string(octets), err == nil
}

// TestCurl drives the servers with a client that shares nothing with ours.
func TestCurl(t *testing.T) {
	t.Parallel()
	for _, style := range []exchangetest.Style{exchangetest.Exchange, exchangetest.Dovecot} {
		t.Run(style.String(), func(t *testing.T) {
			t.Parallel()
			srv := start(t, hello)
			srv.SetStyle(style)
			message := filepath.Join(t.TempDir(), "message")
			if err := os.WriteFile(message, []byte(hello), 0o600); err != nil {
				t.Fatal(err)
			}
			if output, ok := curl(t, srv, "--ssl-reqd", "--mail-from", alice, "--mail-rcpt", alice, "--upload-file", message,
				"smtp://"+srv.Addr(xoauth2.SMTP, true)); !ok {
				t.Errorf("SMTP: %s", output)
			}
			for _, url := range []string{
				"imaps://" + srv.Addr(xoauth2.IMAP, false) + "/INBOX;UID=2",
				"pop3s://" + srv.Addr(xoauth2.POP3, false) + "/2",
			} {
				if output, ok := curl(t, srv, url); !ok || !strings.Contains(output, "Subject: hello") {
					t.Errorf("%s: %s", url, output)
				}
			}
			srv.RefuseLogins()
			for _, url := range []string{"imaps://" + srv.Addr(xoauth2.IMAP, false), "pop3s://" + srv.Addr(xoauth2.POP3, false)} {
				if output, ok := curl(t, srv, url); ok {
					t.Errorf("%s: got success: %s", url, output)
				}
			}
		})
	}
}
