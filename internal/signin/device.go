package signin

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"time"

	"golang.org/x/oauth2"

	"github.com/xoauth2/go-xoauth2/internal/entra"
)

// Polling of the device flow (RFC 8628, sections 3.2 and 3.5).
const (
	defaultInterval = 5 * time.Second
	slowDown        = 5 * time.Second
	maxInterval     = time.Minute
	defaultLife     = 15 * time.Minute
)

// ErrCodeExpired is returned by Poll when the user did not enter the code in
// time.
var ErrCodeExpired = errors.New("the user did not finish signing in before the code expired")

// Poll asks with poll until the user has signed in, declines, or lets the code
// expire. It waits longer after slow_down, and ever longer while the endpoint
// cannot be reached.
func Poll(ctx context.Context, codes *oauth2.DeviceAuthResponse, poll func(context.Context) (*oauth2.Token, error)) (*oauth2.Token, error) {
	interval := time.Duration(codes.Interval) * time.Second
	if interval <= 0 {
		interval = defaultInterval
	}
	expiry := codes.Expiry
	if expiry.IsZero() {
		expiry = time.Now().Add(defaultLife)
	}
	ctx, cancel := context.WithDeadlineCause(ctx, expiry, ErrCodeExpired)
	defer cancel()
	backoff := time.Duration(0)
	for {
		if err := sleep(ctx, interval+backoff); err != nil {
			return nil, err
		}
		token, err := poll(ctx)
		var refusal *entra.Refusal
		switch {
		case err == nil:
			return token, nil
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case errors.As(err, &refusal) && refusal.Code == "authorization_pending":
			backoff = 0
		case errors.As(err, &refusal) && refusal.Code == "slow_down":
			interval += slowDown
			backoff = 0
		case errors.As(err, &refusal) && refusal.Temporary():
			backoff = max(refusal.RetryAfter, longer(backoff, interval))
		case IsNetworkError(err):
			backoff = longer(backoff, interval)
		case errors.As(err, &refusal) && refusal.Code == "expired_token":
			return nil, fmt.Errorf("%w: %w", ErrCodeExpired, err)
		default:
			return nil, err
		}
	}
}

func longer(backoff, interval time.Duration) time.Duration {
	return min(max(2*backoff, interval), maxInterval)
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}

// IsNetworkError reports whether err is about the way to the endpoint, which
// may be better next time; not a name that does not exist, nor a certificate
// that does not verify.
func IsNetworkError(err error) bool {
	var name *net.DNSError
	var certificate *tls.CertificateVerificationError
	if errors.As(err, &name) && name.IsNotFound || errors.As(err, &certificate) {
		return false
	}
	var sent *url.Error
	var network net.Error
	var stream streamError
	return errors.As(err, &sent) || errors.As(err, &network) || errors.As(err, &stream) || errors.Is(err, io.ErrUnexpectedEOF)
}

// streamError is a stream of HTTP/2 that was broken off: net/http's own type
// is not exported, and its As method fills one with the same fields.
type streamError struct {
	StreamID uint32
	Code     uint32
	Cause    error
}

func (e streamError) Error() string {
	return fmt.Sprintf("HTTP/2 stream broken off with code %d", e.Code)
}

// NeedsBrowser reports whether an endpoint refuses the device flow where it
// would let a browser in: it wants to see the device (Microsoft's "Conditional
// Access: authentication flows"). The number only words the advice.
func NeedsBrowser(code string, aadsts int) bool {
	switch aadsts {
	case 53000, 53003, 530032, 530034, 50097, 50158:
		return true
	}
	return code == "interaction_required"
}
