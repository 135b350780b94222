package exchangetest

import (
	"encoding/base64"
	"fmt"
	"strings"
	"unicode/utf16"

	"github.com/xoauth2/go-xoauth2"
	"github.com/xoauth2/go-xoauth2/exchangetest/internal/authority"
)

// Style is whose manners a [Server] has: its greetings, capabilities and
// refusals, and the endpoints where tokens come from.
type Style uint8

// The styles. Exchange, the zero value, greets without capabilities, refuses
// without an error document, and gets its tokens from Entra. Outlook is the
// same for personal accounts. Gmail and Yahoo send the error document and have
// endpoints of their own, whose refresh tokens are not replaced. Dovecot names
// its capabilities in the greeting, sends the error document, offers
// OAUTHBEARER too, takes no long lines, and gets its tokens from Entra.
const (
	Exchange Style = iota
	Outlook
	Gmail
	Yahoo
	Dovecot
)

// String returns the style's name.
func (s Style) String() string {
	names := [...]string{"Exchange", "Outlook", "Gmail", "Yahoo", "Dovecot"}
	if int(s) < len(names) {
		return names[s]
	}
	return fmt.Sprintf("Style(%d)", uint8(s))
}

// SetStyle gives the server other manners. It is to be called first:
// [Server.Provider], and everything made of it, follows the style of the
// moment.
func (s *Server) SetStyle(style Style) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.style = style
}

// Names of the fake servers, in Exchange's manner.
const (
	mailHost = "AM0PR06CA0126.eurprd06.prod.outlook.com"
	stampID  = "08DC2D372B4C3DED"
)

// manners is how a style speaks. Texts are whole replies without their tag or
// CRLF.
type manners struct {
	shape      authority.Shape
	provider   func() xoauth2.Provider
	mechanisms []string
	document   string // the error document, before base64; empty: none is sent

	imap imapManners
	pop3 pop3Manners
	smtp smtpManners
}

type imapManners struct {
	greeting     string
	capabilities string // without the mechanisms
	accepted     string
	refused      string
	aborted      string // the client gave up
	malformed    string // no SASL message
	unprotected  string // AUTHENTICATE before TLS
	loggedOut    string
}

type pop3Manners struct {
	greeting     string
	capabilities []string
	pipelining   bool
	oneLine      bool // takes the payload on the line of AUTH
	maxPayload   int  // in base64; 0: any
	accepted     string
	refused      string
	aborted      string
	malformed    string
	unprotected  string
	loggedOut    string
}

type smtpManners struct {
	greeting     string
	hello        string // the first line of the answer to EHLO
	capabilities []string
	maxLine      int // of AUTH; 0: any
	tooLong      string
	accepted     string
	refused      []string
	aborted      string
	malformed    string
	unprotected  string // AUTH before TLS
	stranger     string // MAIL before AUTH
}

// originPlaceholder stands for the fake Entra's address in URLs.
const originPlaceholder = "{origin}"

// manners returns how the server speaks now.
func (s *Server) manners() *manners {
	s.mu.Lock()
	style, mechanisms, pipelining, maxLine := s.style, s.settings.mechanisms, s.settings.pipelining, s.settings.maxAuthLine
	s.mu.Unlock()
	var m *manners
	switch style {
	case Gmail:
		m = gmail()
	case Yahoo:
		m = yahoo()
	case Dovecot:
		m = dovecot()
	case Outlook:
		m = exchange()
		m.provider = func() xoauth2.Provider { return atEntra(xoauth2.Outlook) }
	default:
		m = exchange()
	}
	if mechanisms != nil {
		m.mechanisms = mechanisms
	}
	if pipelining != nil {
		m.pop3.pipelining = *pipelining
	}
	if maxLine != nil {
		m.smtp.maxLine = *maxLine
	}
	return m
}

// atEntra points a provider's endpoints at the fake Entra.
func atEntra(p xoauth2.Provider) xoauth2.Provider {
	const base = originPlaceholder + "/{tenant}"
	p.AuthURL = base + "/oauth2/v2.0/authorize"
	p.TokenURL = base + "/oauth2/v2.0/token"
	p.DeviceURL = base + "/oauth2/v2.0/devicecode"
	if p.ConsentURL != "" {
		p.ConsentURL = base + "/v2.0/adminconsent"
	}
	return p
}

