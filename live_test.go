package xoauth2_test

import (
	"bytes"
	"context"
	"flag"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/xoauth2/go-xoauth2"
	"github.com/xoauth2/go-xoauth2/internal/transcript"
)

var record = flag.Bool("record", false, "write the live sessions, scrubbed, to testdata")

// liveVariables must all be set for the tests against Exchange Online.
var liveVariables = []string{"XOAUTH2_TENANT", "XOAUTH2_CLIENT_ID", "XOAUTH2_CLIENT_SECRET", "XOAUTH2_MAILBOX"}

// requireLive skips the test unless XOAUTH2_LIVE=1, and fails it if that is
// anything else, or if a variable is missing.
func requireLive(t *testing.T) {
	t.Helper()
	switch value := os.Getenv("XOAUTH2_LIVE"); value {
	case "":
		t.Skip("set XOAUTH2_LIVE=1 and " + strings.Join(liveVariables, ", ") + " to log in to Exchange Online")
	case "1":
	default:
		t.Fatalf("XOAUTH2_LIVE is %q: set it to 1 or not at all", value)
	}
	var missing []string
	for _, name := range liveVariables {
		if os.Getenv(name) == "" {
			missing = append(missing, name)
		}
	}
	if missing != nil {
		t.Fatal("XOAUTH2_LIVE=1 needs " + strings.Join(missing, ", "))
	}
}

// TestLive logs in to Exchange Online over every protocol, and changes nothing.
func TestLive(t *testing.T) {
	requireLive(t)
	app := &xoauth2.App{
		Tenant:     os.Getenv("XOAUTH2_TENANT"),
		ClientID:   os.Getenv("XOAUTH2_CLIENT_ID"),
		Credential: xoauth2.ClientSecret(os.Getenv("XOAUTH2_CLIENT_SECRET")),
	}
	mailbox, source := os.Getenv("XOAUTH2_MAILBOX"), app.ClientCredentials()
	dials := map[xoauth2.Protocol]func(*xoauth2.DialOptions) (io.Closer, error){
		xoauth2.IMAP: func(o *xoauth2.DialOptions) (io.Closer, error) {
			return xoauth2.DialIMAP(t.Context(), mailbox, source, o)
		},
		xoauth2.POP3: func(o *xoauth2.DialOptions) (io.Closer, error) {
			return xoauth2.DialPOP3(t.Context(), mailbox, source, o)
		},
		xoauth2.SMTP: func(o *xoauth2.DialOptions) (io.Closer, error) {
			return xoauth2.DialSMTP(t.Context(), mailbox, source, o)
		},
	}
	for proto, dial := range dials {
		t.Run(proto.String(), func(t *testing.T) {
			var trace bytes.Buffer
			client, err := dial(&xoauth2.DialOptions{VerifyMailbox: true, Trace: &trace})
			if err != nil {
				t.Fatalf("%v\n%+v", err, xoauth2.Diagnose(err).Causes)
			}
			if err := client.Close(); err != nil {
				t.Errorf("closing: %v", err)
			}
			if *record {
				saveRecording(t, proto, mailbox, source, trace.Bytes())
			}
		})
	}
}

// saveRecording writes a trace to testdata, without whose it was.
func saveRecording(t *testing.T, proto xoauth2.Protocol, mailbox string, source xoauth2.TokenSource, trace []byte) {
	t.Helper()
	token, err := source.TokenContext(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	host, _, _ := net.SplitHostPort(xoauth2.Exchange.Service(proto).Addr)
	recorder := transcript.NewRecorder(transcript.Identity{
		Mailbox: mailbox,
		Tenant:  os.Getenv("XOAUTH2_TENANT"),
		Token:   token.AccessToken,
		Hosts:   []string{host},
	})
	if _, err := recorder.Write(trace); err != nil {
		t.Fatal(err)
	}
	name := strings.ToLower(proto.String())
	path := filepath.Join("testdata", name, "recorded-exchange-ok.txt")
	if err := recorder.Save(path, "Server:    Exchange Online", "Date:      "+time.Now().Format(time.DateOnly)); err != nil {
		t.Fatal(err)
	}
	t.Logf("wrote %s", path)
}
