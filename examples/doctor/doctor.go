package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-smtp"

	"github.com/xoauth2/go-xoauth2"
)

// doctor examines a patient, step by step.
type doctor struct {
	*patient
	report *report
	tokens oauth2.TokenSource // what the token step found
	info   xoauth2.TokenInfo
}

// notice is a finding that is no failure.
type notice string

func (n notice) Error() string { return string(n) }

// step takes one step within the patient's time, and reports whether the next
// ones make sense. A check returns what it found; a notice is a warning.
func (d *doctor) step(ctx context.Context, name string, check func(context.Context) (string, error)) bool {
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	return d.unlimited(ctx, name, check)
}

// unlimited is a step that takes as long as a person needs.
func (d *doctor) unlimited(ctx context.Context, name string, check func(context.Context) (string, error)) bool {
	d.report.begin(name)
	start := time.Now()
	detail, err := check(ctx)
	s := step{Name: name, Status: statusOK, Milliseconds: time.Since(start).Milliseconds(), Detail: detail}
	if warning, ok := errors.AsType[notice](err); ok {
		s.Status, s.Error = statusWarning, string(warning)
	} else if err != nil {
		s.Status = statusFailed
		s.explain(err)
	}
	d.report.add(s)
	return s.Status != statusFailed
}

func (d *doctor) skip(name, why string) {
	d.report.add(step{Name: name, Status: statusSkipped, Detail: why})
}

// examine takes all steps.
func (d *doctor) examine(ctx context.Context) {
	d.step(ctx, "configuration", d.configuration)
	if d.endpoint == "" {
		d.skip("clock", "no token endpoint to compare with")
	} else {
		d.step(ctx, "clock", d.clock)
	}
	if d.unlimited(ctx, "token", d.token) {
		d.step(ctx, "claims", d.claims)
	} else {
		d.skip("claims", "there is no token")
	}
	for _, proto := range d.protocols {
		d.protocol(ctx, proto)
	}
}

// configuration looks at what needs no connection.
func (d *doctor) configuration(context.Context) (string, error) {
	detail := fmt.Sprintf("%s, %s, mailbox %s", d.provider.Name, d.how, d.mailbox)
	switch {
	case !strings.Contains(d.mailbox, "@"):
		return detail, notice("the mailbox is not an address; user names are whole addresses nearly everywhere")
	case strings.ContainsAny(d.mailbox, " \t\r\n"):
		return detail, errors.New("there is white space in the mailbox's address")
	}
	return detail, nil
}

// clock compares this machine's clock with the token endpoint's.
func (d *doctor) clock(ctx context.Context) (string, error) {
	u, err := url.Parse(d.endpoint)
	if err != nil {
		return "", err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, u.Scheme+"://"+u.Host+"/", nil)
	if err != nil {
		return "", err
	}
	resp, err := d.client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	date, err := http.ParseTime(resp.Header.Get("Date"))
	if err != nil {
		return "", notice("the token endpoint does not tell the time")
	}
	return judgeClock(time.Since(date).Round(time.Second))
}

// judgeClock takes our clock minus the endpoint's.
func judgeClock(skew time.Duration) (string, error) {
	const tolerable, bad = 10 * time.Second, 4 * time.Minute
	where := "ahead of"
	if skew < 0 {
		where, skew = "behind", -skew
	}
	if skew > bad {
		skew = skew.Round(time.Minute)
	}
	text := fmt.Sprintf("this machine's clock is %v %s the token endpoint's", skew, where)
	switch {
	case skew > bad:
		return "", notice(text + ": assertions and tokens will be outside their time; set it (NTP)")
	case skew > tolerable:
		return "", notice(text)
	}
	return "agrees with the token endpoint's", nil
}

// token gets an access token.
func (d *doctor) token(ctx context.Context) (string, error) {
	if !strings.HasPrefix(d.how, "a sign-in") {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, d.timeout)
		defer cancel()
	}
	source, err := d.patient.tokens(ctx)
	if err != nil {
		return "", err
	}
	token, err := xoauth2.Token(ctx, source)
	if err != nil {
		return "", err
	}
	d.tokens, d.info = source, xoauth2.InspectToken(token.AccessToken)
	detail := fmt.Sprintf("%d bytes, by %s", d.info.Length, d.how)
	if !token.Expiry.IsZero() {
		detail += fmt.Sprintf(", valid for %v", time.Until(token.Expiry).Round(time.Minute))
	}
	return detail, nil
}

// claims shows what the token says, and what each protocol would refuse it for
// with certainty.
func (d *doctor) claims(context.Context) (string, error) {
	t := d.info
	if t.Opaque {
		const detail = "the token says nothing about itself, as those of personal accounts, Google and Yahoo"
		if d.provider.ConsentURL != "" {
			return detail, notice("work accounts have tokens with claims (JWTs): this is perhaps a refresh token, one that was cut short, or a personal account's, for which there is -provider outlook")
		}
		return detail, nil
	}
	detail := fmt.Sprintf("for %q, %s", t.Audience, holder(t))
	var certain []string
	for _, proto := range d.protocols {
		for _, c := range xoauth2.Diagnose(d.refusal(proto)).Causes {
			if c.Certain {
				certain = append(certain, fmt.Sprintf("%v will refuse it: %s", proto, c.Problem))
			}
		}
	}
	if len(certain) > 0 {
		return detail, notice(strings.Join(certain, "\n"))
	}
	return detail, nil
}

func holder(t xoauth2.TokenInfo) string {
	if t.AppOnly {
		return fmt.Sprintf("an application with the roles %q", t.Roles)
	}
	return fmt.Sprintf("the user %q with the scopes %q", t.Username, t.Scopes)
}

// refusal is what Exchange's refusal of the token would look like. The claims
// prove nothing to other servers.
func (d *doctor) refusal(proto xoauth2.Protocol) error {
	reply := map[xoauth2.Protocol]error{
		xoauth2.IMAP: &imap.Error{Type: imap.StatusResponseTypeNo, Text: "AUTHENTICATE failed."},
		xoauth2.POP3: &xoauth2.POP3Error{Message: "Authentication failure: unknown user name or bad password."},
		xoauth2.SMTP: &smtp.SMTPError{Code: 535, EnhancedCode: smtp.EnhancedCode{5, 7, 3}, Message: "Authentication unsuccessful"},
	}[proto]
	refused := &xoauth2.AuthError{
		Protocol: proto, Addr: d.provider.Service(proto).Addr, Username: d.mailbox, Time: time.Now(), Token: d.info, Err: reply,
	}
	if d.rehearsal {
		refused.Addr = "" // a fake Exchange is known by its words alone
	}
	return refused
}
