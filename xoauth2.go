// Package xoauth2 logs Go mail programs in to Exchange Online, Outlook.com and
// every other server that speaks XOAUTH2, over IMAP, POP3 and SMTP, with OAuth
// 2.0 access tokens.
//
// # Where to start
//
// An [App] describes an app registration. It gives a [TokenSource]: for a
// daemon by [App.ClientCredentials], for a person who signs in by
// [App.BrowserLogin], [App.DeviceLogin] or, in a web application,
// [App.AuthCodeURL] and [App.Exchange]; after a restart [App.Account] finds the
// signed-in account again. [DialIMAP], [DialPOP3] and [DialSMTP] connect,
// authenticate with a token of any oauth2.TokenSource, and return the ordinary
// client of go-imap, go-smtp, or this package's [POP3Client]. When a login
// fails, [Diagnose] says what is wrong and what to do.
//
// Programs with a mail client of their own use [NewSASLClient], [NewSMTPAuth]
// or [InitialResponse].
//
// # Security
//
// An access token opens the mailbox to whoever holds it. This package sends
// tokens over TLS 1.2 or newer only, to a server whose certificate was verified
// as the caller's tls.Config demands; there is no switch to send one in clear.
// Tokens, secrets, codes and keys never appear in an error, a trace, or the
// rendering of a value of this package. SECURITY.md lists the promises and
// their limits.
//
// # What is left to you
//
// Do not log an oauth2.Token: it prints whole. Keep client secrets and
// encryption keys out of the source code, and protect a [FileStore] as you
// would a password file, or wrap it in an [EncryptedStore]. In a web
// application make state and verifier anew for every sign-in, keep them in the
// user's session, and compare state in constant time. See that a client given
// to [AuthenticateIMAP] speaks TLS, which go-imap does not show. Have the
// administrator let an application into the mailboxes that it needs, and no
// others.
//
// # Contexts
//
// A context bounds the call it is given to, and nothing after it. When it ends,
// the connection that the call made is closed and the error returned satisfies
// errors.Is with the context's cause. The clients of go-imap and go-smtp know
// no contexts: to interrupt one of their commands, close the client.
package xoauth2

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"github.com/xoauth2/go-xoauth2/internal/payload"
	"github.com/xoauth2/go-xoauth2/internal/wire"
)

// Mechanism is the SASL mechanism's name (RFC 4422, section 3.1). XOAUTH2 is
// specified by Google's "OAuth 2.0 Mechanism" and by Exchange's "Authenticate
// an IMAP, POP or SMTP connection using OAuth".
const Mechanism = "XOAUTH2"

const separator = payload.Separator

// InitialResponse returns XOAUTH2's only client message, before base64:
//
//	user=USERNAME 0x01 auth=Bearer TOKEN 0x01 0x01
//
// It refuses a user name that is empty or holds control characters, which
// would forge fields, and a token that is not of RFC 6750's b64token
// characters (section 2.1). Its errors name the position and never the value.
func InitialResponse(username, accessToken string) ([]byte, error) {
	return payload.New(username, accessToken)
}

// SASLClient is one login with XOAUTH2, for mail clients that take a go-sasl
// Client. It is for a single use by one goroutine. Where the mail client
// cannot send an initial response, it answers the server's empty challenge
// with the payload. It keeps the error document of a server that refuses the
// token; the login's own error is the mail client's to report.
type SASLClient struct {
	mech     string
	response func() ([]byte, error)           // a closure, so that no fmt verb shows the token
	encode   func(dst []byte) ([]byte, error) // appends the response in base64; nil: there is no short way
	dismiss  []byte                           // what answers the error document

	sent       bool         // the payload was sent because the server asked for it
	challenged bool         // the server sent something other than the request for the payload
	refusal    *ServerError // the error document
}

var _ sasl.Client = (*SASLClient)(nil)

// NewSASLClient returns a go-sasl Client for one login of username with
// accessToken. Bad values are reported by Start.
func NewSASLClient(username, accessToken string) *SASLClient {
	return &SASLClient{
		mech:     Mechanism,
		response: func() ([]byte, error) { return payload.New(username, accessToken) },
		encode:   func(dst []byte) ([]byte, error) { return payload.AppendBase64(dst, username, accessToken) },
		dismiss:  []byte{},
	}
}

