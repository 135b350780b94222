package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/xoauth2/go-xoauth2/exchangetest"
)

func TestDemonstration(t *testing.T) {
	t.Parallel()
	for _, verbose := range []bool{false, true} {
		srv := exchangetest.NewServer()
		t.Cleanup(srv.Close)
		var out bytes.Buffer
		if err := play(t.Context(), &out, srv, verbose); err != nil {
			t.Fatalf("got error %v after\n%s", err, &out)
		}
		wanted := []string{
			"client credentials, secret", "client credentials, certificate", "client credentials, workload identity",
			"authorization code, web application", "authorization code, desktop and browser", "silent, from the same sign-in", "device code",
			"SMTP: alice sent a message to bob", `IMAP: bob has "Hello from quickstart"`, "POP3: bob has it in full", "AUTHENTICATE XOAUTH2 {ir}",
		}
		if verbose {
			wanted = append(wanted, "C: STARTTLS", "C: AUTH XOAUTH2 {ir}", "C: AUTH XOAUTH2\n")
		}
		for _, want := range wanted {
			if !strings.Contains(out.String(), want) {
				t.Errorf("verbose %t: the output lacks %q:\n%s", verbose, want, &out)
			}
		}
		for _, secret := range srv.Secrets() {
			if strings.Contains(out.String(), secret) {
				t.Errorf("verbose %t: the output holds a secret of %d characters", verbose, len(secret))
			}
		}
	}
}

func TestEnvironment(t *testing.T) {
	t.Parallel()
	env := make(map[string]string)
	get := func(name string) string { return env[name] }
	if real, err := fromEnvironment(get); real != nil || err != nil {
		t.Errorf("nothing set: got %v, %v, want the demonstration", real, err)
	}
	env["XOAUTH2_TENANT"], env["XOAUTH2_MAILBOX"] = "contoso.com", "ann@contoso.com"
	if _, err := fromEnvironment(get); err == nil || !strings.Contains(err.Error(), "lacks XOAUTH2_CLIENT_ID, XOAUTH2_CLIENT_SECRET") {
		t.Errorf("half of it set: got %v, want the names of what is missing", err)
	}
	env["XOAUTH2_CLIENT_ID"], env["XOAUTH2_CLIENT_SECRET"] = "c", "s"
	if real, err := fromEnvironment(get); err != nil || real == nil || real.address != "ann@contoso.com" {
		t.Errorf("all set: got %v, %v", real, err)
	}
}
