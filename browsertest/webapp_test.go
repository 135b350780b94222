package browsertest_test

import (
	"bufio"
	"io"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

var servedAt = regexp.MustCompile(`url=(http://localhost:\d+)`)

// startWebapp builds and starts the example with its fake, and returns where it
// serves.
func startWebapp(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "webapp")
	if out, err := exec.Command("go", "build", "-o", program, "github.com/xoauth2/go-xoauth2/examples/webapp").CombinedOutput(); err != nil {
		t.Fatalf("the example does not build: %v\n%s", err, out)
	}
	command := exec.Command(program, "-listen", "localhost:0")
	command.Env = []string{"TMPDIR=" + t.TempDir()}
	log, err := command.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill() // it may have ended
		_ = command.Wait()         // killed
	})
	base := make(chan string, 1)
	go func() {
		lines := bufio.NewScanner(log)
		for lines.Scan() {
			if found := servedAt.FindStringSubmatch(lines.Text()); found != nil {
				base <- found[1]
				break
			}
		}
		_, _ = io.Copy(io.Discard, log)
	}()
	select {
	case address := <-base:
		return address
	case <-time.After(time.Minute):
		t.Fatal("the example does not serve")
		return ""
	}
}

// TestWebapp uses the example as two people with browsers of their own do.
func TestWebapp(t *testing.T) {
	base := startWebapp(t)
	alice, bob := newBrowser(t), newBrowser(t)
	for _, b := range []*browser{alice, bob} {
		b.do(chromedp.Navigate(base))
		b.heading("Mail")
		b.do(chromedp.Click(`form[action="/sign-in"] button`))
		b.heading("Sign in")
	}
	alice.signIn("alice@contoso.com")
	text := alice.heading("Inbox")
	for _, words := range []string{"Lunch?", "Café receipts", "<script>alert(1)</script>", "alice@contoso.com"} {
		if !strings.Contains(text, words) {
			t.Errorf("Alice's page lacks %q: %s", words, text)
		}
	}
	if len(alice.dialogs) > 0 {
		t.Errorf("a message runs a script: %q", alice.dialogs)
	}
	bob.do(chromedp.Click(`button[value=cancel]`))
	bob.heading("You are not signed in")
	bob.do(chromedp.Navigate(base))
	bob.heading("Mail")
	bob.do(chromedp.Click(`form[action="/sign-in"] button`))
	bob.signIn("bob@contoso.com")
	if text := bob.heading("Inbox"); !strings.Contains(text, "Minutes of Monday's meeting") || strings.Contains(text, "Lunch?") {
		t.Errorf("Bob's page says %q", text)
	}
	alice.do(chromedp.Click(`form[action="/sign-out"] button`))
	alice.heading("Mail")
	bob.do(chromedp.Reload())
	bob.heading("Inbox")
}
