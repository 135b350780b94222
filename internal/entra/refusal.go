package entra

import (
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

const (
	maxDescription = 1 << 10
	maxBody        = 4 << 10
	maxCitation    = 256
	maxWord        = 128 // of a code or an id
	maxExcerpt     = 100
	maxRetryAfter  = time.Hour
)

// Refusal is the error of an endpoint that answered, but not with what it was
// asked for: an error of RFC 6749 section 5.2, or a page where JSON was due. All
// its texts are free of control characters and of the secrets of the request.
type Refusal struct {
	Code        string // RFC 6749 "error"; empty if the reply holds none
	SubError    string // Entra's "suberror", Google's "error_subtype"
	Description string // the endpoint's words, or what came instead, at most 1 KiB
	AADSTS      int    // Entra's error number; 0 if there is none

	TraceID, CorrelationID string // what Microsoft's support asks for

	Endpoint   string        // URL without its query; empty for the reply to an authorization request
	StatusCode int           // HTTP; 0 for the reply to an authorization request
	RetryAfter time.Duration // at most an hour; 0 if the endpoint names none
	ClockSkew  time.Duration // our clock minus the endpoint's; 0 if it names no time

	// Retrieve tells the same as x/oauth2 would, for programs that know its error.
	// Its Response holds Status, StatusCode and Header and no request; its Body
	// is at most 4 KiB, only the title if it is a page. It is nil for the reply
	// to an authorization request.
	Retrieve *oauth2.RetrieveError
}

// Error names the code, the AADSTS number, the HTTP status and the first 256
// bytes of the description.
func (r *Refusal) Error() string {
	description := cut(r.Description, maxCitation)
	if r.Code == "" {
		return fmt.Sprintf("refused with HTTP status %d: %s", r.StatusCode, description)
	}
	var details []string
	if r.SubError != "" {
		details = append(details, strconv.Quote(r.SubError))
	}
	if r.AADSTS != 0 {
		details = append(details, "AADSTS"+strconv.Itoa(r.AADSTS))
	}
	if r.StatusCode != 0 {
		details = append(details, "HTTP status "+strconv.Itoa(r.StatusCode))
	}
	text := fmt.Sprintf("refused with %q", r.Code)
	if len(details) > 0 {
		text += " (" + strings.Join(details, ", ") + ")"
	}
	if description != "" {
		text += fmt.Sprintf(": %q", description)
	}
	return text
}

// Unwrap returns Retrieve.
func (r *Refusal) Unwrap() error {
	if r.Retrieve == nil {
		return nil
	}
	return r.Retrieve
}

// Temporary reports whether the same request may succeed later: throttling and
// outages (RFC 6749 sections 4.1.2.1 and 5.2, RFC 6585 section 4). A slow_down
// is not one, since it asks for a longer interval and not only for a repetition
// (RFC 8628 section 3.5): it is for whoever polls.
func (r *Refusal) Temporary() bool {
	return r.StatusCode == http.StatusTooManyRequests || r.StatusCode/100 == 5 ||
		r.Code == "temporarily_unavailable" || r.Code == "server_error"
}

// ParseAuthorizationError returns the refusal in the reply to an authorization
// request (RFC 6749 section 4.1.2.1), and nil if v holds none.
func ParseAuthorizationError(v url.Values) *Refusal {
	if v.Get("error") == "" {
		return nil
	}
	var secrets redactor
	for _, name := range []string{"code", "state", "id_token", "access_token"} {
		secrets = append(secrets, v[name]...)
	}
	subError := v.Get("error_subcode")
	if subError == "" {
		subError = v.Get("suberror")
	}
	r := &Refusal{
		Code:          secrets.tidy(v.Get("error"), maxWord),
		SubError:      secrets.tidy(subError, maxWord),
		Description:   secrets.tidy(v.Get("error_description"), maxDescription),
		TraceID:       secrets.tidy(v.Get("trace_id"), maxWord),
		CorrelationID: secrets.tidy(v.Get("correlation_id"), maxWord),
	}
	r.readDescription()
	return r
}

// The description of Entra's errors repeats what its JSON holds in fields of
// their own, and is all there is in an authorization reply (Microsoft,
// "Microsoft Entra authentication and authorization error codes").
var (
	aadstsPattern      = regexp.MustCompile(`\bAADSTS(\d{1,9})\b`)
	tracePattern       = regexp.MustCompile(`\bTrace ID: ([0-9A-Za-z-]{1,64})`)
	correlationPattern = regexp.MustCompile(`\bCorrelation ID: ([0-9A-Za-z-]{1,64})`)
)

// readDescription fills in from the description what is not known better.
func (r *Refusal) readDescription() {
	if r.AADSTS == 0 {
		r.AADSTS, _ = strconv.Atoi(submatch(aadstsPattern, r.Description))
	}
	if r.TraceID == "" {
		r.TraceID = submatch(tracePattern, r.Description)
	}
	if r.CorrelationID == "" {
		r.CorrelationID = submatch(correlationPattern, r.Description)
	}
}

func submatch(pattern *regexp.Regexp, text string) string {
	if m := pattern.FindStringSubmatch(text); m != nil {
		return m[1]
	}
	return ""
}

// refusal reads an error reply in JSON.
func (r *reply) refusal(o *object) *Refusal {
	// An endpoint that sends tokens along with an error is no reason to show them.
	for _, name := range []string{"access_token", "refresh_token", "id_token", "device_code"} {
		r.secrets = append(r.secrets, o.text(name))
	}
	code, description := errorText(o)
	d := r.newRefusal(description, r.secrets.remove(string(r.body)))
	d.Code = r.secrets.tidy(code, maxWord)
	d.SubError = r.secrets.tidy(firstText(o, "suberror", "error_subtype"), maxWord)
	if id := r.secrets.tidy(o.text("trace_id"), maxWord); id != "" {
		d.TraceID = id
	}
	if id := r.secrets.tidy(o.text("correlation_id"), maxWord); id != "" {
		d.CorrelationID = id
	}
	var numbers []int
	if json.Unmarshal(o.members["error_codes"], &numbers) == nil && len(numbers) > 0 {
		d.AADSTS = max(numbers[0], 0)
	}
	d.readDescription()
	d.Retrieve.ErrorCode = d.Code
	d.Retrieve.ErrorDescription = d.Description
	d.Retrieve.ErrorURI = r.secrets.tidy(o.text("error_uri"), maxCitation)
	return d
}

// errorText finds the code and the description, wherever the endpoint put them.
func errorText(o *object) (code, description string) {
	// Yahoo answers some malformed requests with an object, as Google's other
	// services do.
	if inner := parseObject(o.members["error"]); inner != nil {
		code = firstText(inner, "errorId", "status")
		description = firstText(inner, "message", "localizedMessage")
	} else {
		// Google's device endpoint says "error_code" when a quota is exhausted
		// ("OAuth 2.0 for TV and Limited-Input Device Applications").
		code = firstText(o, "error", "error_code")
		description = firstText(o, "error_description")
	}
	if code == "" && description == "" {
		description = "the reply holds no error code"
		if message := firstText(o, "message"); message != "" {
			description += fmt.Sprintf(", but the message %q", message)
		}
	}
	return code, description
}

func firstText(o *object, names ...string) string {
	for _, name := range names {
		if s := o.text(name); s != "" {
			return s
		}
	}
	return ""
}

// redirect refuses to be sent elsewhere: token endpoints do not do that,
// but sign-in pages of networks do.
func (r *reply) redirect() *Refusal {
	target := "an address that cannot be read"
	base := url.URL{Scheme: "https", Host: r.host}
	if u, err := base.Parse(r.header.Get("Location")); err == nil {
		target = fmt.Sprintf("%q", r.secrets.tidy(u.Host, maxWord))
	}
	return r.newRefusal("a redirect to "+target+" instead of a reply; it is not followed, and a proxy may be in the way", "")
}

var titlePattern = regexp.MustCompile(`(?i)<title[^>]*>([^<]*)`)

// page stands for a reply that is not JSON, of which only the title or the
// first words are told.
func (r *reply) page() *Refusal {
	text := fmt.Sprintf("a reply of type %q instead of JSON", r.contentType())
	excerpt := r.excerpt()
	if excerpt != "" {
		text += fmt.Sprintf(" with the words %q", excerpt)
	}
	return r.newRefusal(text+"; a proxy or a gateway may have answered", excerpt)
}

func (r *reply) excerpt() string {
	text := string(r.body)
	switch {
	case r.isHTML():
		text = html.UnescapeString(submatch(titlePattern, text))
	case strings.ContainsAny(text, "{["):
		return "" // JSON cut short, which could hold a token
	}
	return r.secrets.tidy(text, maxExcerpt)
}

// newRefusal takes from the header what every refusal has in common.
func (r *reply) newRefusal(description, body string) *Refusal {
	d := &Refusal{
		Endpoint:      r.endpoint,
		Description:   r.secrets.tidy(description, maxDescription),
		TraceID:       r.secrets.tidy(r.header.Get("X-Ms-Request-Id"), maxWord),
		CorrelationID: r.secrets.tidy(r.header.Get("Client-Request-Id"), maxWord),
		StatusCode:    r.status,
	}
	now := r.received
	if date, err := http.ParseTime(r.header.Get("Date")); err == nil {
		d.ClockSkew = now.Sub(date).Round(time.Second)
		now = date
	}
	d.RetryAfter = retryAfter(r.header.Get("Retry-After"), now)
	d.Retrieve = &oauth2.RetrieveError{
		Response: &http.Response{
			Status:     r.secrets.tidy(r.phrase, maxWord),
			StatusCode: r.status,
			Header:     r.tellableHeader(),
		},
		Body:             []byte(cut(body, maxBody)),
		ErrorDescription: d.Description,
	}
	return d
}

// retryAfter reads RFC 9110 section 10.2.3: seconds, or a date on the clock of
// the endpoint, which now belongs to.
func retryAfter(value string, now time.Time) time.Duration {
	var d time.Duration
	if date, err := http.ParseTime(value); err == nil {
		d = date.Sub(now)
	} else if seconds, ok := parseNumber([]byte(value)); ok {
		d = time.Duration(min(max(seconds, 0), maxRetryAfter.Seconds()) * float64(time.Second))
	}
	return min(max(d, 0), maxRetryAfter)
}

// tellableHeader leaves out what is secret by its meaning, cookies and the rest
// of a redirect's address, and what holds a secret.
func (r *reply) tellableHeader() http.Header {
	header := make(http.Header, len(r.header))
	for name, values := range r.header {
		if name == "Set-Cookie" || name == "Location" || r.secrets.remove(name) != name {
			continue
		}
		for _, value := range values {
			header.Add(name, r.secrets.tidy(value, maxDescription))
		}
	}
	return header
}
