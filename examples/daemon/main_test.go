package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"github.com/xoauth2/go-xoauth2"
	"github.com/xoauth2/go-xoauth2/exchangetest"
)

// TestMain fails the run if a goroutine is left when all tests are over.
func TestMain(m *testing.M) {
	code := m.Run()
	if left := leftover(); code == 0 && left != "" {
		fmt.Fprintf(os.Stderr, "goroutines left behind:\n%s\n", left)
		code = 1
	}
	os.Exit(code)
}

// leftover returns the stacks of this module's goroutines that have not ended
// after a while.
func leftover() string {
	var left []string
	for range 250 {
		left = nil
		stacks := make([]byte, 1<<20)
		for stack := range strings.SplitSeq(string(stacks[:runtime.Stack(stacks, true)]), "\n\n") {
			if strings.Contains(stack, "xoauth2") && !strings.Contains(stack, ".TestMain(") {
				left = append(left, stack)
			}
		}
		if len(left) == 0 {
			return ""
		}
		time.Sleep(20 * time.Millisecond)
	}
	return strings.Join(left, "\n\n")
}

func TestDemonstration(t *testing.T) {
	t.Parallel()
	srv := exchangetest.NewServer()
	t.Cleanup(srv.Close)
	var out bytes.Buffer
	if err := play(t.Context(), &out, srv); err != nil {
		t.Fatalf("got error %v after\n%s", err, &out)
	}
	for _, want := range []string{
		"msg=watching mailbox=alice@contoso.com messages=1",
		"msg=watching mailbox=bob@contoso.com messages=0",
		`msg="new message" mailbox=alice@contoso.com from=carol@contoso.com subject=Lunch?`,
		"BYE Session invalidated - AccessTokenExpired",
		"Suggested Backoff Time: 1500 milliseconds",
		`msg="new message" mailbox=bob@contoso.com from=carol@contoso.com subject="Sent in between"`,
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the output lacks %q", want)
		}
	}
	if got := strings.Count(out.String(), `msg="new message"`); got != 2 {
		t.Errorf("got %d reports of new messages, want 2: none twice, and not the old one", got)
	}
	if got := srv.TokenRequests("client_credentials"); got < 2 {
		t.Errorf("got %d tokens, want a new one after the first had ended", got)
	}
	checkSecrets(t, srv, out.String())
	if t.Failed() {
		t.Log(out.String())
	}
}

func checkSecrets(t *testing.T, srv *exchangetest.Server, output string) {
	t.Helper()
	secrets := srv.Secrets()
	if len(secrets) == 0 {
		t.Error("the server saw no secrets")
	}
	for _, secret := range secrets {
		if strings.Contains(output, secret) {
			t.Errorf("the output holds a secret of %d characters", len(secret))
		}
	}
}

func TestMailboxThatCannotBeOpened(t *testing.T) {
	t.Parallel()
	srv := exchangetest.NewServer()
	t.Cleanup(srv.Close)
	srv.AddMailbox("alice@contoso.com")
	srv.RemoveServicePrincipal()
	c := &config{app: srv.App(nil), mailboxes: []string{"alice@contoso.com"}, options: srv.DialOptions()}
	err := watchAll(t.Context(), c, slog.New(slog.DiscardHandler))
	if _, ok := errors.AsType[*xoauth2.AuthError](err); !ok {
		t.Fatalf("got %v, want the refused login", err)
	}
	var out bytes.Buffer
	explain(&out, err)
	for _, want := range []string{"alice@contoso.com", "New-ServicePrincipal"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the explanation lacks %q:\n%s", want, &out)
		}
	}
	checkSecrets(t, srv, out.String())
}

