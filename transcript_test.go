package xoauth2_test

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-smtp"
	"golang.org/x/oauth2"

	"github.com/xoauth2/go-xoauth2"
	"github.com/xoauth2/go-xoauth2/internal/transcript"
)

const transcriptHost = "mail.contoso.test"

// stage is where a transcript is played to the dialer of its protocol.
type stage struct {
	proto          xoauth2.Protocol
	port           int
	server, client *tls.Config
	secrets        []string // the token of the transcript, plain and in base64

	// wrap, if not nil, returns the server's end of the connection with a
	// fault of its own, which it reports.
	wrap func(conn net.Conn, onFault func()) net.Conn
}

// eachTranscript runs f for every transcript in testdata whose name matches, in
// parallel, with a version of TLS. Resuming sessions of 1.2 is what thousands
// of connections can afford.
func eachTranscript(t *testing.T, pattern string, version uint16, f func(t *testing.T, st *stage, script *transcript.Script)) {
	t.Helper()
	server, client, err := transcript.NewTLS(transcriptHost)
	if err != nil {
		t.Fatal(err)
	}
	client.MaxVersion = version
	client.ClientSessionCache = tls.NewLRUClientSessionCache(0)
	stages := map[string]stage{
		"imap": {proto: xoauth2.IMAP, port: 993, server: server, client: client},
		"pop3": {proto: xoauth2.POP3, port: 995, server: server, client: client},
		"smtp": {proto: xoauth2.SMTP, port: 587, server: server, client: client},
	}
	for name, st := range stages {
		files, err := filepath.Glob(filepath.Join("testdata", name, pattern+".txt"))
		if err != nil || len(files) == 0 {
			t.Fatalf("got %s transcripts %q, error %v, want some", name, files, err)
		}
		for _, file := range files {
			t.Run(name+"/"+strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
				t.Parallel()
				data, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				script := parseTranscript(t, file, data)
				own := st
				own.secrets = renderings(script.Token())
				f(t, &own, script)
			})
		}
	}
}

func parseTranscript(t *testing.T, name string, data []byte) *transcript.Script {
	t.Helper()
	script, err := transcript.Parse(name, data)
	if err != nil {
		t.Fatal(err)
	}
	return script
}

// bubble runs f in a synctest bubble, and fails if it leaves a goroutine behind.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		before := bubbleGoroutines()
		f(t)
		synctest.Wait()
		if after := bubbleGoroutines(); after != before {
			t.Errorf("got %d goroutines, want the %d of before", after, before)
		}
	})
}

// bubbleGoroutines counts the goroutines in the caller's synctest bubble.
func bubbleGoroutines() int {
	buf := make([]byte, 64<<10)
	n := runtime.Stack(buf, true)
	for n == len(buf) {
		buf = make([]byte, 2*n)
		n = runtime.Stack(buf, true)
	}
	dump := string(buf[:n])
	header, _, _ := strings.Cut(dump, "\n") // that of the caller comes first
	_, id, _ := strings.Cut(header, "synctest bubble ")
	id, _, _ = strings.Cut(id, "]")
	return strings.Count(dump, "synctest bubble "+id+"]")
}

// performance is what came of playing a script to a dialer.
type performance struct {
	err    error         // of the dialer
	player error         // what the client did wrong
	trace  string        // that the dialer wrote
	served []int         // bytes that the server had sent after each of its lines
	closed bool          // the client's connection was closed when the dialer returned
	fault  bool          // the fault had happened by then
	took   time.Duration // from then on
}

// errLunch is why the caller of a dialer goes away.
var errLunch = errors.New("lunch time")

// callerPatience is how long a caller waits when the server is silent.
const callerPatience = 3 * time.Second

// play plays a script to the dialer. It must be called in a bubble.
func (st *stage) play(t *testing.T, script *transcript.Script, fault transcript.Fault) (p performance) {
	t.Helper()
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	leave := func() { time.AfterFunc(callerPatience, func() { cancel(errLunch) }) }
	if script.Expect == transcript.Canceled {
		leave()
	}
	var faultAt time.Time
	o := transcript.Options{
		TLS: st.server, Host: transcriptHost, Port: st.port, Settle: time.Millisecond, Fault: fault,
		OnServed: func(bytes int) { p.served = append(p.served, bytes) },
		OnFault:  func() { faultAt = time.Now(); leave() },
	}
	near, pipe := transcript.Pipe()
	far := net.Conn(pipe)
	if st.wrap != nil {
		far = st.wrap(pipe, o.OnFault)
	}
	served := make(chan error, 1)
	var trace strings.Builder
	opts := st.options(script)
	opts.Trace = &trace
	opts.DialContext = func(context.Context, string, string) (net.Conn, error) {
		go func() { served <- script.Serve(far, o) }()
		return near, nil
	}
	ts := oauth2.StaticTokenSource(&oauth2.Token{AccessToken: script.Token()})
	client, err := st.dial(ctx, script.Settings.User, ts, opts)
	returned := time.Now()
	p.err, p.closed = err, near.Closed()
	if err == nil {
		client.Close()
	}
	p.player = <-served
	p.trace = trace.String()
	if p.fault = !faultAt.IsZero() && !faultAt.After(returned); p.fault {
		p.took = returned.Sub(faultAt)
	}
	return p
}

// options returns what the settings of a script mean to a dialer.
func (st *stage) options(script *transcript.Script) *xoauth2.DialOptions {
	settings := script.Settings
	service := xoauth2.Service{
		Addr:     fmt.Sprintf("%s:%d", transcriptHost, st.port),
		StartTLS: settings.StartTLS,
		SASLIR:   settings.SASLIRKnown,
	}
	return &xoauth2.DialOptions{
		Provider: xoauth2.Provider{
			Name: "transcript",
			IMAP: service, POP3: service, SMTP: service,
			LongAuthLine: settings.LongAuthLine,
		},
		TLSConfig:     st.client,
		LocalName:     settings.LocalName,
		VerifyMailbox: settings.VerifyMailbox,
	}
}

func (st *stage) dial(ctx context.Context, user string, ts oauth2.TokenSource, opts *xoauth2.DialOptions) (io.Closer, error) {
	switch st.proto {
	case xoauth2.IMAP:
		return xoauth2.DialIMAP(ctx, user, ts, opts)
	case xoauth2.POP3:
		return xoauth2.DialPOP3(ctx, user, ts, opts)
	}
	return xoauth2.DialSMTP(ctx, user, ts, opts)
}

// checkManners checks what must hold for every performance.
func (st *stage) checkManners(t *testing.T, p performance) {
	t.Helper()
	if p.player != nil {
		t.Errorf("player: %v", p.player)
	}
	if p.err != nil && !p.closed {
		t.Error("got an open connection after a failure, want it closed")
	}
	if secret := st.leak(p.trace); secret != "" {
		t.Errorf("got %q of the credential in the trace %s", secret, p.trace)
	}
	if p.err == nil {
		return
	}
	text := p.err.Error()
	prefix := fmt.Sprintf("xoauth2: %v %s:%d: ", st.proto, transcriptHost, st.port)
	if !strings.HasPrefix(text, prefix) {
		t.Errorf("got error %q, want protocol and address first: %q", text, prefix)
	}
	for _, rendering := range []string{text, fmt.Sprintf("%+v", p.err), fmt.Sprintf("%#v", p.err)} {
		if secret := st.leak(rendering); secret != "" {
			t.Errorf("got %q of the credential in the error %s", secret, rendering)
		}
	}
}

