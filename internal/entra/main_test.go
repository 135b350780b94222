package entra_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"html"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/xoauth2/go-xoauth2/internal/entra"
)

// quiet drops what httptest servers say about handshakes that are meant to fail.
var quiet = log.New(io.Discard, "", 0)

const endpoint = "https://login.example/tenant/oauth2/v2.0/token"

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

// run makes the certificate of httptest one that the system trusts, so that the
// transport of the process can be tested as it is, and fails on goroutines that
// outlive the tests.
func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "entra")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	server := httptest.NewTLSServer(nil)
	roots := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	server.Close()
	file := filepath.Join(dir, "roots.pem")
	if err := os.WriteFile(file, roots, 0o600); err != nil {
		panic(err)
	}
	os.Setenv("SSL_CERT_FILE", file)

	code := m.Run()
	if leaked := leakedGoroutines(); leaked != "" && code == 0 {
		fmt.Fprintf(os.Stderr, "goroutines left behind:\n%s\n", leaked)
		return 1
	}
	return code
}

// leakedGoroutines gives connections a while to notice that their server is gone.
func leakedGoroutines() string {
	var leaked []string
	for range 100 {
		leaked = leaked[:0]
		buf := make([]byte, 1<<20)
		for stack := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
			if strings.Contains(stack, "net/http.") || strings.Contains(stack, "internal/entra.") {
				leaked = append(leaked, stack)
			}
		}
		if len(leaked) == 0 {
			return ""
		}
		time.Sleep(50 * time.Millisecond)
	}
	return strings.Join(leaked, "\n\n")
}

// transport is an endpoint without a network.
type transport func(*http.Request) (*http.Response, error)

func (t transport) RoundTrip(req *http.Request) (*http.Response, error) { return t(req) }

// client returns a Client whose endpoint answers with t.
func client(t transport) *entra.Client {
	return entra.NewClient(&http.Client{Transport: t})
}

// answer returns an endpoint that always gives the same reply. header holds
// names and values by turns.
func answer(status int, body string, header ...string) transport {
	return func(req *http.Request) (*http.Response, error) {
		resp := &http.Response{
			Status:     strconv.Itoa(status) + " " + http.StatusText(status),
			StatusCode: status,
			Header:     http.Header{"Content-Type": {"application/json; charset=utf-8"}},
			Body:       io.NopCloser(strings.NewReader(body)),
			Request:    req,
		}
		for i := 0; i < len(header); i += 2 {
			resp.Header.Set(header[i], header[i+1])
		}
		return resp, nil
	}
}

// refusal asks an endpoint for a token and returns its refusal.
func refusal(t *testing.T, rt transport) *entra.Refusal {
	t.Helper()
	_, err := client(rt).Token(t.Context(), endpoint, url.Values{"client_secret": {canary}})
	var r *entra.Refusal
	if !errors.As(err, &r) {
		t.Fatalf("got error %v, want a *Refusal", err)
	}
	return r
}

// canary stands for a secret. It holds what each kind of escaping changes.
const canary = `Canary~/+&"<é%> 0123456789`

// spellings returns secret in every way that a text may hold it.
func spellings(secret string) map[string]string {
	quoted, _ := json.Marshal(secret)
	lower := strings.NewReplacer("%2F", "%2f", "%2B", "%2b", "%3C", "%3c", "%3E", "%3e", "%C3%A9", "%c3%a9")
	return map[string]string{
		"plain":      secret,
		"form":       url.QueryEscape(secret),
		"form lower": lower.Replace(url.QueryEscape(secret)),
		"path":       url.PathEscape(secret),
		"JSON":       strings.Trim(string(quoted), `"`),
		"JSON slash": strings.ReplaceAll(strings.Trim(string(quoted), `"`), "/", `\/`),
		"JSON ASCII": strings.Trim(strconv.QuoteToASCII(secret), `"`),
		"HTML":       html.EscapeString(secret),
		"Go":         strings.Trim(strconv.Quote(secret), `"`),
	}
}

// noTrace fails if any rendering of err shows even the beginning of the canary.
func noTrace(t *testing.T, err error) {
	t.Helper()
	noLeak(t, err, canary)
	for _, text := range renderings(err) {
		if strings.Contains(text, canary[:5]) {
			t.Fatalf("a part of the secret in %q", text)
		}
	}
}

// renderings returns err as fmt and JSON show it, and what can be reached from it.
func renderings(err error) []string {
	asJSON, _ := json.Marshal(err)
	texts := []string{err.Error(), fmt.Sprintf("%v %+v %#v", err, err, err), string(asJSON)}
	var r *entra.Refusal
	if errors.As(err, &r) && r.Retrieve != nil {
		//lint:ignore SA1026 whether it can be marshalled is not the question here
		inner, _ := json.Marshal(r.Retrieve)
		texts = append(texts, string(r.Retrieve.Body), r.Retrieve.Error(), string(inner), fmt.Sprintf("%#v %#v", *r, *r.Retrieve),
			fmt.Sprintf("%+v", *r.Retrieve.Response))
	}
	return texts
}

// noLeak fails if any rendering of err shows secret.
func noLeak(t *testing.T, err error, secret string) {
	t.Helper()
	hidden := spellings(secret)
	hidden["base64"] = base64.RawStdEncoding.EncodeToString([]byte(secret))
	hidden["base64url"] = base64.RawURLEncoding.EncodeToString([]byte(secret))
	for _, text := range renderings(err) {
		for how, s := range hidden {
			if strings.Contains(text, s) {
				t.Fatalf("secret (%s) in %q", how, text)
			}
		}
	}
}

func mustToken(t *testing.T, c *entra.Client, tokenURL string) {
	t.Helper()
	token, err := c.Token(context.WithoutCancel(t.Context()), tokenURL, url.Values{"grant_type": {"client_credentials"}})
	if err != nil {
		t.Fatal(err)
	}
	if token.AccessToken == "" {
		t.Fatal("got an empty token")
	}
}