// exchange speaks as Exchange Online does ("Authenticate an IMAP, POP or SMTP
// connection using OAuth", and what its servers answer).
func exchange() *manners {
	name := base64.StdEncoding.EncodeToString(utf16LE(mailHost))
	return &manners{
		provider:   func() xoauth2.Provider { return atEntra(xoauth2.Exchange) },
		mechanisms: []string{xoauth2.Mechanism},
		imap: imapManners{
			greeting:     "OK The Microsoft Exchange IMAP4 service is ready. [" + name + "]",
			capabilities: "IMAP4 IMAP4rev1 AUTH=PLAIN {mechanisms} SASL-IR UIDPLUS MOVE ID UNSELECT CHILDREN IDLE NAMESPACE LITERAL+",
			accepted:     "OK AUTHENTICATE completed.",
			refused:      "NO AUTHENTICATE failed.",
			aborted:      "BAD AUTHENTICATE cancelled.",
			malformed:    "NO AUTHENTICATE failed.",
			unprotected:  "BAD Command received in Invalid state.",
			loggedOut:    "BYE Microsoft Exchange Server IMAP4 server signing off.",
		},
		pop3: pop3Manners{
			greeting:     "+OK The Microsoft Exchange POP3 service is ready. [" + name + "]",
			capabilities: []string{"TOP", "UIDL", "SASL PLAIN {mechanisms}", "USER"},
			maxPayload:   4096,
			accepted:     "+OK User successfully authenticated.",
			refused:      "-ERR Authentication failure: unknown user name or bad password.",
			aborted:      "-ERR Authentication cancelled.",
			malformed:    "-ERR Authentication failure: unknown user name or bad password.",
			unprotected:  "-ERR Command is not valid in this state.",
			loggedOut:    "+OK Microsoft Exchange Server POP3 server signing off.",
		},
		smtp: smtpManners{
			greeting:     "220 " + mailHost + " Microsoft ESMTP MAIL Service ready at {date} [" + stampID + "]",
			hello:        mailHost + " Hello [127.0.0.1]",
			capabilities: []string{"SIZE 157286400", "PIPELINING", "DSN", "ENHANCEDSTATUSCODES", "STARTTLS", "AUTH LOGIN {mechanisms}", "8BITMIME", "BINARYMIME", "CHUNKING", "SMTPUTF8"},
			tooLong:      "500 5.5.2 Line too long",
			accepted:     "235 2.7.0 Authentication successful",
			refused:      []string{"535 5.7.3 Authentication unsuccessful {stamp}"},
			aborted:      "501 5.7.0 Authentication cancelled",
			malformed:    "535 5.7.3 Authentication unsuccessful {stamp}",
			unprotected:  "504 5.7.4 Unrecognized authentication type {stamp}",
			stranger:     "530 5.7.57 Client not authenticated to send mail. {stamp}",
		},
	}
}

// gmail speaks as Gmail does (Google's "OAuth 2.0 Mechanism").
func gmail() *manners {
	const document = `{"status":"400","schemes":"Bearer","scope":"` + authority.GoogleScope + `"}`
	return &manners{
		shape: authority.Google,
		provider: func() xoauth2.Provider {
			p := xoauth2.Gmail
			p.AuthURL, p.TokenURL = originPlaceholder+"/google/auth", originPlaceholder+"/google/token"
			return p
		},
		mechanisms: []string{xoauth2.Mechanism, "OAUTHBEARER"},
		document:   document,
		imap: imapManners{
			greeting:     "OK Gimap ready for requests from 127.0.0.1 exchangetest",
			capabilities: "IMAP4rev1 UNSELECT IDLE NAMESPACE QUOTA ID XLIST CHILDREN X-GM-EXT-1 XYZZY SASL-IR {mechanisms} AUTH=PLAIN",
			accepted:     "OK Authenticated (Success)",
			refused:      "NO [AUTHENTICATIONFAILED] Invalid credentials (Failure)",
			aborted:      "BAD Authentication cancelled by the client",
			malformed:    "BAD Invalid SASL argument.",
			unprotected:  "NO [PRIVACYREQUIRED] STARTTLS comes first",
			loggedOut:    "BYE LOGOUT Requested",
		},
		pop3: pop3Manners{
			greeting:     "+OK Gpop ready for requests from 127.0.0.1 exchangetest",
			capabilities: []string{"USER", "RESP-CODES", "EXPIRE 0", "LOGIN-DELAY 300", "TOP", "UIDL", "SASL {mechanisms} PLAIN"},
			oneLine:      true,
			accepted:     "+OK Welcome.",
			refused:      "-ERR [AUTH] Username and password not accepted.",
			aborted:      "-ERR Authentication cancelled by the client",
			malformed:    "-ERR [AUTH] Invalid SASL argument.",
			unprotected:  "-ERR [AUTH] STLS comes first",
			loggedOut:    "+OK Farewell.",
		},
		smtp: smtpManners{
			greeting:     "220 smtp.gmail.com ESMTP exchangetest - gsmtp",
			hello:        "smtp.gmail.com at your service, [127.0.0.1]",
			capabilities: []string{"SIZE 35882577", "8BITMIME", "STARTTLS", "AUTH LOGIN PLAIN {mechanisms}", "ENHANCEDSTATUSCODES", "PIPELINING", "CHUNKING", "SMTPUTF8"},
			maxLine:      512,
			tooLong:      "555 5.5.2 Syntax error, cannot decode response. exchangetest - gsmtp",
			accepted:     "235 2.7.0 Accepted",
			refused:      []string{"535-5.7.8 Username and Password not accepted. For more information, go to", "535 5.7.8  https://support.google.com/mail/?p=BadCredentials exchangetest - gsmtp"},
			aborted:      "501 5.7.0 Authentication cancelled. exchangetest - gsmtp",
			malformed:    "501 5.5.2 Cannot Decode response. exchangetest - gsmtp",
			unprotected:  "530 5.7.0 Must issue a STARTTLS command first. exchangetest - gsmtp",
			stranger:     "530 5.7.0 Authentication Required. exchangetest - gsmtp",
		},
	}
}