// newBearerClient returns a login with OAUTHBEARER (RFC 7628), for servers
// that do not offer XOAUTH2.
func newBearerClient(username, accessToken, host string, port int) *SASLClient {
	return &SASLClient{
		mech: sasl.OAuthBearer,
		response: func() ([]byte, error) {
			if err := payload.Check(username, accessToken); err != nil {
				return nil, err
			}
			_, ir, err := sasl.NewOAuthBearerClient(&sasl.OAuthBearerOptions{
				// go-sasl v0.0.0-20241020182733 writes the name as it is; a
				// GS2 header wants "=" and "," escaped (RFC 5801, section 4).
				Username: strings.NewReplacer("=", "=3D", ",", "=2C").Replace(username),
				Token:    accessToken, Host: host, Port: port,
			}).Start()
			return ir, err
		},
		dismiss: []byte(separator), // RFC 7628, section 3.2.3
	}
}

// Start returns the mechanism's name and the initial response. It fails if the
// user name or the token is one that [InitialResponse] refuses.
func (c *SASLClient) Start() (mech string, ir []byte, err error) {
	ir, err = c.response()
	if err != nil {
		return "", nil, err
	}
	return c.mech, ir, nil
}

// Next answers the server. An empty challenge gets the payload. Anything else
// is the error document: it is kept for ServerError and dismissed with an empty
// response, as the mechanism demands, upon which the server refuses the login.
// The response is never nil, since go-smtp v0.25.1 and net/smtp take a nil
// response for the end of a successful login. A challenge after that is an
// error, and the connection must then be closed: go-imap v2.0.0-beta.8 leaves
// the exchange open.
func (c *SASLClient) Next(challenge []byte) ([]byte, error) {
	if c.challenged {
		return nil, errors.New("xoauth2: the server goes on asking after its error document")
	}
	if len(challenge) == 0 && !c.sent {
		c.sent = true
		return c.response()
	}
	c.challenged = true
	c.refusal = parseServerError(challenge)
	return c.dismiss, nil
}

// ServerError returns the error document that the server sent, or nil if it
// sent none. Exchange Online never sends one.
func (c *SASLClient) ServerError() *ServerError { return c.refusal }

// startedClient is a login whose initial response was made already, or, if it
// is nil, is to wait for the server's empty challenge, as POP3 at Exchange and
// SMTP with a long token need it.
type startedClient struct {
	*SASLClient
	ir []byte
}

// Start returns the mechanism's name and the initial response.
func (c startedClient) Start() (mech string, ir []byte, err error) { return c.mech, c.ir, nil }

// encodingClient is a login for the dialogues of this package.
type encodingClient struct{ *SASLClient }

var _ payload.Client = encodingClient{}

// Mechanism implements payload.Client.
func (c encodingClient) Mechanism() string { return c.mech }

// AppendInitial implements payload.Client.
func (c encodingClient) AppendInitial(dst []byte) ([]byte, error) {
	if c.encode != nil {
		return c.encode(dst)
	}
	ir, err := c.response()
	return payload.AppendLine(dst, ir), err
}

// ServerError is the document with which a server explains that it refuses a
// token: {"status":"400","schemes":"Bearer","scope":"…"} (Google's "OAuth 2.0
// Mechanism", RFC 7628 section 3.2.2). A document that is not JSON is kept in
// Status as it came. The values are the server's words, cut at 256 bytes each.
type ServerError struct {
	Status  string `json:"status"`
	Schemes string `json:"schemes,omitempty"`
	Scope   string `json:"scope,omitempty"`
}

// Error returns the document's values in one line.
func (e *ServerError) Error() string {
	text := fmt.Sprintf("xoauth2: the server refuses the token with status %q", e.Status)
	if e.Schemes != "" {
		text += fmt.Sprintf(", schemes %q", e.Schemes)
	}
	if e.Scope != "" {
		text += fmt.Sprintf(", scope %q", e.Scope)
	}
	return text
}

