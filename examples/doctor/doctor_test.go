package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/xoauth2/go-xoauth2"
	"github.com/xoauth2/go-xoauth2/exchangetest"
)

var update = flag.Bool("update", false, "write the golden files")

// TestMain fails the run if a goroutine is left when all tests are over.
func TestMain(m *testing.M) {
	before := runtime.NumGoroutine()
	code := m.Run()
	for deadline := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before && time.Now().Before(deadline); {
		time.Sleep(20 * time.Millisecond)
	}
	if left := runtime.NumGoroutine() - before; code == 0 && left > 0 {
		buf := make([]byte, 1<<20)
		fmt.Fprintf(os.Stderr, "%d goroutines left behind:\n%s\n", left, buf[:runtime.Stack(buf, true)])
		code = 1
	}
	os.Exit(code)
}

// outcome is what a run left behind.
type outcome struct {
	status   int
	out, err string
}

func runDoctor(t *testing.T, env map[string]string, stdin string, args ...string) outcome {
	t.Helper()
	var out, stderr bytes.Buffer
	status := run(t.Context(), streams{strings.NewReader(stdin), &out, &stderr}, func(name string) string { return env[name] }, args)
	return outcome{status, out.String(), stderr.String()}
}

// TestGolden compares the output for every scenario, for people and for
// programs, on the protocols that it concerns.
func TestGolden(t *testing.T) {
	t.Parallel()
	scenarios := append([]exchangetest.Scenario{{Name: "nothing"}}, exchangetest.Scenarios()...)
	for _, s := range scenarios {
		for _, format := range []string{"txt", "json"} {
			t.Run(s.Name+"/"+format, func(t *testing.T) {
				t.Parallel()
				got := runDoctor(t, nil, "", arguments(s, format)...)
				if got.err != "" {
					t.Errorf("wrote to standard error: %s", got.err)
				}
				checkGolden(t, filepath.Join("testdata", s.Name+"."+format), normalize(got.out)+fmt.Sprintf("exit status %d\n", got.status))
			})
		}
	}
}

func arguments(s exchangetest.Scenario, format string) []string {
	var args []string
	if s.Name != "nothing" {
		args = append(args, "-scenario", s.Name)
	}
	var protocols []string
	for _, proto := range s.Protocols {
		protocols = append(protocols, strings.ToLower(proto.String()))
	}
	if s.Start != nil && protocols == nil {
		protocols = []string{"imap"}
	}
	if protocols != nil {
		args = append(args, "-protocol", strings.Join(protocols, ","))
	}
	switch {
	case strings.Contains(s.Name, "stalled"), s.Name == "token-dropped", s.Name == "token-cut": // the timeout ends it
	default:
		args = append(args, "-timeout", "30s") // as a busy machine may need
	}
	if format == "json" {
		args = append(args, "-json")
	}
	return args
}

