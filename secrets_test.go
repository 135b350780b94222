package xoauth2_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/oauth2"

	"github.com/xoauth2/go-xoauth2"
	"github.com/xoauth2/go-xoauth2/exchangetest"
)

// evidence is everything that a program sees of this package but tokens: what
// ends up in logs.
type evidence struct{ text bytes.Buffer }

// add renders values in all the ways that programs do.
func (e *evidence) add(values ...any) {
	logs := []*slog.Logger{slog.New(slog.NewTextHandler(&e.text, nil)), slog.New(slog.NewJSONHandler(&e.text, nil))}
	for _, v := range values {
		fmt.Fprintf(&e.text, "%v\n%+v\n%#v\n%s\n%q\n%x\n", v, v, v, v, v, v)
		if data, err := json.Marshal(v); err == nil {
			e.text.Write(data)
		}
		for _, log := range logs {
			log.Info("log", "value", v)
		}
	}
}

// addError renders an error, all that it wraps, and what it is diagnosed as.
func (e *evidence) addError(err error) {
	if err == nil {
		return
	}
	e.add(err, xoauth2.Diagnose(err), *xoauth2.Diagnose(err))
	for inner := err; inner != nil; inner = errors.Unwrap(inner) {
		e.add(inner)
	}
	if refusal, ok := errors.AsType[*xoauth2.TokenError](err); ok {
		e.add(*refusal)
	}
	if foreign, ok := errors.AsType[*oauth2.RetrieveError](err); ok {
		e.add(*foreign, *foreign.Response, foreign.Body, string(foreign.Body))
	}
	if refusal, ok := errors.AsType[*xoauth2.AuthError](err); ok {
		e.add(*refusal, refusal.Trace())
	}
}

// piece is how much of a secret must not be seen.
const piece = 16

// pieces returns parts of secrets, one of which is in every text that holds two
// pieces' length of a secret, in clear, in base64 or in hex.
func pieces(secrets []string) map[string]string {
	found := make(map[string]string)
	for _, secret := range secrets {
		forms := map[string]string{"in clear": secret, "in hex": hex.EncodeToString([]byte(secret))}
		if head, signature, ok := cutJWT(secret); ok {
			// Claims are no secret: their base64 is in that of texts that name the same.
			forms["in clear"] = signature
			found[head[len(head)-piece/2:]+"."+signature[:piece/2-1]] = "in clear"
		}
		for pad := range 3 {
			padded := []byte(strings.Repeat("x", pad) + secret)
			forms[fmt.Sprint("in base64 at ", pad)] = base64.StdEncoding.EncodeToString(padded)[4:]
		}
		for form, text := range forms {
			for ; len(text) >= piece; text = text[piece:] {
				found[text[:piece]] = form
			}
		}
	}
	return found
}

func cutJWT(token string) (head, signature string, ok bool) {
	i := strings.LastIndexByte(token, '.')
	if strings.Count(token, ".") != 2 || len(token)-i < piece {
		return "", "", false
	}
	return token[:i], token[i+1:], true
}

// findSecret returns where a text shows a secret, and in what form; -1: nowhere.
func findSecret(text string, secrets map[string]string) (at int, form string) {
	for i := 0; i+piece <= len(text); i++ {
		if form, ok := secrets[text[i:i+piece]]; ok {
			return i, form
		}
	}
	return -1, ""
}

func (e *evidence) check(t *testing.T, srv *exchangetest.Server) {
	t.Helper()
	text := e.text.String()
	secrets := pieces(srv.Secrets())
	if len(text) < 1000 || len(secrets) < 20 {
		t.Fatalf("got %d bytes of evidence and %d parts of secrets: too little to tell", len(text), len(secrets))
	}
	if at, form := findSecret(text, secrets); at >= 0 {
		before := text[max(0, at-300):at]
		t.Errorf("a secret is shown, %s, after %q", form, before)
	}
}

