package diagnosis

import (
	"cmp"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/xoauth2/go-xoauth2/internal/wire"
)

// placeholder is a word in braces in a text or command of the table.
var placeholder = regexp.MustCompile(`\{[a-z]+\}`)

// fill returns the cause with the facts in the places of the words in braces.
func (c Cause) fill(f *Facts) Explanation {
	e := Explanation{
		Certain:   c.proven(f),
		Problem:   fillText(c.Problem, f),
		Remedy:    fillText(c.Remedy, f),
		Reference: c.Reference,
	}
	for _, command := range c.Commands {
		if line := fillCommand(command, f); line != "" {
			e.Commands = append(e.Commands, line)
		}
	}
	return e
}

// fillText fills in a text for people. What strangers wrote is quoted.
func fillText(text string, f *Facts) string {
	return placeholder.ReplaceAllStringFunc(text, func(word string) string {
		v := f.value(word[1 : len(word)-1])
		switch {
		case v.text == "":
			return v.unknown
		case v.plain:
			return v.text
		}
		return strconv.Quote(wire.Cut(v.text))
	})
}

// fillCommand fills in a command. A fact that is missing, or that cannot be
// quoted, leaves its name in angle brackets for the reader to replace. It
// returns nothing if one of our own facts is missing, such as the page to open.
func fillCommand(command string, f *Facts) string {
	complete := true
	line := placeholder.ReplaceAllStringFunc(command, func(word string) string {
		v := f.value(word[1 : len(word)-1])
		if v.plain {
			complete = complete && v.text != ""
			return v.text
		}
		if quoted, ok := Quote(v.text); ok && v.text != "" {
			return quoted
		}
		return "'<" + v.name + ">'"
	})
	if !complete {
		return ""
	}
	return line
}

// value is a fact with a name.
type value struct {
	text    string
	plain   bool   // ours, and not a stranger's: it needs no quotes
	unknown string // what a text says where the fact is missing
	name    string // what a command says there
}

// value returns the fact that a word in braces stands for.
func (f *Facts) value(word string) value {
	t, p := f.Token, permissions[f.Protocol]
	switch word {
	case "mailbox":
		return value{text: f.Username, unknown: "the mailbox", name: "mailbox"}
	case "user":
		return value{text: t.Username, unknown: "the signed-in user", name: "signed-in user"}
	case "appid":
		return value{text: cmp.Or(t.AppID, f.oauth().ClientID), unknown: "the application", name: "application (client) id"}
	case "oid":
		return f.servicePrincipal()
	case "tenant":
		return value{text: cmp.Or(t.TenantID, f.oauth().Tenant), unknown: "the tenant", name: "tenant"}
	case "aud":
		return value{text: t.Audience, unknown: "another resource"}
	case "scopes":
		return value{text: strings.Join(t.Scopes, " "), unknown: "no scope"}
	case "roles":
		return value{text: strings.Join(t.Roles, " "), unknown: "no role"}
	case "expiry":
		return value{text: instant(t.Expiry), plain: true, unknown: "some time ago"}
	case "tokencloud":
		return value{text: string(t.cloud()), plain: true, unknown: "another cloud"}
	case "servercloud":
		return value{text: string(f.Provider.Cloud), plain: true, unknown: "another cloud"}
	case "scope":
		return value{text: cmp.Or(f.Provider.Scope, "https://outlook.office.com/"+cmp.Or(p.delegated, "…")), plain: true}
	case "appscope":
		return value{text: cmp.Or(f.Provider.AppScope, "https://outlook.office365.com/.default"), plain: true}
	case "need":
		return value{text: f.need(p), plain: true, unknown: "the protocol's permission"}
	case "protocol":
		return value{text: f.Protocol, plain: true, unknown: "the protocol"}
	case "switch":
		return value{text: protocolSwitches[f.Protocol], plain: true}
	case "addr":
		return value{text: f.Addr, unknown: "the server"}
	case "consent":
		return value{text: f.Provider.ConsentURL, plain: true}
	case "payload":
		return value{text: strconv.Itoa(t.Length), plain: true}
	}
	return f.more(word)
}

// more continues value with the facts of fewer rows.
func (f *Facts) more(word string) value {
	from, as := sendAsPair(f.Reply.Text)
	o := f.oauth()
	switch word {
	case "sender":
		return value{text: cmp.Or(from, f.Username), unknown: "the signed-in mailbox", name: "signed-in mailbox"}
	case "from":
		return value{text: as, unknown: "the From address", name: "From address"}
	case "redirect":
		return value{text: o.RedirectURL, unknown: "the redirect URI that was sent", name: "redirect URI"}
	case "number":
		return value{text: strconv.Itoa(o.AADSTS), plain: true}
	case "thumbprint":
		return value{text: o.Thumbprint, unknown: "(not known here)", name: "thumbprint"}
	case "skew":
		return value{text: skew(o.ClockSkew), plain: true, unknown: "not known to be wrong"}
	case "detail":
		// Of a certificate that is out of date it is times, which are ours.
		return value{text: f.Local.Detail, plain: f.Local.Kind == WrongTime, unknown: "unknown"}
	case "host":
		return value{text: cmp.Or(f.Local.Host, f.Addr), unknown: "the server"}
	}
	panic(fmt.Sprintf("diagnosis: the table has the unknown word {%s}", word))
}

func (f *Facts) oauth() OAuth {
	if f.OAuth == nil {
		return OAuth{}
	}
	return *f.OAuth
}

// servicePrincipal returns the object id of the Enterprise Application, which is
// what an application's token has in "oid". A user's token has the user's there.
func (f *Facts) servicePrincipal() value {
	v := value{unknown: "the Enterprise Application's object id", name: "Enterprise Application object id"}
	if appOnly(f) {
		v.text = f.Token.ObjectID
	}
	return v
}

// need returns the permission that the token lacks.
func (f *Facts) need(p permission) string {
	if appOnly(f) {
		return p.app
	}
	return p.delegated
}

// protocolSwitches are the parameters of Set-CASMailbox.
var protocolSwitches = map[string]string{
	"IMAP": "-ImapEnabled $true",
	"POP3": "-PopEnabled $true",
	"SMTP": "-SmtpClientAuthenticationDisabled $false",
}

func instant(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// skew describes our clock. The endpoint tells whole seconds, and its answer
// takes its time.
func skew(d time.Duration) string {
	const tolerance = 10 * time.Second
	switch {
	case d > tolerance:
		return d.Round(time.Second).String() + " ahead of the endpoint's"
	case d < -tolerance:
		return (-d).Round(time.Second).String() + " behind the endpoint's"
	}
	return ""
}
