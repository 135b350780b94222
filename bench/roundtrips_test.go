package bench_test

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"os/exec"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/xoauth2/go-xoauth2"
	"github.com/xoauth2/go-xoauth2/bench/internal/lab"
)

const rtt = 50 * time.Millisecond

// logins are the ways to an authenticated session, and the round trips that
// they are expected to take with a token at hand.
var logins = []struct {
	kind, name string
	login      lab.Login
	trips      float64
}{
	{"IMAP", "ours", lab.OurIMAP, 4},
	{"IMAP", "go-imap", lab.GoIMAP, 5},
	{"POP3", "ours", lab.OurPOP3, 5},
	{"SMTP-STARTTLS", "ours", lab.OurSMTP, 7},
	{"SMTP-STARTTLS", "ours-two-step", lab.OurSMTPTwoStep, 8},
	{"SMTP-STARTTLS", "go-smtp", lab.GoSMTP, 7},
	{"SMTP-STARTTLS", "go-mail", lab.GoMail, 7},
	{"SMTP-TLS", "ours", lab.OurSMTPTLS, 5},
	{"SMTP-TLS", "go-smtp", lab.GoSMTPTLS, 5},
	{"SMTP-TLS", "go-mail", lab.GoMailTLS, 5},
}

// trips makes a session over a link, and returns how many of its round trips
// that took.
func trips(tb testing.TB, login lab.Login, far *lab.Mail) float64 {
	tb.Helper()
	begin := time.Now()
	session := must[io.Closer](tb)(login(tb.Context(), far, far.TLSConfig()))
	took := time.Since(begin)
	_ = session.Close() // the server may be faster
	return float64(took) / float64(rtt)
}

// TestRoundTrips counts the round trips to an authenticated session.
func TestRoundTrips(t *testing.T) {
	server := lab.NewServer(0)
	defer server.Close()
	for _, way := range logins {
		t.Run(way.kind+"/"+way.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				far := lab.MailOf(server).Via(lab.Link{RTT: rtt, To: server.MemoryDial})
				if got := trips(t, way.login, far); got != way.trips {
					t.Errorf("got %v round trips, want %v", got, way.trips)
				}
				time.Sleep(time.Minute) // what is under way arrives
			})
		})
	}
}

// BenchmarkRoundTrips is TestRoundTrips by the clock on the wall, with curl.
func BenchmarkRoundTrips(b *testing.B) {
	server := lab.NewServer(1)
	defer server.Close()
	link := lab.Link{RTT: rtt, To: new(net.Dialer).DialContext}
	far := lab.MailOf(server).Via(link)
	for kind, service := range map[string]struct{ url, addr string }{
		"IMAP":          {"imaps://", far.Provider.IMAP.Addr},
		"POP3":          {"pop3s://", far.Provider.POP3.Addr},
		"SMTP-STARTTLS": {"smtp://", far.Provider.SMTP.Addr},
		"SMTP-TLS":      {"smtps://", far.SMTPTLS},
	} {
		b.Run(kind, func(b *testing.B) {
			var contestants []lab.Contestant
			for _, way := range logins {
				if way.kind == kind {
					contestants = append(contestants, lab.Contestant{
						Name: way.name, Measure: func() float64 { return trips(b, way.login, far) },
					})
				}
			}
			if curl, ok := curlTo(b, link, far, service.url, service.addr); ok {
				contestants = append(contestants, curl)
			}
			lab.Contest(b, "trips", contestants...)
		})
	}
}

// curlTo returns curl's way to a session, if there is curl. It is ready when
// its first command was answered, which is one round trip later.
func curlTo(b *testing.B, link lab.Link, far *lab.Mail, scheme, addr string) (lab.Contestant, bool) {
	if _, err := exec.LookPath("curl"); err != nil {
		return lab.Contestant{}, false
	}
	near, stop, err := link.Listen(addr)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(stop)
	return lab.Contestant{Name: "curl", Measure: func() float64 {
		var options []string
		if strings.HasPrefix(scheme, "smtp") {
			options = append(options, "request = NOOP")
		}
		ready, _ := lab.Curl(b, far, scheme+near, options...)
		return float64(ready)/float64(rtt) - 1
	}}, true
}

// unknownIMAP logs in at a server that is not the provider's own and greets
// without capabilities.
func unknownIMAP(addr string, trace io.Writer) lab.Login {
	return func(ctx context.Context, m *lab.Mail, config *tls.Config) (io.Closer, error) {
		o := m.Options(config)
		o.Provider.IMAP.Addr, o.Provider.IMAP.SASLIR, o.Trace = addr, false, trace
		return lab.DialIMAP(ctx, m, m.TokenSource(), o)
	}
}

// TestUnknownIMAP: such a server is asked for its capabilities the first time,
// which is a round trip more, and never again.
func TestUnknownIMAP(t *testing.T) {
	server := lab.NewServer(0)
	defer server.Close()
	mail := lab.MailOf(server)
	for n, want := range []int{1, 0, 0} {
		var trace strings.Builder
		login := unknownIMAP(server.Addr(xoauth2.IMAP, false), &trace)
		_ = must[io.Closer](t)(login(t.Context(), mail, mail.TLSConfig())).Close()
		if got := strings.Count(trace.String(), " CAPABILITY\n"); got != want {
			t.Errorf("login %d: got %d questions for capabilities, want %d:\n%s", n+1, got, want, trace.String())
		}
	}
}

// BenchmarkUnknownIMAP is TestUnknownIMAP in round trips by the clock on the
// wall.
func BenchmarkUnknownIMAP(b *testing.B) {
	server := lab.NewServer(0)
	defer server.Close()
	link := lab.Link{RTT: rtt, To: new(net.Dialer).DialContext}
	addr := ""
	mail := lab.MailOf(server)
	lab.Contest(b, "trips",
		lab.Contestant{Name: "first", Measure: func() float64 {
			near, stop, err := link.Listen(server.Addr(xoauth2.IMAP, false))
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(stop)
			addr = near
			return trips(b, unknownIMAP(addr, nil), mail)
		}},
		lab.Contestant{Name: "then", Measure: func() float64 { return trips(b, unknownIMAP(addr, nil), mail) }},
	)
}
