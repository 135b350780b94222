package xoauth2

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"strconv"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-smtp"
	"golang.org/x/oauth2"

	"github.com/xoauth2/go-xoauth2/internal/diagnosis"
	"github.com/xoauth2/go-xoauth2/internal/wire"
)

// Errors to test for with errors.Is.
var (
	// ErrSignInRequired is returned by an [Account] and [App.Account] when
	// there is no way to a token but a new sign-in by the user. A refusal by
	// the token endpoint is wrapped beside it, as a *[TokenError].
	ErrSignInRequired = errors.New("xoauth2: sign-in required")

	// ErrNotAdvertised is returned by the dialers when a server offers neither
	// XOAUTH2 nor OAUTHBEARER.
	ErrNotAdvertised = errors.New("xoauth2: the server offers neither XOAUTH2 nor OAUTHBEARER")

	// ErrNotFound is returned by a [TokenStore] that has no such record.
	ErrNotFound = errors.New("xoauth2: not found in the token store")
)

// AuthError reports that a mail server refused a login, or, with
// DialOptions.VerifyMailbox, that it refused the mailbox after the login. It
// holds facts and no secret. [Diagnose] explains it.
type AuthError struct {
	Protocol Protocol
	Addr     string // as it was dialled; empty after AuthenticateX
	Username string
	Greeting string       // the server's name as it greeted: Exchange's is decoded; may be empty
	Time     time.Time    // of the refusal; zero: not known, so that nothing is certain that depends on it
	Server   *ServerError // the error document; nil if the server sent none
	Token    TokenInfo    // what the refused token says about itself
	Err      error        // the server's final reply: *imap.Error, *smtp.SMTPError or *POP3Error
}

// Error returns in one line what was refused where, the server's words, and
// what the token's claims prove to be the cause, if they do.
func (e *AuthError) Error() string {
	where := strings.TrimSpace(e.Protocol.String() + " " + e.Addr)
	text := fmt.Sprintf("xoauth2: %s: the server refuses %q: %s", where, wire.Cut(e.Username), reply(e.Err))
	if e.Server != nil {
		text += " (" + strings.TrimPrefix(e.Server.Error(), "xoauth2: ") + ")"
	}
	for _, cause := range diagnosis.Explain(authFacts(e)).Causes {
		if cause.Certain {
			return text + ": " + strings.ToLower(cause.Problem[:1]) + cause.Problem[1:]
		}
	}
	return text
}

// Unwrap returns the server's final reply.
func (e *AuthError) Unwrap() error { return e.Err }

// Trace returns what Microsoft's support asks for: the server's name, the time
// and the session's id from the reply, or else the name from the greeting. It
// is empty if the server told none of it.
func (e *AuthError) Trace() string {
	return cmp.Or(diagnosis.Trace(replyOf(e.Err).Text), diagnosis.Redact(e.Greeting))
}

// TokenError reports that an OAuth 2.0 endpoint refused a request (RFC 6749,
// sections 4.1.2.1 and 5.2). It holds facts and no secret. [Diagnose] explains
// it.
type TokenError struct {
	Code, SubError, Description string // "error", Entra's "suberror", "error_description"

	AADSTS                 int    // Entra's number; it explains, and never decides; 0: none
	TraceID, CorrelationID string // what Microsoft's support asks for

	StatusCode int           // HTTP status; 0 for an answer that came through the browser
	RetryAfter time.Duration // how long the endpoint asks to wait; 0: it does not say
	ClockSkew  time.Duration // our clock minus the endpoint's Date header; 0 also if it sent none

	// What the request named, for the remedies; empty if it did not.
	Endpoint                      string // URL that refused, without its query
	Tenant, ClientID, RedirectURL string
	Thumbprint                    string // of our certificate (x5t#S256), base64url

	Err error // *oauth2.RetrieveError, without what was sent

	temporary bool // the same request may succeed later
}

// Error returns the endpoint's words in one line.
func (e *TokenError) Error() string {
	text := fmt.Sprintf("xoauth2: token endpoint: %q", wire.Cut(e.Code))
	switch {
	case e.StatusCode == 0:
		text = fmt.Sprintf("xoauth2: sign-in page: %q", wire.Cut(e.Code))
	case e.Code == "":
		text = fmt.Sprintf("xoauth2: token endpoint: HTTP status %d", e.StatusCode)
	}
	if e.Description != "" {
		text += fmt.Sprintf(": %q", wire.Cut(e.Description))
	}
	return text
}

// Unwrap returns the underlying *oauth2.RetrieveError, if there is one.
func (e *TokenError) Unwrap() error { return e.Err }