// renderings returns a token, and what it looks like inside base64.
func renderings(token string) []string {
	all := []string{token}
	for pad := range 3 {
		all = append(all, base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", pad)+token)))
	}
	return all
}

// leak returns 16 characters of the credential that are in text.
func (st *stage) leak(text string) string {
	const size = 16
	notOfSecret := func(r rune) bool {
		return !('A' <= r && r <= 'Z' || 'a' <= r && r <= 'z' || '0' <= r && r <= '9' || strings.ContainsRune("-._~+/=", r))
	}
	for word := range strings.FieldsFuncSeq(text, notOfSecret) {
		for i := 0; i+size <= len(word); i++ {
			part := word[i : i+size]
			if slices.ContainsFunc(st.secrets, func(s string) bool { return strings.Contains(s, part) }) {
				return part
			}
		}
	}
	return ""
}

// checkClass checks that an error is of the class that a script expects.
func (st *stage) checkClass(t *testing.T, want transcript.Class, text string, err error) {
	t.Helper()
	if (err == nil) != (want == transcript.OK) {
		t.Fatalf("got error %v, want %s", err, want)
	}
	if err == nil {
		return
	}
	if !strings.Contains(err.Error(), text) {
		t.Errorf("got error %q, want one with %q", err, text)
	}
	if got := st.classes(err); !slices.Contains(got, want) {
		t.Errorf("got error %q of the classes %q, want %s", err, got, want)
	}
}

// classes returns those that an error may be of, as a caller can tell.
func (st *stage) classes(err error) []transcript.Class {
	var refused *xoauth2.AuthError
	switch {
	case errors.As(err, &refused) && st.isReply(refused.Err):
		return []transcript.Class{transcript.Refused, transcript.Mailbox}
	case errors.Is(err, xoauth2.ErrNotAdvertised):
		return []transcript.Class{transcript.NotAdvertised}
	case errors.Is(err, errLunch):
		return []transcript.Class{transcript.Canceled}
	case isDropped(err):
		return []transcript.Class{transcript.Closed, transcript.TLS}
	}
	return []transcript.Class{transcript.Protocol, transcript.TLS}
}

func (st *stage) isReply(err error) bool {
	var (
		imapReply *imap.Error
		pop3Reply *xoauth2.POP3Error
		smtpReply *smtp.SMTPError
	)
	return st.proto == xoauth2.IMAP && errors.As(err, &imapReply) ||
		st.proto == xoauth2.POP3 && errors.As(err, &pop3Reply) ||
		st.proto == xoauth2.SMTP && errors.As(err, &smtpReply)
}

// isDropped reports whether err says that the server hung up.
func isDropped(err error) bool {
	return slices.ContainsFunc([]error{io.EOF, io.ErrUnexpectedEOF, syscall.EPIPE, syscall.ECONNRESET}, func(target error) bool {
		return errors.Is(err, target)
	})
}

// TestTranscripts plays every transcript to the real dialers, and then the
// trace of that.
func TestTranscripts(t *testing.T) {
	t.Parallel()
	eachTranscript(t, "*", tls.VersionTLS13, func(t *testing.T, st *stage, script *transcript.Script) {
		bubble(t, func(t *testing.T) {
			first := st.play(t, script, transcript.Fault{})
			st.checkManners(t, first)
			st.checkClass(t, script.Expect, script.Text, first.err)
			second := st.checkReplay(t, script, first)
			if second.trace != first.trace {
				t.Errorf("got from the trace\n%s\nwant the trace itself\n%s", second.trace, first.trace)
			}
			if got, want := fmt.Sprint(second.err), fmt.Sprint(first.err); got != want && script.Expect != transcript.TLS {
				t.Errorf("got from the trace the error %s, want %s", got, want) // how a handshake failed is not in it
			}
		})
	})
}

// checkReplay plays the trace of a performance of script.
func (st *stage) checkReplay(t *testing.T, script *transcript.Script, first performance) performance {
	t.Helper()
	replay := parseTranscript(t, "trace", []byte(first.trace))
	replay.Adopt(script)
	second := st.play(t, replay, transcript.Fault{})
	st.checkManners(t, second)
	st.checkClass(t, replay.Expect, "", first.err)
	st.checkClass(t, replay.Expect, "", second.err)
	return second
}
