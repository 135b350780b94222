//go:build linux

package realserver

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
)

// AwaitLog waits until one of the servers logs a line that contains text, and
// returns that without tokens.
func (s *Servers) AwaitLog(tb testing.TB, text string) string {
	tb.Helper()
	const patience = time.Minute
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(pollInterval) {
		for _, name := range []string{"dovecot.log", "postfix.log"} {
			log, _ := os.ReadFile(s.path(name)) // Postfix begins its log later
			for line := range strings.Lines(string(log)) {
				if strings.Contains(line, text) && strings.HasSuffix(line, "\n") {
					return Mask(line)
				}
			}
		}
	}
	tb.Fatalf("realserver: got no %q in the logs", text)
	return ""
}

// showLogs shows what the servers logged if the test failed.
func (s *Servers) showLogs(tb testing.TB) {
	if !tb.Failed() {
		return
	}
	for _, name := range []string{"dovecot.out", "dovecot.log", "postfix.out", "postfix.log"} {
		log, err := os.ReadFile(s.path(name))
		if err == nil && len(log) > 0 {
			tb.Logf("%s:\n%s", name, Mask(string(log)))
		}
	}
}

// credential is what a token or something made of one looks like: a JWT is
// three words of base64, and nothing else comes in words that long.
var credential = regexp.MustCompile(`eyJ[\w-]+\.[\w-]+\.[\w-]*|[\w+/=.-]{100,}`)

// Mask takes tokens out of a text, as they are and in base64.
func Mask(text string) string { return credential.ReplaceAllLiteralString(text, "{masked}") }
