package bench_test

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/oauth2"

	"github.com/xoauth2/go-xoauth2"
	"github.com/xoauth2/go-xoauth2/bench/internal/lab"
)

// slowToken takes 150 ms.
type slowToken struct{ *lab.Mail }

const tokenTime = 150 * time.Millisecond

func (s slowToken) Token() (*oauth2.Token, error) {
	time.Sleep(tokenTime)
	return s.TokenSource().Token()
}

// overlapping are the logins whose token takes 150 ms, and how long they may
// take: the longer of the token and what comes before AUTH, and the round trip
// of AUTH. By hand it is the sum.
var overlapping = []struct {
	kind   string
	login  lab.Login
	want   time.Duration
	byHand lab.Login
}{
	{"IMAP", func(ctx context.Context, m *lab.Mail, config *tls.Config) (io.Closer, error) {
		return lab.DialIMAP(ctx, m, slowToken{m}, m.Options(config))
	}, max(tokenTime, 3*rtt) + rtt, lab.GoIMAP},
	{"SMTP-STARTTLS", func(ctx context.Context, m *lab.Mail, config *tls.Config) (io.Closer, error) {
		return lab.DialSMTP(ctx, m, slowToken{m}, m.Options(config))
	}, max(tokenTime, 6*rtt) + rtt, lab.GoSMTP},
	{"SMTP-TLS", func(ctx context.Context, m *lab.Mail, config *tls.Config) (io.Closer, error) {
		return lab.DialSMTP(ctx, m, slowToken{m}, m.TLSOptions(config))
	}, max(tokenTime, 4*rtt) + rtt, lab.GoSMTPTLS},
}

// inTurn is a login by hand: the token comes first.
func inTurn(login lab.Login) lab.Login {
	return func(ctx context.Context, m *lab.Mail, config *tls.Config) (io.Closer, error) {
		if _, err := (slowToken{m}).Token(); err != nil {
			return nil, err
		}
		return login(ctx, m, config)
	}
}

// TestOverlap: the token is fetched while the connection is made.
func TestOverlap(t *testing.T) {
	server := lab.NewServer(0)
	defer server.Close()
	for _, way := range overlapping {
		t.Run(way.kind, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				far := lab.MailOf(server).Via(lab.Link{RTT: rtt, To: server.MemoryDial})
				if got, want := trips(t, way.login, far), float64(way.want)/float64(rtt); got != want {
					t.Errorf("got %v round trips, want %v", got, want)
				}
				time.Sleep(time.Minute) // what is under way arrives
			})
		})
	}
}

// BenchmarkOverlap is TestOverlap by the clock on the wall, beside the peers by
// hand: "ours/in-turn" is what is left of one after the other.
func BenchmarkOverlap(b *testing.B) {
	server := lab.NewServer(0)
	defer server.Close()
	far := lab.MailOf(server).Via(lab.Link{RTT: rtt, To: new(net.Dialer).DialContext})
	for _, way := range overlapping {
		b.Run(way.kind, func(b *testing.B) {
			lab.Contest(b, "trips",
				lab.Contestant{Name: "in-turn", Measure: func() float64 { return trips(b, inTurn(way.byHand), far) }},
				lab.Contestant{Name: "ours", Measure: func() float64 { return trips(b, way.login, far) }},
			)
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
