package browsertest_test

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

const (
	ada = "ada@contoso.com"
	bea = "bea@contoso.com"
)

// browser is a real one, without a window.
type browser struct {
	t   *testing.T
	ctx context.Context

	mu       sync.Mutex
	requests []string // URLs that were loaded, without their query
	dialogs  []string
}

// newBrowser starts a browser with a fresh profile, and stops it in the end.
func newBrowser(t *testing.T) *browser {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(chromium(t)),
		chromedp.NoSandbox,
		chromedp.DisableGPU,
		chromedp.IgnoreCertErrors, // those of the fake are of an authority of its own
		chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
	)
	allocator, stop := chromedp.NewExecAllocator(context.WithoutCancel(t.Context()), options...)
	t.Cleanup(stop)
	tab, closeTab := chromedp.NewContext(allocator)
	t.Cleanup(closeTab)
	b := &browser{t: t, ctx: tab}
	if err := chromedp.Listen(tab, b.listen); err != nil {
		t.Fatalf("the browser does not start: %v", err)
	}
	return b
}

// chromium returns the path of the browser.
func chromium(t *testing.T) string {
	t.Helper()
	program, err := exec.LookPath("chromium")
	if err == nil {
		return program
	}
	const remedy = "no browser: install Debian's package chromium"
	if os.Getenv("XOAUTH2_REQUIRE_SERVERS") == "1" {
		t.Fatal(remedy)
	}
	t.Skip(remedy)
	return ""
}

func (b *browser) listen(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch event := event.(type) {
	case *network.EventRequestWillBeSent:
		address, _, _ := strings.Cut(event.Request.URL, "?")
		b.requests = append(b.requests, address)
	case *page.EventJavascriptDialogOpening:
		b.dialogs = append(b.dialogs, event.Message)
	}
}

// loaded returns the URLs that were loaded, and forgets them.
func (b *browser) loaded() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	requests := b.requests
	b.requests = nil
	return requests
}

// patience is how long the browser may take for one step.
const patience = 30 * time.Second

// do runs actions.
func (b *browser) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		b.t.Fatalf("the browser: %v", err)
	}
}

// get runs an action that has a result.
func get[T any](b *browser, action chromedp.Action[T]) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	result, err := chromedp.Run(ctx, action)
	if err != nil {
		b.t.Fatalf("the browser: %v", err)
	}
	return result
}

// signIn fills in the fake Entra's sign-in page.
func (b *browser) signIn(username string) {
	b.t.Helper()
	b.do(
		chromedp.WaitVisible(`#username`),
		chromedp.Clear(`#username`),
		chromedp.SendKeys(`#username`, username),
		chromedp.Click(`button[value=signin]`),
	)
}

// heading waits for a page whose heading is want, and returns the page's text.
func (b *browser) heading(want string) string {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	path := `//h1[normalize-space()="` + want + `"]`
	if err := chromedp.Do(ctx, chromedp.WaitVisible(path)); err != nil {
		b.t.Fatalf("no page with the heading %q (%v), but\n%s", want, err, b.html())
	}
	return get(b, chromedp.Text(`body`))
}

// html returns the page.
func (b *browser) html() string {
	b.t.Helper()
	return get(b, chromedp.OuterHTML(`html`))
}
