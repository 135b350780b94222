package signin_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/oauth2"

	"github.com/xoauth2/go-xoauth2/internal/entra"
	"github.com/xoauth2/go-xoauth2/internal/signin"
)

var errNetwork = &url.Error{Op: "Post", URL: "https://login.test", Err: io.EOF}

func refusal(code string) error { return &entra.Refusal{Code: code, StatusCode: 400} }

// TestPoll answers polls with one error after the other, then with a token.
func TestPoll(t *testing.T) {
	t.Parallel()
	again := refusal("authorization_pending")
	slower := refusal("slow_down")
	throttled := &entra.Refusal{StatusCode: 429, RetryAfter: 40 * time.Second}
	down := &entra.Refusal{StatusCode: 503}
	tests := []struct {
		name     string
		interval int64
		answers  []error
		polls    []int // seconds after the beginning
	}{
		{"at once", 5, nil, []int{5}},
		{"no interval", 0, nil, []int{5}},
		{"pending", 3, []error{again, again}, []int{3, 6, 9}},
		{"slow_down lasts", 5, []error{slower, again, again}, []int{5, 15, 25, 35}},
		{"slow_down adds up", 5, []error{slower, slower, again}, []int{5, 15, 30, 45}},
		{"network", 5, []error{errNetwork, errNetwork, errNetwork, again}, []int{5, 15, 30, 55, 60}},
		{"network for long", 5, []error{errNetwork, errNetwork, errNetwork, errNetwork, errNetwork, errNetwork, errNetwork}, []int{5, 15, 30, 55, 100, 165, 230, 295}},
		{"throttled", 5, []error{throttled, again}, []int{5, 50, 55}},
		{"out of order", 5, []error{down, down}, []int{5, 15, 30}},
		{"slow_down ends the back-off", 5, []error{errNetwork, slower, again}, []int{5, 15, 25, 35}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				begin, answers := time.Now(), tt.answers
				var polls []int
				token, err := signin.Poll(t.Context(), &oauth2.DeviceAuthResponse{Interval: tt.interval}, func(context.Context) (*oauth2.Token, error) {
					polls = append(polls, int(time.Since(begin)/time.Second))
					if len(answers) == 0 {
						return &oauth2.Token{AccessToken: "good"}, nil
					}
					err := answers[0]
					answers = answers[1:]
					return nil, err
				})
				if err != nil || token.AccessToken != "good" {
					t.Errorf("got %v, want the token", err)
				}
				if !slices.Equal(polls, tt.polls) {
					t.Errorf("polled after %v seconds, want %v", polls, tt.polls)
				}
			})
		})
	}
}

// TestPollEnds has polls that come to nothing.
func TestPollEnds(t *testing.T) {
	t.Parallel()
	other := errors.New("other")
	tests := []struct {
		name   string
		err    error
		life   time.Duration // of the code; 0: not named
		want   error
		within time.Duration
	}{
		{"declined", refusal("authorization_declined"), time.Hour, refusal("authorization_declined"), 5 * time.Second},
		{"expired", refusal("expired_token"), time.Hour, signin.ErrCodeExpired, 5 * time.Second},
		{"pending until the end", refusal("authorization_pending"), time.Minute, signin.ErrCodeExpired, time.Minute},
		{"no network until the end", errNetwork, time.Minute, signin.ErrCodeExpired, time.Minute},
		{"no life named", refusal("authorization_pending"), 0, signin.ErrCodeExpired, 15 * time.Minute},
		{"over at the start", refusal("authorization_pending"), -time.Second, signin.ErrCodeExpired, 0},
		{"another error", other, time.Hour, other, 5 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				codes := &oauth2.DeviceAuthResponse{Interval: 5}
				if tt.life != 0 {
					codes.Expiry = time.Now().Add(tt.life)
				}
				begin := time.Now()
				_, err := signin.Poll(t.Context(), codes, func(context.Context) (*oauth2.Token, error) { return nil, tt.err })
				if !errors.Is(err, tt.want) && (err == nil || err.Error() != tt.want.Error()) {
					t.Errorf("got %v, want %v", err, tt.want)
				}
				if took := time.Since(begin); took != tt.within {
					t.Errorf("it took %v, want %v", took, tt.within)
				}
			})
		})
	}
}

// TestPollContext ends the context while a poll is under way.
func TestPollContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		left := errors.New("left")
		ctx, cancel := context.WithTimeoutCause(t.Context(), 7*time.Second, left)
		defer cancel()
		_, err := signin.Poll(ctx, &oauth2.DeviceAuthResponse{Interval: 5}, func(ctx context.Context) (*oauth2.Token, error) {
			<-ctx.Done()
			return nil, fmt.Errorf("the request: %w", ctx.Err())
		})
		if !errors.Is(err, left) {
			t.Errorf("got %v, want the context's cause", err)
		}
	})
}

func TestIsNetworkError(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		err  error
		want bool
	}{
		{"no answer", errNetwork, true},
		{"wrapped", fmt.Errorf("no reply: %w", errNetwork), true},
		{"reset", &net.OpError{Op: "read", Err: errors.New("connection reset")}, true},
		{"cut", fmt.Errorf("broke off: %w", io.ErrUnexpectedEOF), true},
		{"too slow", os.ErrDeadlineExceeded, true},
		{"resolver out of order", &net.DNSError{Err: "server misbehaving", IsTemporary: true}, true},
		{"no such host", &url.Error{Op: "Post", Err: &net.DNSError{Err: "no such host", IsNotFound: true}}, false},
		{"foreign certificate", &url.Error{Op: "Post", Err: &tls.CertificateVerificationError{Err: x509.HostnameError{}}}, false},
		{"refusal", refusal("invalid_client"), false},
		{"another error", errors.New("disk full"), false},
		{"none", nil, false},
	}
	for _, tt := range tests {
		if got := signin.IsNetworkError(tt.err); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestNeedsBrowser(t *testing.T) {
	t.Parallel()
	tests := []struct {
		code   string
		number int
		want   bool
	}{
		{"invalid_grant", 53003, true}, {"invalid_grant", 530034, true}, {"interaction_required", 0, true}, {"interaction_required", 50097, true},
		{"invalid_grant", 50173, false}, {"authorization_declined", 70018, false}, {"", 0, false},
	}
	for _, tt := range tests {
		if got := signin.NeedsBrowser(tt.code, tt.number); got != tt.want {
			t.Errorf("%q, AADSTS%d: got %v, want %v", tt.code, tt.number, got, tt.want)
		}
	}
}