// TokenInfo is what an access token says about itself. Nothing of it is
// verified: it explains, and must never decide whether somebody is let in. The
// claims are those of Microsoft's "Access token claims reference".
type TokenInfo struct {
	Opaque   bool      // no JWT, as with personal accounts, Google and Yahoo: only Length is known
	Audience string    // "aud": the resource
	TenantID string    // "tid"
	AppID    string    // "appid" or "azp": the Application (client) ID
	ObjectID string    // "oid": the user's object id; with AppOnly that of the Enterprise Application
	Username string    // "upn" or the like; empty with AppOnly
	Scopes   []string  // "scp": delegated permissions
	Roles    []string  // "roles": application permissions
	AppOnly  bool      // issued to an application, without a user
	Expiry   time.Time // "exp"; zero if absent
	Length   int       // of the token, in bytes
}

// InspectToken reads the claims of an access token, without verifying them. It
// takes any string, and looks at no more than 256 KiB.
func InspectToken(accessToken string) TokenInfo {
	return TokenInfo(diagnosis.ParseToken(accessToken))
}

// Diagnosis is what an error means.
type Diagnosis struct {
	Class      Class
	Causes     []Cause       // most likely first; none if nothing is known
	RetryAfter time.Duration // how long to wait before the next attempt; 0: nobody said
}

// Class is what a program can do about an error.
type Class uint8

// The classes of errors.
const (
	ClassUnknown       Class = iota // nothing is known
	ClassConfiguration              // it fails until somebody changes the configuration
	ClassSignIn                     // a new token or a new sign-in is needed
	ClassIdentity                   // the wrong user or mailbox
	ClassThrottled                  // too much was asked: wait, then try again
	ClassTemporary                  // try again later
)

// String returns the class's name in lower case.
func (c Class) String() string {
	switch c {
	case ClassConfiguration:
		return "configuration"
	case ClassSignIn:
		return "sign-in"
	case ClassIdentity:
		return "identity"
	case ClassThrottled:
		return "throttled"
	case ClassTemporary:
		return "temporary"
	}
	return "unknown"
}

// Cause is one explanation of an error.
type Cause struct {
	Certain   bool     // it follows from the token's claims; others are likely, no more
	Problem   string   // what is wrong
	Remedy    string   // what to do
	Commands  []string // Exchange Online PowerShell, or a page to open
	Reference string   // the title of the vendor's page, or an RFC's section
}

// Diagnose says what an error of this package means, or one that a later
// command of a client returned, however it is wrapped. What it knows is a table
// of server texts and codes; where those leave the cause open, the refused
// token's claims rank the causes, and prove some. It returns nil for nil, and a
// Diagnosis without causes for what it does not know. It guesses nothing, makes
// no connection, and its texts hold no secret.
//
// What servers, tokens and mailbox names contribute to its texts is quoted, and
// in Commands quoted for PowerShell.
func Diagnose(err error) *Diagnosis {
	if err == nil {
		return nil
	}
	found := diagnosis.Explain(facts(err))
	d := &Diagnosis{Class: Class(found.Class), RetryAfter: found.RetryAfter}
	for _, cause := range found.Causes {
		d.Causes = append(d.Causes, Cause(cause))
	}
	return d
}

// facts collects what an error tells, from wherever it is wrapped.
func facts(err error) diagnosis.Facts {
	f := errorFacts(err)
	f.SignInRequired = errors.Is(err, ErrSignInRequired)
	if f.SignInRequired && f.OAuth == nil {
		f.Local.Kind = diagnosis.NoAccount
	}
	return f
}

func errorFacts(err error) diagnosis.Facts {
	if e, ok := errors.AsType[*AuthError](err); ok {
		return authFacts(e)
	}
	if e, ok := errors.AsType[*TokenError](err); ok {
		return tokenFacts(e)
	}
	if e, ok := errors.AsType[*oauth2.RetrieveError](err); ok {
		return tokenFacts(foreignTokenError(e))
	}
	f := diagnosis.Facts{Reply: replyOf(err), Protocol: protocolOf(err)}
	if e, ok := errors.AsType[*dialError](err); ok {
		f.Protocol, f.Addr, f.Step = e.Protocol.String(), e.Addr, e.Step
		f.Token.Opaque, f.Token.Length = true, e.TokenLength
		f.Provider = providerFacts(e.Protocol, e.Addr, diagnosis.Token{})
	}
	if f.Reply.Status == "" {
		f.Local = localFailure(err, f.Step)
	}
	return f
}

func localFailure(err error, step string) diagnosis.Local {
	if errors.Is(err, ErrNotAdvertised) {
		return diagnosis.Local{Kind: diagnosis.NotAdvertised}
	}
	local := diagnosis.ReadLocal(err)
	switch {
	case local.Kind != "" || errors.Is(err, context.Canceled):
	case step == stepHandshake:
		local.Kind = diagnosis.NoHandshake
	case step == stepStartTLS:
		local.Kind = diagnosis.NoSTARTTLS
	}
	return local
}

