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

	"golang.org/x/oauth2"

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

// BenchmarkUnknownIMAP: a server that is not the provider's own and greets
// without capabilities, the first time and then.
func BenchmarkUnknownIMAP(b *testing.B) {
	server := lab.NewServer(0)
	defer server.Close()
	link := lab.Link{RTT: rtt, To: new(net.Dialer).DialContext}
	addr := ""
	login := func(ctx context.Context, m *lab.Mail, config *tls.Config) (io.Closer, error) {
		o := m.Options(config)
		o.Provider.IMAP.Addr, o.Provider.IMAP.SASLIR = addr, false
		return lab.DialIMAP(ctx, m, m.TokenSource(), o)
	}
	mail := lab.MailOf(server)
	lab.Contest(b, "trips",
		lab.Contestant{Name: "first", Measure: func() float64 {
			near, stop, err := link.Listen(server.Addr(xoauth2.IMAP, false))
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(stop)
			addr = near
			return trips(b, login, mail)
		}},
		lab.Contestant{Name: "then", Measure: func() float64 { return trips(b, login, mail) }},
	)
}

// slowToken takes 150 ms.
type slowToken struct{ *lab.Mail }

const tokenTime = 150 * time.Millisecond

func (s slowToken) Token() (*oauth2.Token, error) {
	time.Sleep(tokenTime)
	return s.TokenSource().Token()
}

// overlapping are the logins whose token takes 150 ms, and how many
// milliseconds they may take: the longer of the token and what comes before
// AUTH, and the round trip of AUTH. One after the other, it is the sum.
var overlapping = []struct {
	kind   string
	login  func(*testing.T, *lab.Mail) (io.Closer, error)
	want   time.Duration
	inTurn time.Duration
}{
	{"IMAP", func(t *testing.T, m *lab.Mail) (io.Closer, error) {
		return lab.DialIMAP(t.Context(), m, slowToken{m}, m.Options(m.TLSConfig()))
	}, max(tokenTime, 3*rtt) + rtt, tokenTime + 5*rtt},
	{"SMTP-STARTTLS", func(t *testing.T, m *lab.Mail) (io.Closer, error) {
		return xoauth2.DialSMTP(t.Context(), m.User, slowToken{m}, m.Options(m.TLSConfig()))
	}, max(tokenTime, 6*rtt) + rtt, tokenTime + 7*rtt},
	{"SMTP-TLS", func(t *testing.T, m *lab.Mail) (io.Closer, error) {
		return xoauth2.DialSMTP(t.Context(), m.User, slowToken{m}, m.TLSOptions(m.TLSConfig()))
	}, max(tokenTime, 4*rtt) + rtt, tokenTime + 5*rtt},
}

// TestOverlap: the token is fetched while the connection is made.
func TestOverlap(t *testing.T) {
	server := lab.NewServer(0)
	defer server.Close()
	for _, way := range overlapping {
		t.Run(way.kind, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				session := must[io.Closer](t)(way.login(t, lab.MailOf(server).Via(lab.Link{RTT: rtt, To: server.MemoryDial})))
				if got := time.Since(begin); got != way.want {
					t.Errorf("got %v, want %v", got, way.want)
				}
				t.Logf("%.2f of one after the other", time.Since(begin).Seconds()/way.inTurn.Seconds())
				_ = session.Close()
				time.Sleep(time.Minute) // what is under way arrives
			})
		})
	}
}

// TestRefusedToken: a token that is refused is replaced, and AUTH repeated, on
// the same connection: it costs the token and one round trip more.
func TestRefusedToken(t *testing.T) {
	server := lab.NewServer(0)
	defer server.Close()
	synctest.Test(t, func(t *testing.T) {
		defer server.DelayTokens(tokenTime).Clear()
		app := server.App(nil)
		app.HTTPClient = server.MemoryHTTPClient()
		ts := app.ClientCredentials()
		_ = must[*oauth2.Token](t)(ts.Token())
		time.Sleep(2 * time.Minute) // a newer token would be trusted
		defer server.RefuseLogins(xoauth2.IMAP).Times(1).Clear()
		mail := lab.MailOf(server).Via(lab.Link{RTT: rtt, To: server.MemoryDial})
		begin := time.Now()
		session := must[io.Closer](t)(lab.DialIMAP(t.Context(), mail, ts, mail.Options(mail.TLSConfig())))
		if got, want := time.Since(begin), 4*rtt+tokenTime+rtt; got != want {
			t.Errorf("got %v, want %v", got, want)
		}
		if got := server.Connections(xoauth2.IMAP); got != 1 {
			t.Errorf("got %d connections, want 1", got)
		}
		_ = session.Close()
		time.Sleep(time.Minute) // what is under way arrives
	})
}
