// Package diagnosis knows what the refusals of mail servers and token endpoints
// mean. What it knows is in one table, in the files table*.go; everything else
// here finds the row and fills it in.
//
// It reads facts and returns explanations. It holds no secret, and nothing that
// it returns decides anything.
package diagnosis

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// Class is what a program can do about a failure. The numbers are those of the
// root package's Class.
type Class uint8

// The classes.
const (
	Unknown Class = iota
	Configuration
	SignIn
	Identity
	Throttled
	Temporary
)

// Diagnosis is what a failure means.
type Diagnosis struct {
	Row        string // ID of the table's row; empty: no row matched
	Class      Class
	Causes     []Explanation // most likely first
	RetryAfter time.Duration
}

// Explanation is a Cause, filled in.
type Explanation struct {
	Certain   bool
	Problem   string
	Remedy    string
	Commands  []string
	Reference string
}

// Facts is what is known of a failure. Every text in it is a stranger's.
type Facts struct {
	Protocol string // "IMAP", "POP3", "SMTP"; empty: unknown, or not of a mail server
	Addr     string
	Step     string // of the way to a session, as the dialers name it
	Username string // as logged in, or meant to
	Login    bool   // a mail server refused the login, or the mailbox after it
	Greeting string
	At       time.Time // when it happened; zero: now
	Undated  bool      // nobody knows when it happened: it may be long ago

	Reply    Reply
	Document string // the status in the mechanism's error document
	Token    Token
	OAuth    *OAuth // the refusal of a token endpoint
	Local    Local  // what failed without any server's words
	Provider Provider

	SignInRequired bool // the package has found that only a new sign-in helps

	words string // of the server, in lower case, for phrases to be found in
}

// OAuth is the refusal of a token endpoint (RFC 6749, section 5.2).
type OAuth struct {
	Error, SubError, Description string
	AADSTS                       int
	Status                       int
	RetryAfter, ClockSkew        time.Duration

	Tenant, ClientID, RedirectURL, Thumbprint string
}

// Provider is what the remedies say about the provider at hand.
type Provider struct {
	Cloud      Cloud  // of Exchange Online; empty: another server, or not known
	Scope      string // that a user grants for the protocol
	AppScope   string // that an application asks for
	ConsentURL string // where an administrator consents; empty: not known
}

// Explain finds the first row of the table that matches and returns its causes:
// those that the token's claims prove, then the others, each in the order of
// the table. Without a row there is no explanation but what the claims prove.
func Explain(f Facts) Diagnosis {
	f.complete()
	row := find(&f)
	causes := rank(&f, row.causes())
	d := Diagnosis{
		Row:        row.ID,
		Class:      classify(&f, row, causes),
		RetryAfter: retryAfter(&f),
	}
	for _, c := range causes {
		d.Causes = append(d.Causes, c.fill(&f))
	}
	return d
}

// complete fills in what follows from other facts.
func (f *Facts) complete() {
	f.Reply = f.Reply.tidy()
	if at := traceTime(f.Reply.Text); !at.IsZero() && !f.Token.issuedAfter(at) {
		f.At, f.Undated = at, false // by the clock that judged the token
	}
	if f.At.IsZero() {
		f.At = time.Now()
	}
	if f.Provider.Cloud == "" {
		f.Provider.Cloud = cloudOfServer(cmp.Or(ServerName(f.Greeting), f.Greeting, Trace(f.Reply.Text)))
	}
	f.words = strings.ToLower(f.Reply.Text)
	if f.OAuth != nil {
		oauth := *f.OAuth // the caller keeps its own
		oauth.Description = oauth.Description[:min(len(oauth.Description), maxReply)]
		if oauth.AADSTS == 0 {
			oauth.AADSTS = Number(oauth.Description)
		}
		f.OAuth, f.words = &oauth, strings.ToLower(oauth.Description)
	}
}

// find returns the first matching row, and one without an ID if there is none.
func find(f *Facts) Row {
	for _, row := range table {
		if row.matches(f) {
			return row
		}
	}
	if f.Login {
		return Row{Causes: provenOnly(f, tokenCauses)}
	}
	return Row{}
}

// provenOnly leaves nothing but what the claims prove.
func provenOnly(f *Facts, causes []Cause) []Cause {
	return slices.DeleteFunc(slices.Clone(causes), func(c Cause) bool { return !c.proven(f) })
}

// rank returns the causes that apply, the proven ones first.
func rank(f *Facts, causes []Cause) []Cause {
	var proven, possible []Cause
	for _, c := range causes {
		switch {
		case c.proven(f):
			proven = append(proven, c)
		case c.applies(f):
			possible = append(possible, c)
		}
	}
	return append(proven, possible...)
}

func retryAfter(f *Facts) time.Duration {
	if f.OAuth != nil {
		return max(f.OAuth.RetryAfter, 0)
	}
	return Backoff(f.Reply.Text)
}
