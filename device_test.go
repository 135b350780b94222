package xoauth2_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/xoauth2/go-xoauth2"
	"github.com/xoauth2/go-xoauth2/exchangetest"
)

// pollTimes returns a function that returns when the polls of a device sign-in
// came, from now on.
func pollTimes(srv *exchangetest.Server) func() []time.Duration {
	begin := time.Now()
	var mu sync.Mutex
	var times []time.Duration
	srv.HandleTokenRequests(func(http.ResponseWriter, *http.Request) bool {
		mu.Lock()
		defer mu.Unlock()
		times = append(times, time.Since(begin))
		return false
	})
	return func() []time.Duration {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(times)
	}
}

func seconds(n ...int) []time.Duration {
	times := make([]time.Duration, len(n))
	for i := range n {
		times[i] = time.Duration(n[i]) * time.Second
	}
	return times
}

// newDeviceApp registers an application whose devices poll every five seconds.
func newDeviceApp(srv *exchangetest.Server) *xoauth2.App {
	srv.SetDeviceInterval(5 * time.Second)
	return memoryApp(srv, &exchangetest.AppOptions{Public: true})
}

// TestDevicePolling checks when a device polls, and how the sign-in ends.
func TestDevicePolling(t *testing.T) {
	signInAfter := func(d time.Duration) func(*exchangetest.Server) {
		return func(srv *exchangetest.Server) { time.AfterFunc(d, func() { srv.SignIn(ada) }) }
	}
	tests := []struct {
		name  string
		start func(*exchangetest.Server)
		polls []time.Duration
	}{
		{"at once", func(srv *exchangetest.Server) { srv.SignIn(ada) }, seconds(5)},
		{"pending", signInAfter(12 * time.Second), seconds(5, 10, 15)},
		{"slow_down", func(srv *exchangetest.Server) {
			srv.SlowDownDevices().Times(1)
			signInAfter(30 * time.Second)(srv)
		}, seconds(5, 15, 25, 35)},
		{"slow_down twice", func(srv *exchangetest.Server) {
			srv.SlowDownDevices().Times(2)
			signInAfter(40 * time.Second)(srv)
		}, seconds(5, 15, 30, 45)},
		{"network", func(srv *exchangetest.Server) {
			srv.DropTokenRequests().Times(3)
			signInAfter(58 * time.Second)(srv)
		}, seconds(5, 15, 30, 55, 60)}, // the back-off ends with the trouble
		{"cut reply", func(srv *exchangetest.Server) {
			srv.CutTokenReplies().Times(1)
			srv.SignIn(ada)
		}, seconds(5, 15)},
		{"throttled", func(srv *exchangetest.Server) {
			srv.ThrottleTokens(time.Minute).Times(1)
			srv.SignIn(ada)
		}, seconds(5, 70)},
		{"outage", func(srv *exchangetest.Server) {
			srv.MakeTokensUnavailable(0).Times(2)
			srv.SignIn(ada)
		}, seconds(5, 15, 30)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			withFakeClock(t, func(t *testing.T, srv *exchangetest.Server) {
				app := newDeviceApp(srv)
				polls := pollTimes(srv)
				tt.start(srv)
				account, err := app.DeviceLogin(t.Context(), showNothing)
				if err != nil || account.Username() != ada {
					t.Fatalf("got %v, want %s", err, ada)
				}
				if got := polls(); !slices.Equal(got, tt.polls) {
					t.Errorf("polled after %v, want %v", got, tt.polls)
				}
				wantToken(t, account)
				wantToken(t, account.For(xoauth2.IMAP))
			})
		})
	}
}

// TestDeviceCodes shows the user what to do.
func TestDeviceCodes(t *testing.T) {
	withFakeClock(t, func(t *testing.T, srv *exchangetest.Server) {
		app := newDeviceApp(srv)
		_, err := app.DeviceLogin(t.Context(), func(codes *oauth2.DeviceAuthResponse) error {
			if len(codes.UserCode) != 9 || codes.VerificationURI != srv.URL()+"/devicelogin" || codes.Interval != 5 || time.Until(codes.Expiry) != 15*time.Minute {
				t.Errorf("got %q, %q, interval %d, until %v", codes.UserCode, codes.VerificationURI, codes.Interval, codes.Expiry)
			}
			return errLunch
		})
		wantError(t, err, errLunch.Error())
		if !errors.Is(err, errLunch) {
			t.Errorf("got %v, want the error of show", err)
		}
		wantRequests(t, srv, 0)
	})
}

