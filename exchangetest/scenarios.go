package exchangetest

import (
	"fmt"
	"time"

	"github.com/xoauth2/go-xoauth2"
)

// Scenario is a fault with a name, for programs that let their user choose one
// and for tests that go through all.
type Scenario struct {
	Name string // of letters, digits and hyphens
	Text string // what goes wrong

	// Rows are the entries of this project's table of refusals that it shows:
	// M1 to M19 of the mail servers, by protocol if it is the same fault on
	// all of them, or a number as AADSTS7000215. Faults of the network have
	// none.
	Rows []string

	// Protocols are those on which it shows. It is nil for faults on the way
	// to a token, whatever it is for.
	Protocols []xoauth2.Protocol

	Start func(*Server) *Fault
}

// Scenarios returns all scenarios, those of the mail servers first.
func Scenarios() []Scenario {
	var all []Scenario
	for _, some := range [][]Scenario{loginScenarios(), smtpScenarios(), sessionScenarios(), connectionScenarios(), tokenScenarios(), entraScenarios()} {
		all = append(all, some...)
	}
	return all
}

func on(protocols ...xoauth2.Protocol) []xoauth2.Protocol { return protocols }

// misdirected returns a scenario with tokens for another resource.
func misdirected(name, text, audience string) Scenario {
	return Scenario{name, text, everyLogin(), allProtocols(), func(s *Server) *Fault { return s.MisdirectTokens(audience) }}
}

// everyLogin is the rows of a refusal that says the same whatever its cause.
func everyLogin() []string { return []string{"M1", "M13", "M3"} }

func loginScenarios() []Scenario {
	return []Scenario{
		misdirected("graph-token", "The access token is for Microsoft Graph.", "https://graph.microsoft.com"),
		misdirected("consent-scope-token", "The access token is for the resource of the consent URL.", "https://ps.outlook.com"),
		misdirected("other-cloud-token", "The access token is for Exchange in another cloud.", "https://outlook.office365.us"),
		{"missing-permission", "The access token holds no scope and no role.", everyLogin(), allProtocols(), (*Server).OmitPermissions},
		{"expired-token", "The access token has ended.", everyLogin(), allProtocols(), (*Server).IssueExpiredTokens},
		{"forged-token", "The access token's signature is wrong.", everyLogin(), allProtocols(), (*Server).IssueForgedTokens},
		{"service-principal-missing", "Exchange does not know the application's service principal.", everyLogin(), allProtocols(), (*Server).RemoveServicePrincipal},
		{"no-full-access", "Nobody gave the application access to the mailbox.", everyLogin(), allProtocols(), (*Server).DenyMailboxAccess},
		{"imap-disabled", "IMAP is off for the mailbox.", []string{"M1"}, on(xoauth2.IMAP), func(s *Server) *Fault { return s.DisableProtocol(xoauth2.IMAP) }},
		{"pop3-disabled", "POP3 is off for the mailbox.", []string{"M13"}, on(xoauth2.POP3), func(s *Server) *Fault { return s.DisableProtocol(xoauth2.POP3) }},
		{"not-propagated", "The permissions have not yet spread through Exchange.", everyLogin(), allProtocols(), func(s *Server) *Fault { return s.RefuseLogins() }},
		{"pop3-long-token", "The access token is too long for POP3.", []string{"M12"}, on(xoauth2.POP3), func(s *Server) *Fault { return s.IssueLongTokens(6000) }},
		{"imap-throttled", "IMAP logins are throttled.", []string{"M10"}, on(xoauth2.IMAP), func(s *Server) *Fault { return s.ThrottleIMAP(90 * time.Second) }},
		{"imap-unavailable", "There is no IMAP server for the mailbox.", []string{"M10"}, on(xoauth2.IMAP), (*Server).MakeIMAPUnavailable},
	}
}