func TestUsage(t *testing.T) {
	t.Parallel()
	id := map[string]string{"XOAUTH2_TENANT": "t", "XOAUTH2_CLIENT_ID": "c", "XOAUTH2_MAILBOXES": "a@b"}
	with := func(more ...string) map[string]string {
		env := map[string]string{more[0]: more[1]}
		for i := 2; i < len(more); i += 2 {
			env[more[i]] = more[i+1]
		}
		for name, value := range id {
			env[name] = value
		}
		return env
	}
	for _, test := range []struct {
		name   string
		args   []string
		env    map[string]string
		status int
		want   string
	}{
		{"help", []string{"-h"}, nil, 0, "XOAUTH2_CERTIFICATE_PASSWORD"},
		{"unknown flag", []string{"-x"}, nil, 2, "-x"},
		{"argument", []string{"x"}, nil, 2, `unexpected argument "x"`},
		{"half a configuration", nil, map[string]string{"XOAUTH2_TENANT": "t"}, 2, "XOAUTH2_CLIENT_ID, XOAUTH2_MAILBOXES"},
		{"a secret alone", nil, map[string]string{"XOAUTH2_CLIENT_SECRET": "s"}, 2, "XOAUTH2_TENANT, XOAUTH2_CLIENT_ID, XOAUTH2_MAILBOXES"},
		{"no credential", nil, id, 2, "XOAUTH2_CLIENT_SECRET or XOAUTH2_CERTIFICATE"},
		{"two credentials", nil, with("XOAUTH2_CLIENT_SECRET", "s", "XOAUTH2_CERTIFICATE", "f"), 2, "which one?"},
		{"no such file", nil, with("XOAUTH2_CERTIFICATE", "no-such-file"), 2, "no-such-file"},
		{"unknown cloud", nil, with("XOAUTH2_PROVIDER", "gmail", "XOAUTH2_CLIENT_SECRET", "s"), 2, "gcc-high"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var stderr bytes.Buffer
			getenv := func(name string) string { return test.env[name] }
			if got := run(t.Context(), test.args, getenv, io.Discard, &stderr); got != test.status {
				t.Errorf("got status %d, want %d", got, test.status)
			}
			if !strings.Contains(stderr.String(), test.want) {
				t.Errorf("got %q, want it to contain %q", &stderr, test.want)
			}
		})
	}
}

func TestCertificateFile(t *testing.T) {
	t.Parallel()
	srv := exchangetest.NewServer()
	t.Cleanup(srv.Close)
	key, certificate := exchangetest.NewCertificate("daemon")
	registered := srv.App(&exchangetest.AppOptions{Certificate: certificate, Key: key})
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "daemon.pem")
	data := append(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Raw})...)
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{
		"XOAUTH2_TENANT": srv.Tenant(), "XOAUTH2_CLIENT_ID": registered.ClientID,
		"XOAUTH2_CERTIFICATE": file, "XOAUTH2_MAILBOXES": "alice@contoso.com, bob@contoso.com,",
	}
	c, err := configure(func(name string) string { return env[name] })
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(c.mailboxes, " "); got != "alice@contoso.com bob@contoso.com" {
		t.Errorf("got mailboxes %q", got)
	}
	c.app.Provider, c.app.HTTPClient = srv.Provider(), srv.HTTPClient()
	if _, err := c.app.ClientCredentials().TokenContext(t.Context()); err != nil {
		t.Errorf("got %v, want a token by the certificate in the file", err)
	}
}

func TestPause(t *testing.T) {
	t.Parallel()
	throttled := xoauth2.Diagnose(&imap.Error{Type: "NO", Text: "Request is throttled. Suggested Backoff Time: 200000 milliseconds"})
	ended := xoauth2.Diagnose(&imap.Error{Type: "BYE", Text: "Session invalidated - AccessTokenExpired"})
	for _, test := range []struct {
		name        string
		diagnosis   *xoauth2.Diagnosis
		failures    int
		least, most time.Duration
	}{
		{"the token ended", ended, 1, 500 * time.Millisecond, time.Second},
		{"again and again", ended, 4, 4 * time.Second, 8 * time.Second},
		{"for days", ended, 1000, 150 * time.Second, 5 * time.Minute},
		{"throttled", throttled, 1, 200 * time.Second, 200 * time.Second},
		{"an administrator took the permission away", &xoauth2.Diagnosis{Class: xoauth2.ClassConfiguration}, 1, 150 * time.Second, 5 * time.Minute},
		{"nothing is known", xoauth2.Diagnose(context.DeadlineExceeded), 2, time.Second, 2 * time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			for range 100 {
				if got := pause(test.diagnosis, test.failures); got < test.least || got > test.most {
					t.Fatalf("got %v, want %v to %v", got, test.least, test.most)
				}
			}
		})
	}
}
