package entra_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/xoauth2/go-xoauth2/internal/entra"
)

const goodReply = `{"token_type":"Bearer","expires_in":3599,"ext_expires_in":3599,"access_token":"eyJ0.token"}`

// serve starts an endpoint that counts its connections.
func serve(t *testing.T, http2 bool, h http.HandlerFunc) (*httptest.Server, *atomic.Int32) {
	t.Helper()
	var connections atomic.Int32
	s := httptest.NewUnstartedServer(h)
	s.EnableHTTP2 = http2
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	s.Config.ErrorLog = quiet
	s.StartTLS()
	t.Cleanup(s.Close)
	return s, &connections
}

func TestRequest(t *testing.T) {
	t.Parallel()
	form := url.Values{"client_id": {"id"}, "client_secret": {"a+b/c=&d"}, "scope": {"x y"}}
	s, _ := serve(t, false, func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		got := fmt.Sprint(req.Method, req.URL.Path, req.Header.Get("Content-Type"), req.Header.Get("Accept"),
			req.Header["Authorization"], req.Header["Cookie"], string(body))
		want := fmt.Sprint("POST", "/t/token", "application/x-www-form-urlencoded", "application/json",
			[]string(nil), []string(nil), form.Encode())
		if got != want {
			t.Errorf("got request %s, want %s", got, want)
		}
		w.Header().Set("Set-Cookie", "fpc=1; Path=/")
		io.WriteString(w, goodReply)
	})
	h := s.Client()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	h.Jar = jar
	c := entra.NewClient(h)
	for range 2 {
		token, err := c.Token(t.Context(), s.URL+"/t/token", form)
		if err != nil {
			t.Fatal(err)
		}
		if token.Expiry != token.Expiry.Round(0) {
			t.Error("the expiry holds a reading of the monotonic clock")
		}
	}
	u, _ := url.Parse(s.URL)
	if h.Jar != jar || h.CheckRedirect != nil || len(jar.Cookies(u)) != 0 {
		t.Error("the caller's client was changed or used for cookies")
	}
}

func TestEndpointMustBeHTTPS(t *testing.T) {
	t.Parallel()
	c := client(func(*http.Request) (*http.Response, error) {
		t.Error("a request was sent")
		return nil, errors.New("sent")
	})
	for _, bad := range []string{
		"", "http://login.example/token", "http://localhost/token", "http://127.0.0.1:8080/token", "https:///token", "https://:443/token",
		"login.example/token", "ftp://login.example/", "https://login.example:port/", "https://user:" + "pass" + "@login.example/", "https://a b/", "\x7f",
	} {
		_, err := c.Token(t.Context(), bad, url.Values{})
		if err == nil {
			t.Errorf("%q: got no error", bad)
			continue
		}
		if strings.Contains(err.Error(), "pass@") || strings.Contains(err.Error(), "user:") {
			t.Errorf("%q: the error shows the user name: %v", bad, err)
		}
		if _, err := c.DeviceAuth(t.Context(), bad, url.Values{}); err == nil {
			t.Errorf("%q: got no error from DeviceAuth", bad)
		}
	}
}

func TestOneConnection(t *testing.T) {
	t.Parallel()
	replies := []http.HandlerFunc{
		func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, goodReply) },
		func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadRequest)
			io.WriteString(w, `{"error":"invalid_grant"}`)
		},
		func(w http.ResponseWriter, req *http.Request) { http.Redirect(w, req, "/elsewhere", http.StatusFound) },
		func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(http.StatusServiceUnavailable)
			io.WriteString(w, strings.Repeat("<p>busy</p>", 20_000))
		},
		func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) },
	}
	for _, http2 := range []bool{false, true} {
		t.Run(fmt.Sprintf("HTTP2=%v", http2), func(t *testing.T) {
			var n atomic.Int32
			s, connections := serve(t, http2, func(w http.ResponseWriter, req *http.Request) {
				if req.URL.Path != "/token" {
					t.Errorf("a redirect was followed to %s", req.URL.Path)
				}
				replies[int(n.Add(1)-1)%len(replies)](w, req)
			})
			c := entra.NewClient(s.Client())
			for i := range 4 * len(replies) {
				_, err := c.Token(t.Context(), s.URL+"/token", url.Values{})
				if good := i%len(replies) == 0; good != (err == nil) {
					t.Errorf("request %d: got error %v", i, err)
				}
			}
			if got := connections.Load(); got != 1 {
				t.Errorf("got %d connections, want 1", got)
			}
		})
	}
}

// The transport of the process, with many workers at once.
func TestSharedTransport(t *testing.T) {
	t.Parallel()
	needSystemRoots(t)
	const workers, each = 64, 15
	for _, http2 := range []bool{false, true} {
		t.Run(fmt.Sprintf("HTTP2=%v", http2), func(t *testing.T) {
			var versions sync.Map
			s, connections := serve(t, http2, func(w http.ResponseWriter, req *http.Request) {
				versions.Store(req.ProtoMajor, true)
				time.Sleep(time.Millisecond)
				io.WriteString(w, goodReply)
			})
			var wg sync.WaitGroup
			for range workers {
				wg.Go(func() {
					c := entra.NewClient(nil) // all share one transport
					for range each {
						mustToken(t, c, s.URL)
					}
				})
			}
			wg.Wait()
			if got := connections.Load(); got > workers {
				t.Errorf("got %d connections, want at most %d", got, workers)
			}
			if _, ok := versions.Load(2); ok != http2 {
				t.Errorf("HTTP/2 used: %v, want %v", ok, http2)
			}
		})
	}
}