// yahoo speaks much as Gmail does, from its own endpoints.
func yahoo() *manners {
	m := gmail()
	m.shape = authority.Yahoo
	m.provider = func() xoauth2.Provider {
		p := xoauth2.Yahoo
		p.AuthURL, p.TokenURL = originPlaceholder+"/yahoo/auth", originPlaceholder+"/yahoo/token"
		return p
	}
	m.document = `{"status":"401","schemes":"Bearer","scope":"` + authority.YahooScope + `"}`
	m.imap.greeting = "OK [CAPABILITY IMAP4rev1 ID NAMESPACE UIDPLUS LITERAL+ UNSELECT AUTH=PLAIN {mechanisms} SASL-IR] IMAP4rev1 Hello"
	m.imap.capabilities = "IMAP4rev1 ID NAMESPACE UIDPLUS LITERAL+ UNSELECT AUTH=PLAIN {mechanisms} SASL-IR"
	m.pop3.greeting = "+OK Hello from exchangetest"
	m.smtp.greeting = "220 smtp.mail.yahoo.com ESMTP ready"
	m.smtp.hello = "smtp.mail.yahoo.com Hello [127.0.0.1]"
	return m
}

// dovecot speaks as Dovecot 2.3 and a Postfix before it do.
func dovecot() *manners {
	m := exchange()
	m.provider = func() xoauth2.Provider {
		p := atEntra(xoauth2.Exchange)
		p.Name, p.LongAuthLine, p.IMAP.SASLIR = "Dovecot", false, false
		return p
	}
	m.mechanisms = []string{xoauth2.Mechanism, "OAUTHBEARER"}
	m.document = `{"status":"401","schemes":"bearer","scope":"mail"}`
	m.imap = imapManners{
		greeting:     "OK [CAPABILITY IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE LITERAL+ {mechanisms}] Dovecot ready.",
		capabilities: "IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE LITERAL+ {mechanisms}",
		accepted:     "OK [CAPABILITY " + sessionCapabilities + "] Logged in",
		refused:      "NO [AUTHENTICATIONFAILED] Authentication failed.",
		aborted:      "BAD Authentication aborted by client.",
		malformed:    "NO [AUTHENTICATIONFAILED] Authentication failed.",
		unprotected:  "NO [PRIVACYREQUIRED] Authentication not allowed until SSL/TLS is enabled.",
		loggedOut:    "BYE Logging out",
	}
	m.pop3 = pop3Manners{
		greeting:     "+OK Dovecot ready.",
		capabilities: []string{"CAPA", "TOP", "UIDL", "RESP-CODES", "PIPELINING", "AUTH-RESP-CODE", "SASL {mechanisms}"},
		pipelining:   true,
		oneLine:      true,
		accepted:     "+OK Logged in.",
		refused:      "-ERR [AUTH] Authentication failed.",
		aborted:      "-ERR Authentication aborted by client.",
		malformed:    "-ERR [AUTH] Authentication failed.",
		unprotected:  "-ERR [AUTH] Authentication not allowed until SSL/TLS is enabled.",
		loggedOut:    "+OK Logging out.",
	}
	m.smtp = smtpManners{
		greeting:     "220 localhost ESMTP Postfix",
		hello:        "localhost",
		capabilities: []string{"PIPELINING", "SIZE 157286400", "STARTTLS", "AUTH {mechanisms}", "ENHANCEDSTATUSCODES", "8BITMIME", "DSN", "SMTPUTF8", "CHUNKING"},
		maxLine:      2048,
		tooLong:      "535 5.7.8 Error: authentication failed: Invalid base64 data in initial response",
		accepted:     "235 2.7.0 Authentication successful",
		refused:      []string{"535 5.7.8 Error: authentication failed: (reason unavailable)"},
		aborted:      "501 5.7.0 Authentication aborted",
		malformed:    "535 5.7.8 Error: authentication failed: Invalid base64 data in initial response",
		unprotected:  "530 5.7.0 Must issue a STARTTLS command first",
		stranger:     "530 5.7.0 Authentication required",
	}
	return m
}

func utf16LE(s string) []byte {
	var b []byte
	for _, unit := range utf16.Encode([]rune(s)) {
		b = append(b, byte(unit), byte(unit>>8))
	}
	return b
}

// withMechanisms fills the mechanisms into a capability, each with prefix.
func (m *manners) withMechanisms(capability, prefix string) string {
	words := make([]string, len(m.mechanisms))
	for i, mechanism := range m.mechanisms {
		words[i] = prefix + mechanism
	}
	return strings.Join(strings.Fields(strings.Replace(capability, "{mechanisms}", strings.Join(words, " "), 1)), " ")
}