func smtpScenarios() []Scenario {
	smtp := on(xoauth2.SMTP)
	return []Scenario{
		{"smtp-disabled-tenant", "SMTP AUTH is off for the organization.", []string{"M4"}, smtp, (*Server).DisableSMTPForTenant},
		{"smtp-disabled-mailbox", "SMTP AUTH is off for the mailbox.", []string{"M4"}, smtp, (*Server).DisableSMTPForMailbox},
		{"smtp-security-defaults", "Security defaults block the SMTP login.", []string{"M5"}, smtp, (*Server).BlockSMTPBySecurityDefaults},
		{"smtp-conditional-access", "Conditional Access blocks the SMTP login.", []string{"M5"}, smtp, (*Server).BlockSMTPByConditionalAccess},
		{"smtp-basic-auth", "The credential counts as a password.", []string{"M6"}, smtp, (*Server).RefuseSMTPAsBasic},
		{"smtp-mechanism", "SMTP does not know the mechanism.", []string{"M14"}, smtp, (*Server).RefuseSMTPMechanism},
		{"smtp-login-forgotten", "SMTP forgets the login.", []string{"M15"}, smtp, (*Server).ForgetSMTPLogin},
		{"smtp-hello", "SMTP refuses the client's name.", []string{"M16"}, smtp, (*Server).RefuseSMTPHello},
		{"smtp-long-line", "SMTP takes no line that long.", []string{"M17"}, smtp, (*Server).RefuseLongSMTPLine},
		{"smtp-token-life", "The access token ends too soon for High Volume Email.", []string{"M19"}, smtp, (*Server).RequireSMTPTokenLife},
		{"send-as-denied", "The sender is a foreign address.", []string{"M7"}, smtp, (*Server).DenySendAs},
		{"sender-refused", "The sender is a foreign address, to Exchange Server.", []string{"M7"}, smtp, (*Server).RefuseSender},
		{"smtp-mailbox-logon", "The application cannot open the sender's mailbox.", []string{"M8"}, smtp, (*Server).FailMailboxLogon},
		{"smtp-connections", "Too many SMTP connections send at once.", []string{"M9"}, smtp, (*Server).LimitSMTPConnections},
		{"smtp-threads", "Too many messages are sent at once.", []string{"M9"}, smtp, (*Server).LimitSMTPThreads},
		{"smtp-quota", "The day's recipients are used up.", []string{"M18"}, smtp, (*Server).ExceedSubmissionQuota},
	}
}

func sessionScenarios() []Scenario {
	return []Scenario{
		{"not-connected", "The login succeeds, and there is no mailbox behind it.", []string{"M2"}, on(xoauth2.IMAP, xoauth2.POP3), (*Server).DisconnectMailboxes},
		{"session-invalidated", "The access token ends during the session.", []string{"M11"}, on(xoauth2.IMAP), (*Server).InvalidateSessions},
		{"imap-throttled-commands", "IMAP commands are throttled.", []string{"M10"}, on(xoauth2.IMAP), func(s *Server) *Fault { return s.ThrottleIMAPCommands(90 * time.Second) }},
	}
}

func connectionScenarios() []Scenario {
	dropped := func(name, text string, when Moment) Scenario {
		return Scenario{name, text, nil, allProtocols(), func(s *Server) *Fault { return s.DropConnections(when) }}
	}
	return []Scenario{
		dropped("dropped-at-once", "The mail server hangs up before it says anything.", AtAccept),
		dropped("dropped-in-greeting", "The mail server hangs up in the middle of its greeting.", InGreeting),
		dropped("dropped-after-greeting", "The mail server hangs up after its greeting.", AfterGreeting),
		dropped("dropped-during-login", "The mail server hangs up instead of answering the login.", DuringLogin),
		{"greeting-stalled", "The mail server says nothing.", nil, allProtocols(), func(s *Server) *Fault { return s.StallConnections(AtAccept) }},
		{"starttls-missing", "The mail server offers no STARTTLS.", nil, on(xoauth2.SMTP), func(s *Server) *Fault { return s.HideStartTLS() }},
		{"starttls-smuggling", "Plaintext comes along with the permission to start TLS.", nil, on(xoauth2.SMTP), func(s *Server) *Fault { return s.SmuggleBehindStartTLS() }},
		{"imap-preauth", "IMAP greets with PREAUTH.", nil, on(xoauth2.IMAP), (*Server).GreetPreauth},
		{"foreign-certificate", "The certificate names another host.", nil, allProtocols(), func(s *Server) *Fault { return s.ShowForeignCertificate("mail.example.net") }},
		{"expired-certificate", "The certificate has expired.", nil, allProtocols(), (*Server).ShowExpiredCertificate},
		{"untrusted-certificate", "The certificate is of an unknown authority.", nil, allProtocols(), (*Server).ShowUntrustedCertificate},
	}
}

