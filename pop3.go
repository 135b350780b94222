package xoauth2

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strings"

	"github.com/emersion/go-sasl"
	"golang.org/x/oauth2"

	"github.com/xoauth2/go-xoauth2/internal/diagnosis"
	"github.com/xoauth2/go-xoauth2/internal/pop3"
	"github.com/xoauth2/go-xoauth2/internal/wire"
)

// POP3Client is a POP3 session (RFC 1939, RFC 2449, RFC 5034). [DialPOP3]
// returns one that is logged in.
//
// A refusal by the server is a *[POP3Error], and the session goes on. After
// any other error that comes from the server or the connection, replies could
// not be told apart any more: the connection is closed, and every later call
// returns the same error.
//
// A POP3Client is for one goroutine at a time, except for Close. It starts no
// goroutine that outlives a call, and between two calls it holds no buffer. It
// sets no deadlines: a program that gave it a connection may set some on that,
// and any program can have Close interrupt a call that takes too long:
//
//	stop := context.AfterFunc(ctx, func() { client.Close() })
//	defer stop()
type POP3Client struct {
	session *pop3.Client
}

// POP3Message is a message as LIST and UIDL tell of it.
type POP3Message struct {
	Number int    // in this session
	Size   int64  // in octets, as the server estimates it
	UID    string // the same in every session; empty if the server has no UIDL
}

// POP3Error is a reply that begins with -ERR.
type POP3Error struct {
	// Code is the response code, such as AUTH, SYS/TEMP, IN-USE or
	// LOGIN-DELAY (RFC 2449 section 8, RFC 3206), in upper case; empty if the
	// server gave none.
	Code string

	// Message is the server's text, cut at 256 bytes.
	Message string
}

// Error returns the server's words.
func (e *POP3Error) Error() string {
	return pop3Prefix + (&pop3.Refusal{Code: wire.Cut(e.Code), Text: e.Message}).Error()
}

const pop3Prefix = "xoauth2: POP3: "

// pop3Failure is an error with the command that failed.
type pop3Failure struct {
	command string
	err     error
}

func (f pop3Failure) Error() string {
	return pop3Prefix + f.command + ": " + strings.TrimPrefix(f.err.Error(), pop3Prefix)
}

func (f pop3Failure) Unwrap() error { return f.err }

// wrapPOP3 makes an error of the session one of this package. It leaves
// alone io.EOF and those of the caller's own functions.
func wrapPOP3(err error) error {
	failure, ok := err.(*pop3.Error) // not errors.As: what is wrapped is another's
	if !ok {
		return err
	}
	reason := failure.Err
	if refusal, ok := errors.AsType[*pop3.Refusal](reason); ok {
		reason = &POP3Error{Code: refusal.Code, Message: wire.Cut(refusal.Text)}
	}
	return pop3Failure{failure.Command, reason}
}

// pop3Reason is wrapPOP3 for the dialers, whose errors name the step, and not
// the command. The server's words are not cut yet, since the token, if the
// server repeats it, must be taken out first.
func pop3Reason(err error) error {
	if refusal, ok := errors.AsType[*pop3.Refusal](err); ok {
		return &POP3Error{Code: refusal.Code, Message: refusal.Text}
	}
	if failure, ok := err.(*pop3.Error); ok {
		return failure.Err
	}
	return err
}

// NewPOP3Client returns a session on conn, after it has read the greeting. It
// does no TLS of its own: for that, conn is a *tls.Conn. How long the server
// may take is for the caller to bound, by deadlines on conn or by closing it.
// The client owns conn, and closes it if NewPOP3Client fails.
func NewPOP3Client(conn net.Conn) (*POP3Client, error) {
	return newPOP3Client(wire.NewConn(conn, nil))
}

func newPOP3Client(conn *wire.Conn) (*POP3Client, error) {
	session, err := pop3.New(conn)
	if err != nil {
		return nil, wrapPOP3(err)
	}
	return &POP3Client{session}, nil
}

// Capabilities asks the server what it can do, and returns the arguments of
// each capability by its name in upper case: "SASL" names the mechanisms. It
// asks each time, since the answer changes with TLS and with the login. A
// *[POP3Error] means that the server does not know CAPA (RFC 2449, section 5).
func (c *POP3Client) Capabilities() (map[string][]string, error) {
	capabilities, err := c.session.Capabilities()
	return capabilities, wrapPOP3(err)
}

