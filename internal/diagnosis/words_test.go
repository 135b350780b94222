package diagnosis_test

import (
	"testing"

	"github.com/xoauth2/go-xoauth2/internal/diagnosis"
)

type reply = diagnosis.Reply

// TestRowsByTheirWords finds every row of the mail servers by a reply in its
// words, as a refused login and, where it can be, as a later reply.
func TestRowsByTheirWords(t *testing.T) {
	t.Parallel()
	found := make(map[string]bool)
	for _, tt := range wordsOfRows {
		found[tt.row] = true
		f := diagnosis.Facts{Protocol: tt.protocol, Login: !tt.later, Reply: tt.reply, Document: tt.document}
		if d := diagnosis.Explain(f); d.Row != tt.row || len(d.Causes) == 0 {
			t.Errorf("%s %q: got row %q with %d causes, want %s", tt.reply.Status, tt.reply.Text, d.Row, len(d.Causes), tt.row)
		}
	}
	for _, row := range diagnosis.Table() {
		if (row.ID[0] == 'M' || row.ID[0] == 'S') && !found[row.ID] {
			t.Errorf("no words lead to %s", row.ID)
		}
	}
}

var wordsOfRows = []struct {
	row, protocol string
	later         bool
	reply         reply
	document      string
}{
	{row: "M1", protocol: "IMAP", reply: reply{Status: "NO", Text: "AUTHENTICATE failed."}},
	{row: "M2", protocol: "IMAP", later: true, reply: reply{Status: "BAD", Text: "User is authenticated but not connected."}},
	{row: "M2", protocol: "POP3", later: true, reply: reply{Status: "-ERR", Text: "User is authenticated but not connected."}},
	{row: "M3", protocol: "SMTP", reply: reply{Status: "535", Text: "5.7.3 Authentication unsuccessful [SN2PR00CA0018.namprd00.prod.outlook.com]"}},
	{row: "M4", protocol: "SMTP", reply: reply{Status: "535", Text: "5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant."}},
	{row: "M4", protocol: "SMTP", reply: reply{Status: "535", Text: "5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Mailbox."}},
	{row: "M5", protocol: "SMTP", reply: reply{Status: "535", Text: "5.7.139 Authentication unsuccessful, the user credentials were incorrect."}},
	{row: "M5", protocol: "SMTP", later: true, reply: reply{Status: "530", Text: "5.7.57 Client not authenticated to send mail. Error: 535 5.7.139 Authentication unsuccessful, account locked. Contact your administrator."}},
	{row: "M6", protocol: "SMTP", reply: reply{Status: "550", Text: "5.7.30 Basic authentication is not supported for Client Submission."}},
	{row: "M6", protocol: "SMTP", reply: reply{Status: "535", Text: "5.7.139 Authentication unsuccessful, basic authentication is disabled."}},
	{row: "M6", protocol: "IMAP", reply: reply{Status: "NO", Text: "BasicAuthBlocked"}},
	{row: "M6", protocol: "IMAP", later: true, reply: reply{Status: "NO", Text: "LOGIN failed."}},
	{row: "S9", protocol: "IMAP", reply: reply{Status: "NO", Text: "Login failed."}}, // other servers', of any login
	{row: "M7", protocol: "SMTP", later: true, reply: reply{Status: "554", Text: "5.2.252 SendAsDenied; a@b.c not allowed to send as d@e.f"}},
	{row: "M7", protocol: "SMTP", later: true, reply: reply{Status: "550", Code: "5.7.60", Text: "SMTP; Client does not have permissions to send as this sender"}},
	{row: "M8", protocol: "SMTP", later: true, reply: reply{Status: "430", Text: "4.2.0 STOREDRV; mailbox logon failure; failure cause: LogonFailed"}},
	{row: "M9", protocol: "SMTP", later: true, reply: reply{Status: "432", Text: "4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded"}},
	{row: "M9", protocol: "SMTP", later: true, reply: reply{Status: "432", Text: "4.3.2 Concurrent connections limit exceeded."}},
	{row: "M9", protocol: "SMTP", later: true, reply: reply{Status: "421", Text: "4.4.2 Message submission rate for this client has exceeded the configured limit"}},
	{row: "M10", protocol: "IMAP", later: true, reply: reply{Status: "NO", Text: "Request is throttled. Suggested Backoff Time: 5 milliseconds"}},
	{row: "M10", protocol: "IMAP", later: true, reply: reply{Status: "NO", Text: "Server Unavailable. 15"}},
	{row: "M11", protocol: "IMAP", later: true, reply: reply{Status: "BYE", Text: "Session invalidated - AccessTokenExpired"}},
	{row: "M11", later: true, reply: reply{Text: "reading: * BYE Session invalidated - AccessTokenExpired"}},
	{row: "M12", protocol: "POP3", reply: reply{Status: "-ERR", Text: "Protocol error. Connection is closed. 10"}},
	{row: "M13", protocol: "POP3", reply: reply{Status: "-ERR", Text: "Authentication failure: unknown user name or bad password."}},
	{row: "M14", protocol: "SMTP", reply: reply{Status: "504", Text: "5.7.4 Unrecognized authentication type"}},
	{row: "M15", protocol: "SMTP", later: true, reply: reply{Status: "530", Text: "5.7.57 Client not authenticated to send mail."}},
	{row: "M15", protocol: "SMTP", later: true, reply: reply{Status: "550", Text: "5.7.57 Client not authenticated to send mail."}},
	{row: "M15", protocol: "SMTP", later: true, reply: reply{Status: "550", Text: "5.7.64 TenantAttribution; Relay Access Denied"}},
	{row: "M16", protocol: "SMTP", later: true, reply: reply{Status: "501", Text: "5.5.4 Invalid domain name"}},
	{row: "M17", protocol: "SMTP", reply: reply{Status: "500", Text: "5.5.2 Line too long"}},
	{row: "M17", protocol: "SMTP", reply: reply{Status: "555", Text: "5.5.2 Syntax error"}},
	{row: "M18", protocol: "SMTP", later: true, reply: reply{Status: "554", Text: "5.2.0 STOREDRV.Submission.Exception:SubmissionQuotaExceededException"}},
	{row: "M19", protocol: "SMTP", reply: reply{Status: "501", Text: "5.5.127 Token will expire soon"}},
	{row: "M20", protocol: "SMTP", reply: reply{Status: "501", Text: "5.5.124 Invalid XOAUTH2 auth data - User address provided is not valid."}},
	{row: "M21", protocol: "SMTP", later: true, reply: reply{Status: "550", Text: "5.7.705 Service unavailable. Access denied, tenant has exceeded threshold."}},
	{row: "M21", protocol: "SMTP", later: true, reply: reply{Status: "550", Text: "5.7.708 Service unavailable. Access denied, traffic not accepted from this IP."}},
	{row: "M21", protocol: "SMTP", later: true, reply: reply{Status: "550", Text: "5.1.8 Access denied, bad outbound sender AS(42004)"}},
	{row: "M22", protocol: "SMTP", reply: reply{Status: "550", Text: "5.2.1 Mailbox cannot be accessed [CWXP265CA0023.GBRP265.PROD.OUTLOOK.COM]"}},
	{row: "M23", protocol: "IMAP", later: true, reply: reply{Status: "BAD", Text: "Command received in Invalid state."}},
	{row: "S1", protocol: "SMTP", reply: reply{Status: "534", Text: "5.7.14 Please log in via your web browser and then try again."}},
	{row: "S1", protocol: "IMAP", reply: reply{Status: "NO", Text: "[ALERT] Please log in via your web browser: https://support.google.com/mail/accounts/answer/78754 (Failure)"}},
	{row: "S1", protocol: "POP3", reply: reply{Status: "-ERR", Text: "[AUTH] Web login required: https://support.google.com/mail/answer/78754"}},
	{row: "S2", protocol: "IMAP", reply: reply{Status: "NO", Text: "[ALERT] You are yet to enable IMAP for your account. Please contact your administrator"}},
	{row: "S2", protocol: "IMAP", reply: reply{Status: "NO", Text: "[ALERT] Your account is not enabled for IMAP use. Please visit your Gmail settings page"}},
	{row: "S3", protocol: "IMAP", reply: reply{Status: "NO", Text: "[ALERT] Application-specific password required: https://support.google.com/accounts/answer/185833 (Failure)"}},
	{row: "S3", protocol: "SMTP", reply: reply{Status: "534", Text: "5.7.9 Application-specific password required."}},
	{row: "S4", protocol: "IMAP", reply: reply{Status: "NO", Text: "[ALERT] Too many simultaneous connections. (Failure)"}},
	{row: "S4", protocol: "IMAP", reply: reply{Status: "NO", Text: "[LIMIT] Rate limit hit."}},
	{row: "S4", protocol: "POP3", reply: reply{Status: "-ERR", Text: "[LOGIN-DELAY] minimum time between mail checks violation"}},
	{row: "S4", protocol: "IMAP", later: true, reply: reply{Status: "NO", Text: "[OVERQUOTA] Account exceeded command or bandwidth limits. (Failure)"}},
	{row: "S4", protocol: "SMTP", later: true, reply: reply{Status: "421", Text: "4.3.2 The maximum number of concurrent connections has exceeded a limit, closing transmission channel"}},
	{row: "S4", protocol: "IMAP", later: true, reply: reply{Status: "BYE", Text: "Account exceeded command or bandwidth limits."}},
	{row: "S5", protocol: "POP3", later: true, reply: reply{Status: "-ERR", Text: "Connection is closed. 15"}},
	{row: "S5", protocol: "IMAP", later: true, reply: reply{Status: "BAD", Text: "Server Unavailable. 21"}},
	{row: "S13", protocol: "SMTP", later: true, reply: reply{Status: "452", Text: "4.5.3 Too many recipients (AS780090)"}},
	{row: "S5", protocol: "IMAP", reply: reply{Status: "NO", Text: "[UNAVAILABLE] Temporary authentication failure."}},
	{row: "S5", protocol: "POP3", reply: reply{Status: "-ERR", Text: "[IN-USE] mailbox is locked"}},
	{row: "S5", protocol: "SMTP", later: true, reply: reply{Status: "421", Text: "4.4.2 Connection dropped due to SocketError"}},
	{row: "S6", protocol: "IMAP", reply: reply{Status: "NO", Text: "[PRIVACYREQUIRED] Authentication not allowed until SSL/TLS is enabled."}},
	{row: "S6", protocol: "SMTP", later: true, reply: reply{Status: "530", Text: "5.7.0 Must issue a STARTTLS command first"}},
	{row: "S7", protocol: "IMAP", reply: reply{Status: "NO", Text: "[AUTHORIZATIONFAILED] not your mailbox"}},
	{row: "S8", protocol: "IMAP", document: "401", reply: reply{Status: "NO", Text: "[AUTHENTICATIONFAILED] Authentication failed."}},
	{row: "S8", protocol: "SMTP", document: "invalid_token", reply: reply{Status: "535", Text: "5.7.8 no"}},
	{row: "S9", protocol: "IMAP", later: true, reply: reply{Status: "NO", Text: "[AUTHENTICATIONFAILED] Invalid credentials (Failure)"}},
	{row: "S9", protocol: "IMAP", document: "400", reply: reply{Status: "NO", Text: "[AUTHENTICATIONFAILED] Invalid credentials (Failure)"}},
	{row: "S9", protocol: "SMTP", reply: reply{Status: "535", Text: "5.7.8 Username and Password not accepted. Learn more at 5.7.8 https://support.google.com/mail/?p=BadCredentials x - gsmtp"}},
	{row: "S9", protocol: "IMAP", reply: reply{Status: "NO", Text: "[AUTHENTICATIONFAILED] AUTHENTICATE Invalid credentials"}},
	{row: "S9", protocol: "POP3", reply: reply{Status: "-ERR", Text: "[AUTH] Authentication failed."}},
	{row: "S9", protocol: "SMTP", reply: reply{Status: "535", Text: "5.7.0 (#AUTH005) Too many bad auth attempts."}},
	{row: "S10", protocol: "SMTP", reply: reply{Status: "502", Text: "5.5.2 Error: command not recognized"}},
	{row: "S10", protocol: "IMAP", reply: reply{Status: "NO", Text: "[ALERT] Unsupported authentication mechanism."}},
	{row: "S10", protocol: "SMTP", reply: reply{Status: "535", Text: "5.7.8 Error: authentication failed: Invalid authentication mechanism"}},
	{row: "S11", protocol: "POP3", reply: reply{Status: "-ERR", Text: "[SYS/PERM] mailbox is corrupt"}},
	{row: "S12", protocol: "IMAP", reply: reply{Status: "BAD", Text: "Command Argument Error. 11"}},
	{row: "S12", protocol: "IMAP", reply: reply{Status: "BAD", Text: "Error in IMAP command received by server."}},
	{row: "S12", protocol: "SMTP", reply: reply{Status: "501", Text: "5.5.2 Cannot Decode response"}},
	{row: "S12", protocol: "POP3", reply: reply{Status: "-ERR", Text: "[AUTH] Invalid base64 data in initial response"}},
}
