package xoauth2

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-smtp"

	"github.com/xoauth2/go-xoauth2/internal/payload"
	"github.com/xoauth2/go-xoauth2/internal/wire"
)

// authenticate runs try with the token. If the server refuses a token that may
// be outdated, it does so once more with a new one.
func (s *session) authenticate(ctx context.Context, offered []string, try func(*SASLClient) error) error {
	s.step = stepToken
	s.pending.wait()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	s.step = stepAuth
	token := s.pending.token.AccessToken
	err := s.tryToken(offered, token, try)
	own, ok := s.ts.(cachedSource)
	if !isRefusal(err) || s.renewed || !ok || !own.refused(token) {
		return err
	}
	s.step = stepToken
	fresh, tokenErr := own.TokenContext(ctx)
	if _, temporary := isTemporary(tokenErr); temporary && ctx.Err() == nil {
		s.step = stepAuth
		return err // the refusal says more than the outage
	}
	if tokenErr != nil {
		return tokenErr
	}
	s.step = stepAuth
	if fresh.AccessToken == token {
		return err
	}
	s.renewed = true
	return s.tryToken(offered, fresh.AccessToken, try)
}

// tryToken runs try with the SASL client of the best mechanism offered, and
// judges how it ended.
func (s *session) tryToken(offered []string, token string, try func(*SASLClient) error) error {
	client, err := chooseMechanism(offered, s.username, token, s.host, s.port)
	if err != nil {
		return err
	}
	if err := payload.Check(s.username, token); err != nil {
		return err
	}
	sent := []string{token}
	if s.sent != nil {
		sent = append(sent, s.sent()...) // which the server may repeat still
	}
	s.sent = func() []string { return sent }
	s.redactor = wire.NewRedactor(strings.Join(sent, "\n"))
	if s.trace != nil {
		s.trace.Set("Token", fmt.Sprintf("%d characters", len(token)))
		encoded, _ := encodingClient{client}.AppendInitial(nil) // it was checked
		s.trace.Hide(string(encoded), token, s.redactor)
	}
	err = try(client)
	if err == nil && client.ServerError() != nil {
		return errors.New("the server reports success after it refused the token")
	}
	if reply := serverReply(err); reply != nil {
		return s.authError(client.ServerError(), reply)
	}
	return err
}

func (s *session) authError(document *ServerError, reply error) *AuthError {
	return &AuthError{
		Protocol: s.proto,
		Addr:     s.addr,
		Username: s.username,
		Greeting: s.greeting,
		Time:     time.Now(),
		Server:   s.cleanDocument(document),
		Token:    InspectToken(s.sent()[0]),
		Err:      s.clean(reply),
	}
}

// mailboxError is for a command that shows whether the mailbox opens.
func (s *session) mailboxError(err error) error {
	if reply := serverReply(err); reply != nil {
		return s.authError(nil, reply)
	}
	return err
}

// serverReply returns the server's reply that err wraps, or nil.
func serverReply(err error) error {
	if e, ok := errors.AsType[*imap.Error](err); ok {
		return e
	}
	if e, ok := errors.AsType[*smtp.SMTPError](err); ok {
		return e
	}
	if e, ok := errors.AsType[*POP3Error](err); ok {
		return e
	}
	return nil
}

// isRefusal reports whether err is a server's final no to a token, which
// another token may turn into a yes; not a BAD, a failure that passes, or a
// problem of the mailbox.
func isRefusal(err error) bool {
	switch reply := serverReply(err).(type) {
	case *imap.Error:
		return reply.Type == imap.StatusResponseTypeNo &&
			(reply.Code == "" || reply.Code == imap.ResponseCodeAuthenticationFailed || reply.Code == imap.ResponseCodeExpired)
	case *smtp.SMTPError:
		return reply.Code == 535
	case *POP3Error:
		return reply.Code == "" || reply.Code == "AUTH"
	}
	return false
}

// isHangUp reports whether err ended the connection, and is not a reply that
// leaves it as it is.
func isHangUp(err error) bool {
	reply := serverReply(err)
	goodbye, ok := reply.(*imap.Error)
	return reply == nil || ok && goodbye.Type == imap.StatusResponseTypeBye
}

// clean returns err with the server's words cut, and with the token taken out,
// if the server repeated it.
func (s *session) clean(err error) error {
	r := s.redactor
	switch e := err.(type) {
	case *imap.Error:
		return &imap.Error{Type: e.Type, Code: imap.ResponseCode(wire.Cut(r.Text(string(e.Code)))), Text: wire.Cut(r.Text(e.Text))}
	case *smtp.SMTPError:
		return &smtp.SMTPError{Code: e.Code, EnhancedCode: e.EnhancedCode, Message: wire.Cut(r.Text(e.Message))}
	case *POP3Error:
		return &POP3Error{Code: wire.Cut(r.Text(e.Code)), Message: wire.Cut(r.Text(e.Message))}
	}
	if text := err.Error(); r.Text(text) != text {
		return errors.New(r.Text(text))
	}
	return err
}

func (s *session) cleanDocument(d *ServerError) *ServerError {
	if d == nil {
		return nil
	}
	r := s.redactor
	return &ServerError{Status: wire.Cut(r.Text(d.Status)), Schemes: wire.Cut(r.Text(d.Schemes)), Scope: wire.Cut(r.Text(d.Scope))}
}