// Auth logs in with a SASL mechanism. Without TLS it refuses to, and does not
// even start the mechanism: the connection that was given to
// [NewPOP3Client] must be a *tls.Conn, or have its ConnectionState method.
//
// An initial response is sent on a line of its own, when the server asks for
// it, as Exchange Online requires. A refused login is a *[POP3Error]. If the
// mechanism's Next fails, Auth cancels the exchange and returns that error.
// After both, another Auth is possible.
func (c *POP3Client) Auth(mechanism sasl.Client) error {
	return wrapPOP3(c.session.Auth(mechanism))
}

// Stat returns the number of messages, without those marked for deletion, and
// the sum of their sizes.
func (c *POP3Client) Stat() (count int, size int64, err error) {
	count, size, err = c.session.Stat()
	return count, size, wrapPOP3(err)
}

// List returns the messages that are not marked for deletion, by ascending
// number. It joins LIST and UIDL, in one round trip if the server offers
// PIPELINING; UIDs are empty if the server does not know UIDL. It takes no
// more than a million messages.
func (c *POP3Client) List() ([]POP3Message, error) {
	entries, err := c.session.List()
	if err != nil {
		return nil, wrapPOP3(err)
	}
	messages := make([]POP3Message, len(entries))
	for i, entry := range entries {
		messages[i] = POP3Message(entry)
	}
	return messages, nil
}

// Retr returns a reader of message n, as the server has it: the octets are as
// they came, without the dots that the transfer added. CRLF stays CRLF, and an
// LF alone stays what it is. The reader also is an io.WriterTo.
//
// The reader ends with io.EOF, or with an error that wraps
// io.ErrUnexpectedEOF if the connection ended before the message. It is good
// until the next call of a method of the client, which first reads what is left
// of the message, however much that is; Close is the way out. It needs
// no more memory for a long message than for a short one.
//
// A message ends at CRLF, dot, CRLF only. LF, dot, LF within a message, which
// some clients take for its end too, lets whoever wrote the message
// write the server's next replies as well. From a server that ends even its
// status lines with an LF alone, and only from such, that is accepted.
func (c *POP3Client) Retr(n int) (io.Reader, error) {
	return pop3Reader(c.session.Retr(n))
}

// Top returns a reader of the header of message n and the first lines of its
// body, with the properties of Retr's. Servers need not know TOP.
func (c *POP3Client) Top(n, lines int) (io.Reader, error) {
	return pop3Reader(c.session.Top(n, lines))
}

// RetrAll calls each for the messages with these numbers, in this order; nil
// means all that List would return. The reader has the properties of
// Retr's, but is good within that call of each only. What each does not read
// of it is skipped.
//
// If the server offers PIPELINING, up to a thousand messages are asked for in
// advance, fewer if they are large, so that their number of round trips does
// not matter. Otherwise each message takes one.
//
// RetrAll stops at the first error, of each or of the server: a refusal names
// the number of the message. It then reads what was asked for in advance, and
// the session goes on; only if that is more than 32 MiB, it closes the
// connection. Within each, no other method of the client but Close can be
// used.
func (c *POP3Client) RetrAll(numbers []int, each func(n int, r io.Reader) error) error {
	return wrapPOP3(c.session.RetrAll(numbers, func(n int, m *pop3.Message) error {
		return each(n, pop3Octets{m})
	}))
}

// Dele marks message n for deletion, which Quit carries out.
func (c *POP3Client) Dele(n int) error { return wrapPOP3(c.session.Dele(n)) }

// Rset takes back all marks for deletion.
func (c *POP3Client) Rset() error { return wrapPOP3(c.session.Rset()) }

// Noop does nothing but show that the session is alive, and keep it so.
func (c *POP3Client) Noop() error { return wrapPOP3(c.session.Noop()) }

// Quit has the server carry out the deletions, and closes the connection in
// any case. After an error, it is not known which messages were deleted.
func (c *POP3Client) Quit() error { return wrapPOP3(c.session.Quit()) }

// Close closes the connection at once. Without Quit, nothing is deleted. It may
// be called at any time and from any goroutine: what goes on is interrupted
// and returns an error that wraps net.ErrClosed.
func (c *POP3Client) Close() error { return c.session.Close() }

// pop3Octets reads a message.
type pop3Octets struct{ message *pop3.Message }

func pop3Reader(m *pop3.Message, err error) (io.Reader, error) {
	if err != nil {
		return nil, wrapPOP3(err)
	}
	return pop3Octets{m}, nil
}

func (o pop3Octets) Read(p []byte) (int, error) {
	n, err := o.message.Read(p)
	return n, wrapPOP3(err)
}

func (o pop3Octets) WriteTo(w io.Writer) (int64, error) {
	n, err := o.message.WriteTo(w)
	return n, wrapPOP3(err)
}

