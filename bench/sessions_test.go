package bench_test

import (
	"crypto/tls"
	"io"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/xoauth2/go-xoauth2/bench/internal/lab"
)

func TestMain(m *testing.M) {
	lab.ServeIfAsked()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	if err := lab.TrustSystem(dir); err != nil {
		panic(err)
	}
	return m.Run()
}

// way is one way to an authenticated session.
type way struct {
	kind, name string
	login      lab.Login
	config     func(*lab.Mail) *tls.Config
	goroutines float64 // that a session may have
}

// ways lists this library and its peers with the same configuration, by which
// this library alone resumes TLS sessions, and what comes of it if the peers do
// so too, or it does not.
var ways = []way{
	{"IMAP", "go-imap", lab.GoIMAP, (*lab.Mail).TLSConfig, 1},
	{"IMAP", "go-imap-resuming", lab.GoIMAP, (*lab.Mail).ResumingTLS, 1},
	{"IMAP", "ours", lab.OurIMAP, (*lab.Mail).TLSConfig, 1},
	{"IMAP", "ours-full", lab.OurIMAP, (*lab.Mail).FullTLS, 1},
	{"POP3", "ours", lab.OurPOP3, (*lab.Mail).TLSConfig, 0},
	{"POP3", "ours-full", lab.OurPOP3, (*lab.Mail).FullTLS, 0},
	{"SMTP-STARTTLS", "go-smtp", lab.GoSMTP, (*lab.Mail).TLSConfig, 0},
	{"SMTP-STARTTLS", "ours", lab.OurSMTP, (*lab.Mail).TLSConfig, 0},
	{"SMTP-STARTTLS", "ours-full", lab.OurSMTP, (*lab.Mail).FullTLS, 0},
	{"SMTP-TLS", "go-smtp", lab.GoSMTPTLS, (*lab.Mail).TLSConfig, 0},
	{"SMTP-TLS", "ours", lab.OurSMTPTLS, (*lab.Mail).TLSConfig, 0},
	{"SMTP-TLS", "ours-full", lab.OurSMTPTLS, (*lab.Mail).FullTLS, 0},
}

// open makes n sessions, and returns them.
func open(tb testing.TB, w way, m *lab.Mail, n int) []io.Closer {
	tb.Helper()
	config := w.config(m)
	sessions := make([]io.Closer, n)
	for i := range sessions {
		sessions[i] = must[io.Closer](tb)(w.login(tb.Context(), m, config))
	}
	return sessions
}

func closeAll(sessions []io.Closer) {
	for _, session := range sessions {
		_ = session.Close() // the server may be faster
	}
	time.Sleep(20 * time.Millisecond) // what they started ends
}

// idle returns the KiB and the goroutines of one of n sessions that wait.
func idle(tb testing.TB, w way, m *lab.Mail, n int) (kib, goroutines float64) {
	tb.Helper()
	closeAll(open(tb, w, m, 1)) // whatever is made once
	var sessions []io.Closer
	before := runtime.NumGoroutine()
	octets := lab.HeapOf(func() {
		sessions = open(tb, w, m, n)
		time.Sleep(50 * time.Millisecond) // what the login started ends
	})
	goroutines = float64(runtime.NumGoroutine()-before) / float64(n)
	closeAll(sessions)
	return float64(octets) / 1024 / float64(n), goroutines
}

// BenchmarkIdle: the memory, stacks included, of a session that waits. There
// are many, since stacks that earlier sessions left are used again.
func BenchmarkIdle(b *testing.B) {
	const n = 500
	far := lab.FarMail(b)
	for _, kind := range []string{"IMAP", "POP3", "SMTP-STARTTLS", "SMTP-TLS"} {
		b.Run(kind, func(b *testing.B) {
			var contestants []lab.Contestant
			for _, w := range ways {
				if w.kind == kind {
					contestants = append(contestants, lab.Contestant{Name: w.name, Measure: func() float64 {
						kib, _ := idle(b, w, far, n)
						return kib
					}})
				}
			}
			lab.Contest(b, "KiB", contestants...)
		})
	}
}

// TestIdle counts the goroutines of sessions that wait.
func TestIdle(t *testing.T) {
	far := lab.FarMail(t)
	for _, w := range ways {
		_, goroutines := idle(t, w, far, 50)
		if goroutines > w.goroutines {
			t.Errorf("%s: got %v goroutines, want %v", w.kind, goroutines, w.goroutines)
		}
	}
}

// BenchmarkLogins: the client's processor time of an IMAP session, of 1,000
// made by 16 workers.
func BenchmarkLogins(b *testing.B) {
	far := lab.FarMail(b)
	contestants := []lab.Contestant{
		loginCPU(b, far, way{name: "floor", login: lab.FloorGoIMAP, config: (*lab.Mail).ResumingTLS}),
		loginCPU(b, far, way{name: "floor-without-client", login: lab.FloorIMAP, config: (*lab.Mail).ResumingTLS}),
	}
	for _, w := range ways {
		if w.kind == "IMAP" {
			contestants = append(contestants, loginCPU(b, far, w))
		}
	}
	lab.Contest(b, "µs-CPU", contestants...)
}

func loginCPU(b *testing.B, far *lab.Mail, w way) lab.Contestant {
	const n, workers = 1_000, 16
	return lab.Contestant{Name: w.name, Measure: func() float64 {
		config := w.config(far)
		sessions := make([]io.Closer, n)
		took := lab.CPU(func() {
			lab.Together(workers, func(worker int) {
				for i := worker; i < n; i += workers {
					sessions[i] = must[io.Closer](b)(w.login(b.Context(), far, config))
				}
			})
		})
		closeAll(sessions)
		return float64(took.Microseconds()) / n
	}}
}