// TestFindSecret makes sure that the search finds what it is for.
func TestFindSecret(t *testing.T) {
	t.Parallel()
	const secret = "1.Ab0123456789abcdefghijklmnopqrstuvwxyz"
	secrets := pieces([]string{secret})
	for _, text := range []string{
		secret, "error: " + secret + "!", secret[3:], fmt.Sprintf("%x", secret), hex.EncodeToString([]byte("xyz" + secret)),
		base64.StdEncoding.EncodeToString([]byte(secret)), base64.URLEncoding.EncodeToString([]byte("1" + secret)),
		base64.RawStdEncoding.EncodeToString([]byte("user=a\x01auth=Bearer " + secret + "\x01\x01")),
	} {
		if at, _ := findSecret(text, secrets); at < 0 {
			t.Errorf("not found in %q", text)
		}
	}
	if at, form := findSecret("nothing to see 0123 here", secrets); at >= 0 {
		t.Errorf("found %s where there is nothing", form)
	}
}

// secretFlow is one run of all flows against one server, some of which fail.
type secretFlow struct {
	evidence
	n     int // of the scenario: what is not tried with all of them takes turns
	srv   *exchangetest.Server
	apps  []*xoauth2.App
	trace bytes.Buffer

	mu    sync.Mutex
	stack []byte // of all goroutines, at a moment when something hangs
}

// options returns dial options that write a trace.
func (f *secretFlow) options() *xoauth2.DialOptions {
	o := f.srv.DialOptions()
	o.DialContext, o.Trace, o.VerifyMailbox = f.srv.MemoryDial, &f.trace, true
	return o
}

// dialAll logs in to everything, and does what shows the faults of a session.
func (f *secretFlow) dialAll(t *testing.T, ts oauth2.TokenSource) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	o := f.options()
	f.add(o)
	imapClient, err := xoauth2.DialIMAP(ctx, ada, ts, o)
	f.addError(err)
	if err == nil {
		_, err = imapClient.Select("INBOX", nil).Wait()
		f.addError(err)
		f.add(imapClient.Close())
	}
	pop3Client, err := xoauth2.DialPOP3(ctx, ada, ts, o)
	f.addError(err)
	if err == nil {
		f.add(pop3Client)
		_, _, err = pop3Client.Stat()
		f.addError(err)
		f.add(pop3Client.Close())
	}
	smtpClient, err := xoauth2.DialSMTP(ctx, ada, ts, o)
	f.addError(err)
	if err == nil {
		f.addError(smtpClient.SendMail(ada, []string{bea}, strings.NewReader("Subject: x\r\n\r\nx\r\n")))
		f.add(smtpClient.Close())
	}
}

// memoryApps registers a public client, and one with a credential.
func (f *secretFlow) memoryApps(store xoauth2.TokenStore) {
	kind := f.n / 2 % 3
	confidential := exchangetest.AppOptions{WorkloadIdentity: kind == 1}
	if kind == 2 {
		confidential.Key, confidential.Certificate = exchangetest.NewCertificate("secrets")
	}
	for _, o := range []exchangetest.AppOptions{confidential, {Public: true}} {
		o.RedirectURL = callbackURL
		app := memoryApp(f.srv, &o)
		app.Store = store
		f.apps = append(f.apps, app)
	}
}