// TestDeviceEnds has sign-ins that come to nothing.
func TestDeviceEnds(t *testing.T) {
	tests := []struct {
		name   string
		start  func(*exchangetest.Server)
		code   string // of the *TokenError; empty: there is none
		want   string
		within time.Duration
	}{
		{"declined", (*exchangetest.Server).DeclineSignIn, "authorization_declined", "authorization_declined", 5 * time.Second},
		{"nobody came", func(*exchangetest.Server) {}, "", "expired", 15 * time.Minute}, // we know, or are told, which is at the same time
		{"expired", func(srv *exchangetest.Server) { srv.FailToken(70019) }, "expired_token", "expired", 5 * time.Second},
		{"no answer until the end", func(srv *exchangetest.Server) { srv.DropTokenRequests() }, "", "before the code expired", 15 * time.Minute},
		{"wrong code", func(srv *exchangetest.Server) { srv.FailToken(70018) }, "bad_verification_code", "bad_verification_code", 5 * time.Second},
		{"no public client", func(srv *exchangetest.Server) { srv.FailToken(7000218) }, "invalid_client", "invalid_client", 5 * time.Second},
		{"blocked while polling", func(srv *exchangetest.Server) { srv.FailToken(53003) }, "invalid_grant", "use BrowserLogin", 5 * time.Second},
		{"device wanted while polling", func(srv *exchangetest.Server) { srv.FailToken(50097) }, "interaction_required", "use BrowserLogin", 5 * time.Second},
		{"blocked at first", func(srv *exchangetest.Server) { srv.FailDeviceCode(530032) }, "invalid_grant", "use BrowserLogin", 0},
		{"wrong scope", func(srv *exchangetest.Server) { srv.FailDeviceCode(70011) }, "invalid_scope", "invalid_scope", 0},
		{"wrong tenant", func(srv *exchangetest.Server) { srv.FailDeviceCode(90002) }, "invalid_request", "invalid_request", 0},
		{"page", func(srv *exchangetest.Server) { srv.InterceptTokens() }, "", "Welcome to our network", 5 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			withFakeClock(t, func(t *testing.T, srv *exchangetest.Server) {
				app := newDeviceApp(srv)
				tt.start(srv)
				begin := time.Now()
				_, err := app.DeviceLogin(t.Context(), showNothing)
				wantError(t, err, tt.want)
				if tt.code != "" && wantTokenError(t, err).Code != tt.code {
					t.Errorf("got %v, want %q", err, tt.code)
				}
				if endpoint := app.Provider.Endpoint(app.Tenant); tt.within == 0 && wantTokenError(t, err).Endpoint != endpoint.DeviceAuthURL {
					t.Errorf("got endpoint %q, want %q", wantTokenError(t, err).Endpoint, endpoint.DeviceAuthURL)
				}
				if advised := strings.Contains(err.Error(), "BrowserLogin"); advised != (tt.want == "use BrowserLogin") {
					t.Errorf("got %v: does it advise BrowserLogin?", err)
				}
				if took := time.Since(begin); took > tt.within {
					t.Errorf("it took %v, want %v", took, tt.within)
				}
				if errors.Is(err, xoauth2.ErrSignInRequired) || errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("got %v, want the error of a sign-in", err)
				}
			})
		})
	}
}

// stalling is a transport that never answers requests to a path.
type stalling struct {
	http.RoundTripper
	path string
}

func (s stalling) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.HasSuffix(r.URL.Path, s.path) {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	return s.RoundTripper.RoundTrip(r)
}

// TestDeviceContext ends the context at every step.
func TestDeviceContext(t *testing.T) {
	for _, path := range []string{"/devicecode", "/token", "never"} {
		t.Run(path, func(t *testing.T) {
			withFakeClock(t, func(t *testing.T, srv *exchangetest.Server) {
				app := newDeviceApp(srv)
				app.HTTPClient = &http.Client{Transport: stalling{srv.MemoryHTTPClient().Transport, path}}
				ctx, cancel := context.WithTimeoutCause(t.Context(), 7*time.Second, errLunch)
				defer cancel()
				begin := time.Now()
				_, err := app.DeviceLogin(ctx, showNothing)
				if !errors.Is(err, errLunch) || time.Since(begin) != 7*time.Second {
					t.Errorf("got %v after %v, want the context's cause after 7s", err, time.Since(begin))
				}
				if !strings.HasPrefix(err.Error(), "xoauth2: ") {
					t.Errorf("got %q, want xoauth2: …", err)
				}
			})
		})
	}
}

// replying is a transport that answers requests to a path itself.
type replying struct {
	http.RoundTripper
	path, body string
}

func (s replying) RoundTrip(r *http.Request) (*http.Response, error) {
	if !strings.HasSuffix(r.URL.Path, s.path) {
		return s.RoundTripper.RoundTrip(r)
	}
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Request: r,
		Body: io.NopCloser(strings.NewReader(s.body)),
	}, nil
}

// TestDeviceReplies has odd answers to the first request.
func TestDeviceReplies(t *testing.T) {
	const codes = `"device_code":"` + canary + `","user_code":"ABCD","verification_uri":"https://contoso.test/device"`
	tests := []struct{ name, body, want string }{
		{"interval as a string", `{` + codes + `,"interval":"7","expires_in":"60"}`, "bad_verification_code"},
		{"no interval", `{` + codes + `}`, "bad_verification_code"},
		{"negative interval", `{` + codes + `,"interval":-7}`, `"interval" is negative`},
		{"expired", `{` + codes + `,"expires_in":0}`, "before the code expired"},
		{"no code", `{"user_code":"ABCD","verification_uri":"https://contoso.test/device"}`, `"device_code" is missing`},
		{"no page", `{"device_code":"` + canary + `","user_code":"ABCD"}`, `"verification_uri" is missing`},
		{"page that is none", `{"device_code":"` + canary + `","user_code":"ABCD","verification_uri":"javascript:alert(1)"}`, "not the URL of a web page"},
		{"code that moves the cursor", `{"device_code":"` + canary + `","user_code":"AB\u001b[2J","verification_uri":"https://contoso.test/device"}`, "cannot be printed"},
		{"not JSON", canary, "not a JSON object"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			withFakeClock(t, func(t *testing.T, srv *exchangetest.Server) {
				app := newDeviceApp(srv)
				app.HTTPClient = &http.Client{Transport: replying{srv.MemoryHTTPClient().Transport, "/devicecode", tt.body}}
				_, err := app.DeviceLogin(t.Context(), showNothing)
				wantError(t, err, tt.want)
				assertSecret(t, err)
			})
		})
	}
}