func authFacts(e *AuthError) diagnosis.Facts {
	token := diagnosis.Token(e.Token)
	f := diagnosis.Facts{
		Protocol: e.Protocol.String(),
		Addr:     e.Addr,
		Username: e.Username,
		Login:    true,
		Greeting: e.Greeting,
		At:       e.Time,
		Undated:  e.Time.IsZero(),
		Reply:    replyOf(e.Err),
		Token:    token,
		Provider: providerFacts(e.Protocol, e.Addr, token),
	}
	if f.Reply.Status == "" && e.Err != nil {
		f.Reply = diagnosis.ParseReply(f.Reply.Text)
	}
	if e.Server != nil {
		f.Document = e.Server.Status
	}
	return f
}

func tokenFacts(e *TokenError) diagnosis.Facts {
	return diagnosis.Facts{
		OAuth: &diagnosis.OAuth{
			Error: e.Code, SubError: e.SubError, Description: e.Description, AADSTS: e.AADSTS,
			Status: e.StatusCode, RetryAfter: e.RetryAfter, ClockSkew: e.ClockSkew,
			Tenant: e.Tenant, ClientID: e.ClientID, RedirectURL: e.RedirectURL, Thumbprint: e.Thumbprint,
		},
		Provider: endpointFacts(e),
	}
}

// endpointFacts finds the cloud whose token endpoint it is. No protocol is
// known here, so the user's scope stays open.
func endpointFacts(e *TokenError) diagnosis.Provider {
	facts := diagnosis.Provider{ConsentURL: diagnosis.ConsentPage(e.Endpoint, e.Tenant, e.ClientID)}
	for _, p := range []Provider{Exchange, ExchangeGCCHigh, ExchangeChina} {
		authority, _, _ := strings.Cut(p.TokenURL, "{tenant}")
		if strings.HasPrefix(e.Endpoint, authority) {
			facts.AppScope = p.IMAP.AppScope
			facts.Scope = p.IMAP.Scope[:strings.LastIndexByte(p.IMAP.Scope, '/')+1] + "…"
		}
	}
	return facts
}

// foreignTokenError reads the error of a token source that is not ours.
func foreignTokenError(e *oauth2.RetrieveError) *TokenError {
	t := &TokenError{Code: e.ErrorCode, Description: wire.Cut(e.ErrorDescription), AADSTS: diagnosis.Number(e.ErrorDescription)}
	if e.Response != nil {
		t.StatusCode = e.Response.StatusCode
	}
	return t
}

// providerFacts finds the preset to which an address belongs, and takes
// Exchange's wording where it belongs to none.
func providerFacts(proto Protocol, addr string, token diagnosis.Token) diagnosis.Provider {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		host = addr
	}
	p := presetAt(host)
	facts := diagnosis.Provider{
		Cloud:    diagnosis.CloudOf(host),
		Scope:    p.Service(proto).Scope,
		AppScope: p.Service(proto).AppScope,
	}
	p = p.orExchange()
	facts.ConsentURL = diagnosis.ConsentPage(p.ConsentURL, token.TenantID, token.AppID)
	return facts
}

func presetAt(host string) Provider {
	for _, p := range []Provider{Exchange, Outlook, ExchangeGCCHigh, ExchangeDoD, ExchangeChina, Gmail, Yahoo} {
		for _, proto := range allProtocols() {
			if name, _, _ := strings.Cut(p.Service(proto).Addr, ":"); strings.EqualFold(name, host) {
				return p
			}
		}
	}
	return Provider{}
}

// replyOf takes a mail server's reply out of an error.
func replyOf(err error) diagnosis.Reply {
	if e, ok := errors.AsType[*imap.Error](err); ok {
		return diagnosis.Reply{Status: string(e.Type), Code: string(e.Code), Text: e.Text}
	}
	if e, ok := errors.AsType[*smtp.SMTPError](err); ok {
		r := diagnosis.Reply{Status: strconv.Itoa(e.Code), Text: e.Message}
		if e.EnhancedCode[0] > 0 {
			r.Code = fmt.Sprintf("%d.%d.%d", e.EnhancedCode[0], e.EnhancedCode[1], e.EnhancedCode[2])
		}
		return r
	}
	if e, ok := errors.AsType[*POP3Error](err); ok {
		return diagnosis.Reply{Status: "-ERR", Code: e.Code, Text: e.Message}
	}
	if e, ok := errors.AsType[*textproto.Error](err); ok { // net/smtp, behind NewSMTPAuth
		return diagnosis.Reply{Status: strconv.Itoa(e.Code), Text: e.Msg}
	}
	return diagnosis.Reply{Text: fmt.Sprint(err)}
}

func protocolOf(err error) string {
	if _, ok := errors.AsType[*imap.Error](err); ok {
		return IMAP.String()
	}
	if _, ok := errors.AsType[*POP3Error](err); ok {
		return POP3.String()
	}
	_, isSMTP := errors.AsType[*smtp.SMTPError](err)
	_, isNetSMTP := errors.AsType[*textproto.Error](err)
	if isSMTP || isNetSMTP {
		return SMTP.String()
	}
	return ""
}

// reply returns the server's words in an error, on one line, quoted and cut.
func reply(err error) string {
	return strconv.Quote(diagnosis.Redact(replyOf(err).String()))
}