func tokenScenarios() []Scenario {
	const skew = time.Hour
	return []Scenario{
		{"token-throttled", "The token endpoint is throttling.", []string{"AADSTS90055"}, nil, func(s *Server) *Fault { return s.ThrottleTokens(time.Minute) }},
		{"token-unavailable", "The token endpoint is out of order.", nil, nil, func(s *Server) *Fault { return s.MakeTokensUnavailable(time.Minute) }},
		{"token-intercepted", "A guest network's page answers token requests.", nil, nil, (*Server).InterceptTokens},
		{"token-redirected", "The token endpoint redirects.", nil, nil, (*Server).RedirectTokens},
		{"token-stalled", "The token endpoint does not answer.", nil, nil, (*Server).StallTokens},
		{"token-dropped", "The token endpoint hangs up.", nil, nil, (*Server).DropTokenRequests},
		{"token-cut", "The token endpoint's reply ends in the middle.", nil, nil, (*Server).CutTokenReplies},
		{"token-inflated", "The token endpoint's reply is of eight megabytes.", nil, nil, func(s *Server) *Fault { return s.InflateTokenReplies(8 << 20) }},
		{"clock-behind", "This computer's clock is an hour behind.", nil, nil, func(s *Server) *Fault { return s.SkewClock(skew) }},
		{"clock-ahead", "This computer's clock is an hour ahead.", nil, nil, func(s *Server) *Fault { return s.SkewClock(-skew) }},
	}
}

// entraScenarios returns one for each row of Entra's refusals.
func entraScenarios() []Scenario {
	rows := []struct {
		number int
		text   string
	}{
		{65001, "Nobody consented to the application's permissions."},
		{70011, "The scope is not valid."},
		{1002012, "Client credentials ask for a named scope."},
		{9001023, "The authority does not serve the grant."},
		{700016, "The directory does not know the application."},
		{90002, "There is no such directory."},
		{7000215, "The client secret is wrong."},
		{7000222, "The client secret has expired."},
		{7000218, "The client secret is missing."},
		{700025, "A public client sends a secret."},
		{700027, "The certificate is not registered."},
		{700024, "The assertion is outside its time."},
		{70021, "No federated credential matches."},
		{50011, "The redirect URL is not registered."},
		{50020, "The account belongs to another authority."},
		{50076, "Multi-factor authentication is needed."},
		{53003, "Conditional Access blocks the token."},
		{50173, "The session was revoked."},
		{700082, "The refresh token was not used for too long."},
		{54005, "The code was used before."},
		{900144, "A parameter is missing."},
		{900561, "The request's method was changed on the way."},
		{9002313, "The request is malformed."},
		{50196, "The client asks again and again."},
		{500011, "The organization has no such resource."},
		{501481, "PKCE's verifier is wrong."},
		{70019, "The device code has expired."},
		{50053, "The account is locked."},
		{50034, "The directory has no such user."},
	}
	all := make([]Scenario, len(rows))
	for i, row := range rows {
		all[i] = Scenario{
			Name: fmt.Sprintf("aadsts-%d", row.number), Text: row.text, Rows: []string{fmt.Sprintf("AADSTS%d", row.number)},
			Start: func(s *Server) *Fault { return s.FailToken(row.number) },
		}
	}
	return all
}