// What differs from run to run.
var changing = []struct {
	pattern *regexp.Regexp
	instead string
}{
	{regexp.MustCompile(`127\.0\.0\.1:\d+`), "127.0.0.1:PORT"},
	{regexp.MustCompile(`localhost:\d+`), "localhost:PORT"},
	{regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`), "GUID"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\d[T ]\d\d:[0-9:.]*(Z|…)?`), "TIME"},
	{regexp.MustCompile(`until \d{4}-\d\d-\d\d`), "until DATE"},
	{regexp.MustCompile(`current time TIME is after TIME|current time \S+ is (after|before) \S+`), "current time is not TIME"},
	{regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f-]{1,27}…`), "GUID…"},
	{regexp.MustCompile(`(?m)^((?:ok      |warning |failed  ) .{18} ) *[0-9.]+(?:ms|s)  `), "$1   TIME  "},
	{regexp.MustCompile(`"duration_ms": \d+`), `"duration_ms": 0`},
	{regexp.MustCompile(`\d+ bytes`), "N bytes"},
	{regexp.MustCompile(`stream ID \d+`), "stream ID N"},
	{regexp.MustCompile(`(read|write) tcp 127\.0\.0\.1:PORT->127\.0\.0\.1:PORT: (read|write): (connection reset by peer|broken pipe)|unexpected EOF`), "EOF"},
}

func normalize(text string) string {
	for _, c := range changing {
		text = c.pattern.ReplaceAllString(text, c.instead)
	}
	return text
}

func checkGolden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; go test ./examples/doctor -update writes it", err)
	}
	gotLines, wantLines := strings.Split(got, "\n"), strings.Split(string(want), "\n")
	for i := range max(len(gotLines), len(wantLines)) {
		if i >= len(gotLines) || i >= len(wantLines) || gotLines[i] != wantLines[i] {
			t.Errorf("%s:%d: got\n%s\nwant\n%s", path, i+1, line(gotLines, i), line(wantLines, i))
			return
		}
	}
}

func line(lines []string, i int) string {
	if i >= len(lines) {
		return "(the end)"
	}
	return lines[i]
}

// TestNoStrayGolden fails for golden files that belong to no scenario.
func TestNoStrayGolden(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join("testdata", "*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	for _, path := range files {
		name := strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
		if name != "nothing" && name != "setup" && findScenario(name) == nil {
			t.Errorf("%s belongs to no scenario", path)
		}
	}
}

func TestJSONNames(t *testing.T) {
	t.Parallel()
	got := runDoctor(t, nil, "", "-json", "-protocol", "imap", "-scenario", "graph-token", "-timeout", "30s")
	var report struct {
		OK    *bool            `json:"ok"`
		Steps []map[string]any `json:"steps"`
	}
	if err := json.Unmarshal([]byte(got.out), &report); err != nil {
		t.Fatal(err)
	}
	if got.status != exitFailed || report.OK == nil || *report.OK {
		t.Errorf("got status %d, ok %v, want a failure", got.status, report.OK)
	}
	for _, s := range report.Steps {
		if s["name"] != "imap.login" {
			continue
		}
		for _, member := range []string{"name", "status", "duration_ms", "error", "class", "trace", "causes"} {
			if _, there := s[member]; !there {
				t.Errorf("the failed step has no %q: %v", member, s)
			}
		}
		return
	}
	t.Errorf("no step imap.login: %v", report.Steps)
}

func TestUsage(t *testing.T) {
	t.Parallel()
	secret := map[string]string{"XOAUTH2_CLIENT_SECRET": "x"}
	tests := []struct {
		name string
		env  map[string]string
		args []string
		want string
	}{
		{"unknown flag", nil, []string{"-x"}, "doctor -h"},
		{"argument", nil, []string{"now"}, "unexpected argument"},
		{"provider", nil, []string{"-provider", "x"}, "want one of china"},
		{"protocol", nil, []string{"-protocol", "imap,ftp"}, "want imap, pop3 or smtp"},
		{"scenario", nil, []string{"-scenario", "x"}, "no scenario"},
		{"scenario for real", secret, []string{"-tenant", "t", "-client-id", "c", "-mailbox", "m", "-scenario", "graph-token"}, "demonstration"},
		{"a secret alone", secret, nil, "-mailbox is missing"},
		{"no mailbox", secret, []string{"-tenant", "t", "-client-id", "c"}, "-mailbox is missing"},
		{"no client id", secret, []string{"-tenant", "t", "-mailbox", "m"}, "-client-id is missing"},
		{"no tenant", secret, []string{"-client-id", "c", "-mailbox", "m"}, "-tenant is missing"},
		{"no credential", nil, []string{"-tenant", "t", "-client-id", "c", "-mailbox", "m"}, "no credential"},
		{"two credentials", secret, []string{"-tenant", "t", "-client-id", "c", "-mailbox", "m", "-certificate", "f"}, "which one"},
		{"no file", nil, []string{"-tenant", "t", "-client-id", "c", "-mailbox", "m", "-certificate", "no-such-file"}, "no-such-file"},
		{"sign-in", nil, []string{"-client-id", "c", "-mailbox", "m", "-signin", "x"}, "browser or device"},
		{"empty token", nil, []string{"-token-stdin", "-mailbox", "m"}, "no token on standard input"},
		{"nothing to set up", nil, []string{"-setup", "-provider", "gmail", "-client-id", "c", "-mailbox", "m"}, "nothing to set up"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := runDoctor(t, tt.env, "", tt.args...)
			if got.status != exitUsage || !strings.Contains(got.err, tt.want) || got.out != "" {
				t.Errorf("got status %d, %q, %q, want status 2 and %q", got.status, got.out, got.err, tt.want)
			}
		})
	}
	if got := runDoctor(t, nil, "", "-h"); got.status != exitOK || !strings.Contains(got.err, "usage: doctor") {
		t.Errorf("-h: got status %d, %q", got.status, got.err)
	}
	if got := runDoctor(t, nil, "", "-scenario", "list"); got.status != exitOK || !strings.Contains(got.out, "graph-token") {
		t.Errorf("-scenario list: got status %d, %q", got.status, got.out)
	}
}

func TestSetup(t *testing.T) {
	t.Parallel()
	got := runDoctor(t, map[string]string{"XOAUTH2_TENANT": "contoso.com"}, "", "-setup", "-client-id", "11111111-2222-3333-4444-555555555555", "-mailbox", "o'neil@contoso.com")
	if got.status != exitOK || got.err != "" {
		t.Errorf("got status %d, %q", got.status, got.err)
	}
	checkGolden(t, filepath.Join("testdata", "setup.txt"), got.out)
}

// TestTokenFromStdin examines a server with a token that somebody else got.
func TestTokenFromStdin(t *testing.T) {
	t.Parallel()
	got := runDoctor(t, nil, "not a token\n", "-token-stdin", "-mailbox", "m@contoso.test", "-protocol", "imap", "-timeout", "1ns")
	if got.status != exitFailed || strings.Contains(got.out, "not a token") {
		t.Errorf("got status %d and %s, want a failure without the token", got.status, got.out)
	}
}

// TestTokenWithoutClaims is a warning where tokens have claims, and no more.
func TestTokenWithoutClaims(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		provider xoauth2.Provider
		warns    bool
	}{{xoauth2.Exchange, true}, {xoauth2.Outlook, false}, {xoauth2.Gmail, false}} {
		d := &doctor{patient: &patient{provider: tt.provider}, info: xoauth2.InspectToken("EwB")}
		if _, err := d.claims(t.Context()); (err != nil) != tt.warns {
			t.Errorf("%s: got %v, want a warning: %t", tt.provider.Name, err, tt.warns)
		}
	}
}

func TestClock(t *testing.T) {
	t.Parallel()
	for skew, want := range map[time.Duration]string{0: "", 3 * time.Second: "", -time.Minute: "1m0s behind", time.Hour: "1h0m0s ahead of"} {
		_, err := judgeClock(skew)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%v: got %v, want %q", skew, err, want)
		}
	}
}

// TestTerminal: progress is shown and overwritten, and colour can be refused.
func TestTerminal(t *testing.T) {
	t.Parallel()
	for _, colour := range []bool{false, true} {
		var out bytes.Buffer
		r := &report{out: &out, terminal: true, colour: colour}
		r.begin("imap.login")
		r.add(step{Name: "imap.login", Status: statusFailed, Error: "refused"})
		if got := out.String(); !strings.Contains(got, "imap.login …\r\x1b[K") || strings.Contains(got, "\x1b[31m") != colour {
			t.Errorf("colour %t: got %q", colour, got)
		}
	}
	if r := newReport(os.Stdout, true, func(string) string { return "" }); r.terminal || r.colour {
		t.Error("JSON in colour")
	}
}