// run goes through all flows. The fault comes when everybody has signed in and
// tokens are to be renewed; those of the mail servers do not concern sign-ins.
func (f *secretFlow) run(t *testing.T, scenario exchangetest.Scenario) {
	var accounts []*xoauth2.Account
	for _, app := range f.apps {
		accounts = append(accounts, signInOnTheWeb(t, f.srv, app, ada))
	}
	time.Sleep(2 * time.Hour)
	defer scenario.Start(f.srv).Clear()
	defer time.AfterFunc(10*time.Second, f.takeStack).Stop()
	for i, app := range f.apps {
		account := accounts[i]
		for _, ts := range []xoauth2.TokenSource{account, account.For(xoauth2.IMAP), app.ClientCredentials()} {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			_, err := ts.TokenContext(ctx)
			f.addError(err)
			cancel()
		}
		if scenario.Protocols == nil {
			f.signIns(t, app)
		}
		time.Sleep(10 * time.Minute) // until no renewal is under way that writes what is rendered
		synctest.Wait()
		f.add(app, app.Credential, account, app.ClientCredentials(), account.For(xoauth2.SMTP), account.For(xoauth2.SMTP, xoauth2.IMAP))
	}
	sources := []oauth2.TokenSource{f.apps[0].ClientCredentials(), accounts[1].For(xoauth2.IMAP, xoauth2.SMTP), f.srv.TokenSource(ada)}
	f.dialAll(t, sources[f.n%len(sources)])
}

// takeStack notes what a panic would print now.
func (f *secretFlow) takeStack() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stack = make([]byte, 1<<20)
	f.stack = f.stack[:runtime.Stack(f.stack, true)]
}

// finish signs everybody out, and looks at everything that was seen.
func (f *secretFlow) finish(t *testing.T) {
	for _, app := range f.apps {
		account, err := app.Account(t.Context(), ada)
		f.addError(err)
		if err == nil {
			f.addError(account.SignOut(t.Context()))
		}
		_, err = app.Account(t.Context(), ada)
		f.addError(err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.text.Write(f.stack)
	f.text.Write(f.trace.Bytes())
	f.check(t, f.srv)
}

// signIns signs in anew, on the web and on a device, which may fail.
func (f *secretFlow) signIns(t *testing.T, app *xoauth2.App) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	code, verifier := codeOnTheWeb(t, f.srv, app, ada)
	account, err := app.Exchange(ctx, code, verifier)
	f.addError(err)
	f.add(account)
	_, err = app.Exchange(ctx, code, verifier) // again
	f.addError(err)
	f.srv.SignIn(ada)
	account, err = app.DeviceLogin(ctx, showNothing)
	f.addError(err)
	f.add(account)
}

// TestSecrets runs every flow under every scripted failure, and looks for the
// secrets of the run in everything that a program would log, and in every file
// but the store's own.
func TestSecrets(t *testing.T) {
	disk := t.TempDir()
	for _, name := range []string{"HOME", "TMPDIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"} {
		t.Setenv(name, filepath.Join(disk, name))
	}
	plain, sealed := filepath.Join(disk, "plain"), filepath.Join(disk, "sealed")
	scenarios := append(exchangetest.Scenarios(), exchangetest.Scenario{
		Name: "no-fault", Start: func(srv *exchangetest.Server) *exchangetest.Fault { return srv.SkewClock(0) },
	})
	for i, scenario := range scenarios {
		t.Run(scenario.Name, func(t *testing.T) {
			store := xoauth2.FileStore(plain)
			if i%2 == 1 {
				store = xoauth2.EncryptedStore(xoauth2.FileStore(sealed), [32]byte{1, 2, 3})
			}
			f := &secretFlow{srv: newExchange(t), n: i}
			inMemory(t, f.srv, func(t *testing.T) {
				f.memoryApps(store)
				f.run(t, scenario)
				checkFiles(t, disk, plain, pieces(f.srv.Secrets()))
				f.finish(t)
			})
		})
	}
}

// checkFiles looks into every file below dir but those of a store.
func checkFiles(t *testing.T, dir, store string, secrets map[string]string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if at, _ := findSecret(path, secrets); at >= 0 {
			t.Errorf("a file name shows a secret")
		}
		if entry.IsDir() || strings.HasPrefix(path, store) {
			return nil
		}
		data, err := os.ReadFile(path)
		if at, form := findSecret(string(data), secrets); at >= 0 {
			t.Errorf("%s shows a secret, %s", path, form)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