// DialPOP3 connects to the provider's POP3 server over TLS and logs username
// in with a token from ts, which is fetched while the connection is made. The
// caller closes the client. ctx and opts.Timeout bound the call, not the
// client; when one of them ends, nothing stays open. Nil opts mean Exchange
// Online.
//
// A refused login is an *[AuthError]. A server without a suitable mechanism is
// [ErrNotAdvertised]. A token that the server refuses, that came from the
// cache of a source of this package, and that is older than a minute, is
// replaced by a new one, once.
//
// Exchange Online's POP3 server is reported to refuse tokens that make a line
// of more than about 4,096 characters.
func DialPOP3(ctx context.Context, username string, ts oauth2.TokenSource, opts *DialOptions) (*POP3Client, error) {
	s, err := newSession(POP3, username, ts, opts)
	if err != nil {
		return nil, err
	}
	return dial(ctx, s, loginPOP3)
}

func loginPOP3(ctx context.Context, s *session, conn net.Conn) (*POP3Client, error) {
	s.step = stepGreeting
	wc := wire.NewConn(conn, s.trace)
	opened, err := pop3.New(wc)
	if err != nil {
		return nil, pop3Reason(err)
	}
	c := &POP3Client{opened}
	s.greeting = diagnosis.ServerName(opened.Greeting)
	if s.service.StartTLS {
		s.step = stepStartTLS
		err := c.session.StartTLS(func(wc *wire.Conn) error { return s.startTLS(ctx, wc) })
		if err != nil {
			return nil, pop3Reason(err)
		}
	}
	if err := c.authenticate(ctx, s); err != nil {
		return nil, err
	}
	if s.opts.VerifyMailbox {
		s.step = stepMailbox
		if _, _, err := c.session.Stat(); err != nil {
			return nil, s.mailboxError(pop3Reason(err))
		}
	}
	wc.Trace(nil)
	return c, nil
}

// authenticate logs in with XOAUTH2 without asking for capabilities, which
// saves a round trip where it matters. Only a server that refuses the mechanism,
// for which it has seen no token yet, is asked what it offers.
func (c *POP3Client) authenticate(ctx context.Context, s *session) error {
	var unasked *pop3.Refusal
	login := func(sc *SASLClient) error {
		err := c.session.Login(encodingClient{sc})
		refusal, ok := errors.AsType[*pop3.Refusal](err)
		switch {
		case ok && refusal.Unasked:
			unasked = refusal
			return errUnasked
		}
		return pop3Reason(err)
	}
	err := s.authenticate(ctx, []string{Mechanism}, login)
	if errors.Is(err, errUnasked) {
		err = c.authenticateAsOffered(ctx, s, login)
	}
	if errors.Is(err, errUnasked) {
		return s.authError(nil, &POP3Error{Code: unasked.Code, Message: unasked.Text})
	}
	return err
}

// errUnasked is the refusal of a mechanism. It is no refusal of the token.
var errUnasked = errors.New("the server refuses the mechanism")

// authenticateAsOffered logs in with another mechanism than XOAUTH2, if the
// server, which refused that, offers one. If the server offers XOAUTH2, or
// does not know CAPA, it meant something else.
func (c *POP3Client) authenticateAsOffered(ctx context.Context, s *session, login func(*SASLClient) error) error {
	s.step = stepCapabilities
	capabilities, err := c.session.Capabilities()
	if _, ok := errors.AsType[*pop3.Refusal](err); ok {
		return errUnasked
	}
	if err != nil {
		return pop3Reason(err)
	}
	offered := capabilities["SASL"]
	if slices.ContainsFunc(offered, func(m string) bool { return strings.EqualFold(m, Mechanism) }) {
		return errUnasked
	}
	return s.authenticate(ctx, offered, login)
}

// AuthenticatePOP3 logs username in on a client that the caller made, with a
// token from ts. Over a connection that is not protected by TLS the token is not sent.
//
// ctx bounds the call; when it ends, the client is closed. After an
// *[AuthError] and after [ErrNotAdvertised] the client stays open, and is usable
// unless the server says otherwise. After every other error, but those of the
// arguments, it is closed.
func AuthenticatePOP3(ctx context.Context, c *POP3Client, username string, ts oauth2.TokenSource) error {
	if c == nil {
		return errors.New("xoauth2: POP3: no client")
	}
	s, err := newClientSession(POP3, username, ts)
	if err != nil {
		return err
	}
	return s.onClient(ctx, c, func(ctx context.Context) error { return c.authenticate(ctx, s) })
}