// parseServerError reads an error document. Members of other types than
// string, such as a status that is a number, keep their JSON text.
func parseServerError(document []byte) *ServerError {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(document, &members); err != nil || members == nil {
		return &ServerError{Status: wire.Cut(string(document))}
	}
	member := func(name string) string {
		var s string
		if json.Unmarshal(members[name], &s) != nil {
			s = string(members[name])
		}
		return wire.Cut(s)
	}
	return &ServerError{Status: member("status"), Schemes: member("schemes"), Scope: member("scope")}
}

// chooseMechanism returns a client of the best mechanism that a server offers.
func chooseMechanism(offered []string, username, accessToken, host string, port int) (*SASLClient, error) {
	has := func(name string) bool {
		return slices.ContainsFunc(offered, func(m string) bool { return strings.EqualFold(m, name) })
	}
	switch {
	case has(Mechanism):
		return NewSASLClient(username, accessToken), nil
	case has(sasl.OAuthBearer):
		return newBearerClient(username, accessToken, host, port), nil
	}
	return nil, fmt.Errorf("%w: it offers %q", ErrNotAdvertised, wire.Cut(strings.Join(offered, " ")))
}

// NewSASLServer returns the server's side of one XOAUTH2 login, for the
// servers of go-imap, go-smtp and others. authenticate decides: nil lets the
// user in. If it returns an error that wraps a [*ServerError], that is sent as
// the error document and the login fails with the error after the client's
// answer; any other error fails the login at once. What the server then says is
// in the error of its own library that this one wraps, as in
// errors.Join(document, smtp.ErrAuthFailed) or a *imap.Error; without one, go-smtp
// reports a failure that passes, and go-imap a bug. authenticate must not be
// nil. What the client sends is checked as [InitialResponse] checks it.
func NewSASLServer(authenticate func(username, accessToken string) error) sasl.Server {
	return &saslServer{authenticate: authenticate}
}

type saslServer struct {
	authenticate func(username, accessToken string) error
	done         bool
	failure      error // set while the client's answer to the error document is awaited
}

func (s *saslServer) Next(response []byte) (challenge []byte, done bool, err error) {
	switch {
	case s.failure != nil:
		err, s.failure = s.failure, nil
		return nil, true, bareSMTPError(err)
	case s.done:
		return nil, true, sasl.ErrUnexpectedClientResponse
	case response == nil:
		return []byte{}, false, nil // no initial response: ask for it
	}
	s.done = true
	username, token, err := parseInitialResponse(response)
	if err != nil {
		return nil, true, err
	}
	err = s.authenticate(username, token)
	var document *ServerError
	if !errors.As(err, &document) {
		return nil, true, bareSMTPError(err)
	}
	challenge, jsonErr := json.Marshal(document)
	if jsonErr != nil {
		return nil, true, jsonErr
	}
	s.failure = err
	return challenge, false, nil
}

// bareSMTPError returns the reply that err wraps: go-smtp v0.25.1 does not look
// for it, and says 454 instead.
func bareSMTPError(err error) error {
	if reply, ok := errors.AsType[*smtp.SMTPError](err); ok {
		return reply
	}
	return err
}

// parseInitialResponse takes XOAUTH2's client message apart. Fields other than
// user and auth are let pass.
func parseInitialResponse(message []byte) (username, accessToken string, err error) {
	body, ok := bytes.CutSuffix(message, []byte(separator+separator))
	if !ok {
		return "", "", errors.New("xoauth2: malformed client message: it does not end in 0x01 0x01")
	}
	fields := make(map[string]string)
	for field := range strings.SplitSeq(string(body), separator) {
		name, value, ok := strings.Cut(field, "=")
		if _, twice := fields[name]; !ok || twice {
			return "", "", errors.New("xoauth2: malformed client message: a field without a value, or a field twice")
		}
		fields[name] = value
	}
	scheme, accessToken, _ := strings.Cut(fields["auth"], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", "", errors.New("xoauth2: malformed client message: no bearer token")
	}
	return fields["user"], accessToken, payload.Check(fields["user"], accessToken)
}
