package tokencache

import (
	"errors"
	"math"
	"math/rand/v2"
	"time"

	"golang.org/x/oauth2"
)

const (
	renewBefore   = 5 * time.Minute  // of expiry; half the lifetime of a token that lives less than twice that
	expireBefore  = 10 * time.Second // of expiry; a tenth of the lifetime of a token that lives less than ten times that
	renewInterval = 30 * time.Second // between two attempts to renew a token that still serves

	// forever bounds a lifetime: sums with it overflow neither a
	// time.Duration nor Unix nanoseconds.
	forever = 50 * 365 * 24 * time.Hour
)

// obtainedAt is the Extra of a token that says when it was obtained, if that
// was before Fetch was called.
const obtainedAt = "obtained_at"

var (
	errNoToken = errors.New("the answer holds no access token")
	errExpired = errors.New("the token had expired when it arrived: this machine's clock is wrong, or the server's expires_in is")
)

// An entry is a token and when to use it, in Unix nanoseconds: a laptop's wall
// clock, unlike the monotonic one, goes on while it sleeps. An entry does not
// change.
type entry struct {
	token    *oauth2.Token
	obtained int64
	start    int64 // a clock that shows less has been set back
	renew    int64 // when it is to be renewed
	end      int64 // when it is no longer served
}

// newEntry takes a token that arrived now.
func newEntry(token *oauth2.Token, now time.Time) (*entry, error) {
	if token == nil || token.AccessToken == "" {
		return nil, errNoToken
	}
	obtained := now
	if at, ok := token.Extra(obtainedAt).(time.Time); ok && !at.IsZero() {
		obtained = at
		token = token.WithExtra(nil) // it would take more memory than the rest
	}
	age, left, window := measure(token, obtained, now)
	start := now.UnixNano()
	e := &entry{token: token, obtained: start - int64(age), start: start, renew: math.MaxInt64, end: math.MaxInt64}
	if token.Expiry.IsZero() {
		e.start = math.MinInt64
		return e, nil
	}
	serves := left - min(expireBefore, (age+left)/10)
	if serves <= 0 {
		return nil, errExpired
	}
	quiet := left - window + rand.N(window/5+1) // not all accounts in the same second
	if quiet <= 0 {
		quiet = renewInterval // a token out of a store: asking at once would give the same
	}
	e.renew, e.end = start+int64(quiet), start+int64(serves)
	return e, nil
}

// measure returns how old a token is, how long it has to live, and how much of
// that is for renewing it.
func measure(token *oauth2.Token, obtained, now time.Time) (age, left, window time.Duration) {
	now = now.Round(0) // the wall clock
	age = min(max(0, now.Sub(obtained)), forever)
	left = min(max(0, token.Expiry.Sub(now)), forever)
	return age, left, min(renewBefore, (age+left)/2)
}

// Fresh reports whether token, obtained then, is not yet to be renewed.
func Fresh(token *oauth2.Token, obtained time.Time) bool {
	_, left, window := measure(token, obtained, time.Now())
	return token.Expiry.IsZero() || left > window
}

// isQuiet reports whether e serves and needs no renewal.
func (e *entry) isQuiet(now int64) bool { return e.start <= now && now < e.renew }

// postponed returns e with its renewal at d after now.
func (e *entry) postponed(now int64, d time.Duration) *entry {
	later := *e
	later.start, later.renew = now, now+int64(d)
	return &later
}
