package transcript_test

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/xoauth2/go-xoauth2/internal/transcript"
)

const (
	liveToken  = "eyJ0eXAicanary.eyJhdWQiOiJjanary.c2lnbmF0dXJl"
	liveTenant = "8f6c1e2a-4b7d-4c7e-9a51-0c0ffee00001"
)

// record makes a recording of a trace with these lines.
func record(t *testing.T, lines ...string) (string, error) {
	t.Helper()
	r := transcript.NewRecorder(transcript.Identity{
		Mailbox: "ann.smith@fabrikam.example",
		Tenant:  liveTenant,
		Token:   liveToken,
		Hosts:   []string{"outlook.office365.com"},
	})
	fmt.Fprintln(r, "# Transport: implicit TLS")
	fmt.Fprintln(r, "# User:      ann.smith@fabrikam.example")
	fmt.Fprintln(r, "# (TLS handshake: TLSv1.3)")
	for _, line := range lines {
		fmt.Fprintln(r, line)
	}
	fmt.Fprintln(r, "expect: refused")
	path := filepath.Join(t.TempDir(), "a.txt")
	err := r.Save(path, "What:      a recording")
	data, readErr := os.ReadFile(path)
	if (err == nil) != (readErr == nil) {
		t.Fatalf("got error %v and from reading %v, want a file or an error", err, readErr)
	}
	return string(data), err
}

func TestRecorderScrubs(t *testing.T) {
	t.Parallel()
	b64 := base64.StdEncoding.EncodeToString
	tests := []struct{ name, line, want string }{
		{"nothing", "S: * OK [CAPABILITY IMAP4rev1 SASL-IR THREAD=ORDEREDSUBJECT] ready", "S: * OK [CAPABILITY IMAP4rev1 SASL-IR THREAD=ORDEREDSUBJECT] ready"},
		{"mailbox", "S: * OK Ann.Smith@Fabrikam.example is in", "S: * OK {user} is in"},
		{"domain", "S: * OK somebody@fabrikam.example is in", "S: * OK somebody@contoso.test is in"},
		{"token", "S: * NO " + liveToken, "S: * NO {token}"},
		{"tenant", "S: * OK tenant " + liveTenant, "S: * OK tenant contoso.test"},
		{"dialled host", "S: 220 outlook.office365.com ready", "S: 220 {host} ready"},
		{"other host", "S: 535 5.7.3 no [SN2PR00CA0018.namprd00.prod.outlook.com]", "S: 535 5.7.3 no [mail.contoso.test]"},
		{"message id", "S: 250 2.0.0 OK <abc.123@HE1PR01.eurprd01.prod.outlook.com>", "S: 250 2.0.0 OK <id@contoso.test>"},
		{"correlation id", "S: * NO 0B1F2E3D-0000-1111-2222-333344445555", "S: * NO 00000000-0000-0000-0000-000000000000"},
		{"address", "S: 250 Hello [198.51.100.77]", "S: 250 Hello [192.0.2.1]"},
		{"IPv6 address", "S: 250 Hello [2603:10a6:20b:1::7]", "S: 250 Hello [2001:db8::1]"},
		{"Exchange's name", "S: * OK ready. [TQBOADIAUABSADEANQBDAEEAMAAwADAAMQAuAG4AYQBtAHAAcgBkADEANQA=]", "S: * OK ready. [TQBBAEkATAA=]"},
		{"challenge", "S: + " + b64([]byte(`{"status":"401","config":"https://login.fabrikam.example/x"}`)), "S: + " + b64([]byte(`{"status":"401","config":"https://mail.contoso.test/x"}`))},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := record(t, tt.line)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(got, "\n"+tt.want+"\n") {
				t.Errorf("got %s\nwant the line %q", got, tt.want)
			}
			if strings.Contains(strings.ToLower(got), "fabrikam") {
				t.Errorf("got %s\nwant no name of the tenant", got)
			}
		})
	}
}

func TestRecorderRefuses(t *testing.T) {
	t.Parallel()
	secret := strings.Repeat("aGVsbG8x", 5)
	tests := []struct{ name, line string }{
		{"base64", "C: AUTH XOAUTH2 " + secret},
		{"base64url", "S: * OK " + strings.ReplaceAll(secret, "x", "-_")},
		{"challenge", "S: + " + secret + secret},
		{"secret in an error document", "S: 334 " + base64.StdEncoding.EncodeToString([]byte(`{"scope":"`+secret+`"}`))},
		{"no transcript", "what is this"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got, err := record(t, tt.line); err == nil {
				t.Errorf("got %s\nwant an error", got)
			} else if strings.Contains(err.Error(), secret) {
				t.Errorf("got error %q, want one without the secret", err)
			}
		})
	}
}

func TestRecorderHoldsNoSecret(t *testing.T) {
	t.Parallel()
	r := transcript.NewRecorder(transcript.Identity{Token: liveToken})
	for _, verb := range []string{"%v", "%+v", "%#v"} {
		if got := fmt.Sprintf(verb, r); strings.Contains(got, "canary") {
			t.Errorf("%s: got %s, want no token", verb, got)
		}
	}
}
