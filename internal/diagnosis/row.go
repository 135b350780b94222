package diagnosis

import (
	"slices"
	"strings"
)

// Row is one entry of the table: something that a server or this machine says,
// and what it means.
type Row struct {
	ID    string  // M: Exchange Online, S: other mail servers, E: Entra, O: other token endpoints, L: this side
	Says  string  // the words by which a reader recognises it
	When  []Match // any of these
	Class Class   // where a code says so; zero: the class of the reply itself decides

	With string // ID of the row whose line in the README it shares; empty: it has its own

	Means     string // in a few words
	Do        string
	Commands  []string
	Reference string

	// Causes, most likely first, where there are several, or where the token's
	// claims tell them apart. None: Means and Do are the one cause.
	Causes []Cause
}

// Cause is one explanation. In its texts and commands a word in braces stands
// for a fact: see fill.go.
type Cause struct {
	If      Condition // it is left out where this does not hold; nil: never
	Certain Condition // the token's claims prove it where this holds; nil: nothing does
	Class   Class     // of the diagnosis, if this is the first cause; zero: the row's

	Problem   string
	Remedy    string
	Commands  []string
	Reference string
}

// Match describes a failure. All fields that are given must fit, each with any
// of its values.
type Match struct {
	Protocol string
	Login    bool     // the login was refused, not a later command
	Step     string   // of the dialers
	Status   []string // of the mail server's reply: "NO", "535", "4xx"
	Code     []string // of the reply: "UNAVAILABLE", "5.7.3", "x.7.3"
	Text     []string // phrases of the reply or description, lower case
	Document []string // status in the mechanism's error document
	Error    []string // OAuth 2.0 "error"
	AADSTS   []int
	HTTP     []int // HTTP status of a token endpoint's reply without an "error"
	Local    []LocalKind
	If       Condition
}

func (r Row) matches(f *Facts) bool {
	return slices.ContainsFunc(r.When, func(m Match) bool { return m.fits(f) })
}

func (r Row) causes() []Cause {
	if len(r.Causes) > 0 || r.ID == "" {
		return r.Causes
	}
	return []Cause{{Problem: sentence(r.Means), Remedy: sentence(r.Do), Commands: r.Commands, Reference: r.Reference}}
}

// sentence begins a phrase with a capital letter.
func sentence(phrase string) string {
	if phrase == "" {
		return ""
	}
	return strings.ToUpper(phrase[:1]) + phrase[1:]
}

func (m Match) fits(f *Facts) bool {
	return m.fitsReply(f) && m.fitsOAuth(f.OAuth) &&
		(m.Step == "" || m.Step == f.Step) &&
		anyOf(m.Local, func(kind LocalKind) bool { return kind == f.Local.Kind }) &&
		(m.If == nil || m.If(f))
}

func (m Match) fitsReply(f *Facts) bool {
	return (m.Protocol == "" || m.Protocol == f.Protocol) &&
		(!m.Login || f.Login) &&
		anyOf(m.Status, func(s string) bool { return wildcard(s, f.Reply.Status) }) &&
		anyOf(m.Code, func(c string) bool { return wildcard(c, f.Reply.Code) }) &&
		anyOf(m.Document, func(s string) bool { return s == f.Document }) &&
		anyOf(m.Text, func(phrase string) bool { return strings.Contains(f.words, phrase) })
}

func (m Match) fitsOAuth(o *OAuth) bool {
	about := len(m.Error) > 0 || len(m.AADSTS) > 0 || len(m.HTTP) > 0
	switch {
	case o == nil:
		return !about
	case !about && m.If == nil:
		return false // it is about mail servers
	}
	return anyOf(m.Error, func(code string) bool { return strings.EqualFold(code, o.Error) }) &&
		anyOf(m.AADSTS, func(number int) bool { return number == o.AADSTS }) &&
		anyOf(m.HTTP, func(status int) bool { return o.Error == "" && status == o.Status })
}

// anyOf reports whether one of the values fits, or there is nothing to fit.
func anyOf[T any](values []T, fits func(T) bool) bool {
	return len(values) == 0 || slices.ContainsFunc(values, fits)
}

// wildcard compares a value of the table with a reply's. An x in the table
// stands for any digit.
func wildcard(pattern, value string) bool {
	if len(pattern) != len(value) {
		return false
	}
	for i := range len(pattern) {
		if pattern[i] != value[i] && (pattern[i] != 'x' || !isDigit(value[i])) {
			return false
		}
	}
	return true
}

// number is the condition that Entra gave one of these numbers. It chooses
// between causes and never between classes.
func number(numbers ...int) Condition {
	return func(f *Facts) bool { return f.OAuth != nil && slices.Contains(numbers, f.OAuth.AADSTS) }
}

// unknownNumber: Entra gave a number that no row has.
func unknownNumber(f *Facts) bool { return f.OAuth != nil && f.OAuth.AADSTS != 0 }

// said is the condition that the server used one of these phrases.
func said(phrases ...string) Condition {
	return func(f *Facts) bool { return Match{Text: phrases}.fitsReply(f) }
}