func TestSharedTransportLimits(t *testing.T) {
	t.Parallel()
	needSystemRoots(t)
	s, _ := serve(t, false, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Long", strings.Repeat("x", 1<<20))
		io.WriteString(w, goodReply)
	})
	if _, err := entra.NewClient(nil).Token(t.Context(), s.URL, nil); err == nil {
		t.Error("a header of 1 MiB: got no error")
	}
	old := httptest.NewUnstartedServer(nil)
	old.TLS = &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}
	old.Config.ErrorLog = quiet
	old.StartTLS()
	defer old.Close()
	_, err := entra.NewClient(nil).Token(t.Context(), old.URL, nil)
	if err == nil || !strings.Contains(err.Error(), "protocol version") {
		t.Errorf("TLS 1.1: got error %v", err)
	}
}

// Not parallel: the other servers have the same name, and so the same place in
// the session cache.
func TestSessionResumption(t *testing.T) {
	needSystemRoots(t)
	var resumed atomic.Int32
	s, _ := serve(t, false, func(w http.ResponseWriter, req *http.Request) {
		if req.TLS.DidResume {
			resumed.Add(1)
		}
		w.Header().Set("Connection", "close")
		io.WriteString(w, goodReply)
	})
	for range 3 {
		mustToken(t, entra.NewClient(nil), s.URL)
	}
	if got := resumed.Load(); got != 2 {
		t.Errorf("got %d resumed sessions, want 2", got)
	}
}

func needSystemRoots(t *testing.T) {
	t.Helper()
	if runtime.GOOS == "windows" || runtime.GOOS == "darwin" || runtime.GOOS == "ios" {
		t.Skip("SSL_CERT_FILE is not read on", runtime.GOOS)
	}
}

func TestNetworkErrorsStayReachable(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := "https://" + listener.Addr().String() + "/token"
	listener.Close()
	var op *net.OpError
	if _, err := entra.NewClient(nil).Token(t.Context(), closed, nil); !errors.As(err, &op) {
		t.Errorf("closed port: got %v, want a *net.OpError", err)
	}

	var dns *net.DNSError
	lookup := client(func(*http.Request) (*http.Response, error) {
		return nil, &net.DNSError{Err: "no such host", Name: "login.example", IsNotFound: true}
	})
	if _, err := lookup.Token(t.Context(), endpoint, nil); !errors.As(err, &dns) || !dns.IsNotFound {
		t.Errorf("no such host: got %v, want a *net.DNSError", err)
	}

	s, _ := serve(t, false, func(http.ResponseWriter, *http.Request) {})
	var unknown x509.UnknownAuthorityError
	strict := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: x509.NewCertPool()}}}
	if _, err := entra.NewClient(strict).Token(t.Context(), s.URL, nil); !errors.As(err, &unknown) {
		t.Errorf("unknown authority: got %v, want an x509.UnknownAuthorityError", err)
	}
}

// stalled is a reply body that never comes to an end.
type stalled struct{ ctx context.Context }

func (s stalled) Read([]byte) (int, error) {
	<-s.ctx.Done()
	return 0, s.ctx.Err()
}

func (stalled) Close() error { return nil }

func TestTime(t *testing.T) {
	t.Parallel()
	silent := transport(func(req *http.Request) (*http.Response, error) {
		<-req.Context().Done()
		return nil, req.Context().Err()
	})
	slowBody := transport(func(req *http.Request) (*http.Response, error) {
		resp, err := answer(200, "")(req)
		resp.Body = stalled{req.Context()}
		return resp, err
	})
	gone := errors.New("the user went away")
	for name, rt := range map[string]transport{"no header": silent, "no body": slowBody} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := client(rt)
				start := time.Now()
				_, err := c.Token(t.Context(), endpoint, nil)
				if took := time.Since(start); took != 30*time.Second {
					t.Errorf("our limit: took %v, want 30s", took)
				}
				if !errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("our limit: got %v, want os.ErrDeadlineExceeded alone", err)
				}

				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				if _, err := c.Token(ctx, endpoint, nil); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("caller's limit: got %v", err)
				}

				caused, stop := context.WithCancelCause(t.Context())
				time.AfterFunc(time.Second, func() { stop(gone) })
				start = time.Now()
				if _, err := c.DeviceAuth(caused, endpoint, nil); !errors.Is(err, gone) || time.Since(start) != time.Second {
					t.Errorf("caller's cause: got %v after %v", err, time.Since(start))
				}
				if _, err := c.Token(caused, endpoint, nil); !errors.Is(err, gone) {
					t.Errorf("ended before: got %v", err)
				}
			})
		})
	}
}

func TestOversizedReply(t *testing.T) {
	t.Parallel()
	for _, status := range []int{200, 400, 503} {
		var read int
		_, err := client(func(req *http.Request) (*http.Response, error) {
			resp, err := answer(status, "")(req)
			resp.Body = io.NopCloser(readerFunc(func(b []byte) (int, error) {
				read += len(b)
				return copy(b, strings.Repeat("{", len(b))), nil // without end
			}))
			return resp, err
		}).Token(t.Context(), endpoint, nil)
		if err == nil || !strings.Contains(err.Error(), "longer than 1 MiB") {
			t.Errorf("HTTP %d: got error %v", status, err)
		}
		if read > 3<<20 {
			t.Errorf("HTTP %d: read %d bytes", status, read)
		}
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }
