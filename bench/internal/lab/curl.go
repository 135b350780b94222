package lab

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Curl has curl log in at a URL, and returns when it was ready for its first
// command, and when it had finished. The token is not among its arguments.
func Curl(tb testing.TB, m *Mail, url string, lines ...string) (ready, finished time.Duration) {
	tb.Helper()
	ca := filepath.Join(tb.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, m.PEM, 0o600); err != nil {
		tb.Fatal(err)
	}
	lines = append(lines, "silent", "show-error", "ssl-reqd", `output = "/dev/null"`,
		`write-out = "%{stderr}%{time_pretransfer} %{time_total}\n"`, `login-options = "AUTH=XOAUTH2"`,
		fmt.Sprintf("url = %q\ncacert = %q\nuser = %q\noauth2-bearer = %q", url, ca, m.User+":", m.Token))
	command := exec.CommandContext(tb.Context(), "curl", "--disable", "--config", "-")
	command.Stdin = strings.NewReader(strings.Join(lines, "\n"))
	var printed bytes.Buffer
	command.Stderr = &printed
	_ = command.Run() // some servers hang up at the end, and that is no matter
	last := strings.Fields(printed.String())
	if len(last) < 2 {
		tb.Fatalf("curl printed %q", printed.String())
	}
	return seconds(tb, last[len(last)-2]), seconds(tb, last[len(last)-1])
}

func seconds(tb testing.TB, text string) time.Duration {
	tb.Helper()
	value, err := strconv.ParseFloat(text, 64)
	if err != nil {
		tb.Fatal(err)
	}
	return time.Duration(value * float64(time.Second))
}
