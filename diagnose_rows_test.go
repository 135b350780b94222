package xoauth2_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-smtp"

	"github.com/xoauth2/go-xoauth2"
)

// The replies that AuthError wraps and that later commands return.
func imapReply(kind imap.StatusResponseType, code imap.ResponseCode, text string) error {
	return &imap.Error{Type: kind, Code: code, Text: text}
}

func smtpReply(code int, enhanced smtp.EnhancedCode, text string) error {
	return &smtp.SMTPError{Code: code, EnhancedCode: enhanced, Message: text}
}

func pop3Reply(code, text string) error { return &xoauth2.POP3Error{Code: code, Message: text} }

// refused returns the refusal of a login at Exchange, by ann@contoso.com.
func refused(proto xoauth2.Protocol, token xoauth2.TokenInfo, reply error) error {
	addr := map[xoauth2.Protocol]string{
		xoauth2.IMAP: "outlook.office365.com:993", xoauth2.POP3: "outlook.office365.com:995", xoauth2.SMTP: "smtp.office365.com:587",
	}[proto]
	return &xoauth2.AuthError{Protocol: proto, Addr: addr, Username: "ann@contoso.com", Token: token, Err: reply}
}

// Tokens in whose claims there is nothing wrong.
var (
	goodUser = xoauth2.TokenInfo{
		Audience: "https://outlook.office.com", TenantID: "T", AppID: "A", ObjectID: "U", Username: "ann@contoso.com", Length: 1500,
		Scopes: []string{"IMAP.AccessAsUser.All", "POP.AccessAsUser.All", "SMTP.Send"},
	}
	goodApp = xoauth2.TokenInfo{
		Audience: "https://outlook.office365.com", TenantID: "T", AppID: "A", ObjectID: "O", AppOnly: true, Length: 1500,
		Roles: []string{"IMAP.AccessAsApp", "POP.AccessAsApp", "SMTP.SendAsApp"},
	}
	opaque = xoauth2.TokenInfo{Opaque: true, Length: 1200}
)

// stamp is how Exchange's SMTP servers end their refusals.
const stamp = " [SN2PR00CA0018.namprd00.prod.outlook.com 2025-03-20T11:25:21.972Z 08DD66EDEFB0DFDF]"

// TestMailServerRows has every row of the mail servers in its own words.
func TestMailServerRows(t *testing.T) {
	t.Parallel()
	for _, tt := range mailServerRows {
		t.Run(tt.row, func(t *testing.T) {
			t.Parallel()
			checkDiagnosis(t, tt.err, tt.class, tt.first, tt.does)
		})
	}
}

var mailServerRows = []struct {
	row   string
	err   error
	class xoauth2.Class
	first string // words of the first cause
	does  string // words of its commands
}{
	{"M1", refused(xoauth2.IMAP, goodApp, imapReply("NO", "", "AUTHENTICATE failed.")), xoauth2.ClassConfiguration, "service principal", "New-ServicePrincipal -AppId 'A' -ObjectId 'O'"},
	{"M1 user", refused(xoauth2.IMAP, goodUser, imapReply("NO", "", "AUTHENTICATE failed.")), xoauth2.ClassConfiguration, "switched off", "-ImapEnabled $true"},
	{"M1 unknown", refused(xoauth2.IMAP, xoauth2.TokenInfo{}, imapReply("NO", "", "AUTHENTICATE failed.")), xoauth2.ClassConfiguration, "Microsoft Graph", ""},
	{"M2", imapReply("BAD", "", "User is authenticated but not connected."), xoauth2.ClassConfiguration, "may not open the mailbox", "Add-MailboxPermission -Identity '<mailbox>'"},
	{"M2 user", refused(xoauth2.IMAP, goodUser, imapReply("BAD", "", "User is authenticated but not connected.")), xoauth2.ClassConfiguration, "IMAP is switched off", "Set-CASMailbox -Identity 'ann@contoso.com' -ImapEnabled $true"},
	{"M2 app", refused(xoauth2.IMAP, goodApp, imapReply("BAD", "", "User is authenticated but not connected.")), xoauth2.ClassConfiguration, "no FullAccess", "Add-MailboxPermission -Identity 'ann@contoso.com' -User 'O' -AccessRights FullAccess"},
	{"M3", refused(xoauth2.SMTP, goodApp, smtpReply(535, smtp.EnhancedCode{5, 7, 3}, "Authentication unsuccessful"+stamp)), xoauth2.ClassConfiguration, "service principal", "New-ServicePrincipal"},
	{"M4 tenant", refused(xoauth2.SMTP, goodUser, smtpReply(535, smtp.EnhancedCode{5, 7, 139}, "Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant. Visit https://aka.ms/smtp_auth_disabled for more information."+stamp)), xoauth2.ClassConfiguration, "whole organization", "Set-TransportConfig -SmtpClientAuthenticationDisabled $false"},
	{"M4 mailbox", refused(xoauth2.SMTP, goodUser, smtpReply(535, smtp.EnhancedCode{5, 7, 139}, "Authentication unsuccessful, SmtpClientAuthentication is disabled for the Mailbox."+stamp)), xoauth2.ClassConfiguration, `for "ann@contoso.com"`, "Set-CASMailbox -Identity 'ann@contoso.com' -SmtpClientAuthenticationDisabled $false"},
	{"M5 defaults", refused(xoauth2.SMTP, goodUser, smtpReply(535, smtp.EnhancedCode{5, 7, 139}, "Authentication unsuccessful, user is locked by your organization's security defaults policy. Contact your administrator."+stamp)), xoauth2.ClassConfiguration, "security defaults", ""},
	{"M5 policy", refused(xoauth2.SMTP, goodUser, smtpReply(535, smtp.EnhancedCode{5, 7, 139}, "Authentication unsuccessful, the request did not meet the criteria to be authenticated successfully. Contact your administrator."+stamp)), xoauth2.ClassConfiguration, "policy of the organization", ""},
	{"M5 others", refused(xoauth2.SMTP, goodUser, smtpReply(535, smtp.EnhancedCode{5, 7, 139}, "Authentication unsuccessful."+stamp)), xoauth2.ClassConfiguration, "A policy blocks", ""},
	{"M5 after MAIL FROM", smtpReply(530, smtp.EnhancedCode{5, 7, 57}, "Client not authenticated to send mail. Error: 535 5.7.139 Authentication unsuccessful, account locked. Contact your administrator."), xoauth2.ClassConfiguration, "account is locked", ""},
	{"M6", refused(xoauth2.SMTP, goodUser, smtpReply(550, smtp.EnhancedCode{5, 7, 30}, "Basic authentication is not supported for Client Submission."+stamp)), xoauth2.ClassConfiguration, "password was sent", ""},
	{"M6 BasicAuthBlocked", refused(xoauth2.IMAP, goodUser, imapReply("NO", "", "BasicAuthBlocked-0001")), xoauth2.ClassConfiguration, "password was sent", ""},
	{"M6 LOGIN", refused(xoauth2.IMAP, xoauth2.TokenInfo{}, imapReply("NO", "", "LOGIN failed.")), xoauth2.ClassConfiguration, "password was sent", ""},
	{"M7", smtpReply(554, smtp.EnhancedCode{5, 2, 252}, "SendAsDenied; ann@contoso.com not allowed to send as bob@contoso.com; STOREDRV.Submission.Exception:SendAsDeniedException.MapiExceptionSendAsDenied"), xoauth2.ClassIdentity, `"ann@contoso.com" may not send as "bob@contoso.com"`, "Add-RecipientPermission -Identity 'bob@contoso.com' -Trustee 'ann@contoso.com' -AccessRights SendAs"},
	{"M7 5.7.60", smtpReply(550, smtp.EnhancedCode{5, 7, 60}, "SMTP; Client does not have permissions to send as this sender"), xoauth2.ClassIdentity, "may not send as", "'<From address>'"},
	{"M7 5.2.0", smtpReply(554, smtp.EnhancedCode{5, 2, 0}, "STOREDRV.Submission.Exception:SendAsDeniedException.MapiExceptionSendAsDenied; Failed"), xoauth2.ClassIdentity, "may not send as", ""},
	{"M8", smtpReply(430, smtp.EnhancedCode{4, 2, 0}, "STOREDRV; mailbox logon failure; STOREDRV.Submission.Exception:ConnectionFailedTransientException.MapiExceptionLogonFailed"), xoauth2.ClassConfiguration, "no FullAccess or Send As", "Add-RecipientPermission"},
	{"M9", smtpReply(432, smtp.EnhancedCode{4, 3, 2}, "Concurrent connections limit exceeded. Visit https://aka.ms/concurrent_sending for more information."), xoauth2.ClassThrottled, "three connections", ""},
	{"M9 threads", smtpReply(432, smtp.EnhancedCode{4, 3, 2}, "STOREDRV.ClientSubmit; sender thread limit exceeded"), xoauth2.ClassThrottled, "three connections", ""},
	{"M9 rate", smtpReply(421, smtp.EnhancedCode{4, 4, 2}, "Message submission rate for this client has exceeded the configured limit"), xoauth2.ClassThrottled, "30 messages of the mailbox", ""},
	{"M10", imapReply("NO", "", "Request is throttled. Suggested Backoff Time: 89117 milliseconds"), xoauth2.ClassThrottled, "oo many requests", ""},
	{"M10 unavailable", imapReply("BAD", "", "Server Unavailable. 15"), xoauth2.ClassThrottled, "oo many requests", ""},
	{"M11", imapReply("BYE", "", "Session invalidated - AccessTokenExpired"), xoauth2.ClassTemporary, "token ended", ""},
	{"M12", refused(xoauth2.POP3, xoauth2.TokenInfo{Opaque: true, Length: 4000}, pop3Reply("", "Protocol error. Connection is closed. 10")), xoauth2.ClassConfiguration, "too long", ""},
	{"M12 one line", refused(xoauth2.POP3, goodUser, pop3Reply("", "Protocol error. Connection is closed. 10")), xoauth2.ClassConfiguration, "line of its own", ""},
	{"M13", refused(xoauth2.POP3, goodApp, pop3Reply("", "Authentication failure: unknown user name or bad password.")), xoauth2.ClassConfiguration, "service principal", "Add-MailboxPermission"},
	{"M14", refused(xoauth2.SMTP, goodUser, smtpReply(504, smtp.EnhancedCode{5, 7, 4}, "Unrecognized authentication type"+stamp)), xoauth2.ClassConfiguration, "not offered", ""},
	{"M15", smtpReply(530, smtp.EnhancedCode{5, 7, 57}, "Client not authenticated to send mail."), xoauth2.ClassConfiguration, "AUTH was left out", ""},
	{"M15 550", smtpReply(550, smtp.EnhancedCode{5, 7, 57}, "Client not authenticated to send mail."), xoauth2.ClassConfiguration, "AUTH was left out", ""},
	{"M16", smtpReply(501, smtp.EnhancedCode{5, 5, 4}, "Invalid domain name"+stamp), xoauth2.ClassConfiguration, "name after EHLO", ""},
	{"M17", refused(xoauth2.SMTP, goodUser, smtpReply(500, smtp.EnhancedCode{5, 5, 2}, "Line too long")), xoauth2.ClassConfiguration, "in the AUTH line", ""},
	{"M17 555", refused(xoauth2.SMTP, opaque, smtpReply(555, smtp.EnhancedCode{5, 5, 2}, "Syntax error, goodbye. - gsmtp")), xoauth2.ClassConfiguration, "in the AUTH line", ""},
	{"M17 Postfix", refused(xoauth2.SMTP, goodUser, smtpReply(535, smtp.EnhancedCode{5, 7, 8}, "Error: authentication failed: Invalid base64 data in initial response")), xoauth2.ClassConfiguration, "in the AUTH line", ""},
	{"M18", smtpReply(554, smtp.EnhancedCode{5, 2, 0}, "STOREDRV.Submission.Exception:SubmissionQuotaExceededException; Failed to process message"), xoauth2.ClassThrottled, "recipients are used up", ""},
	{"M19", refused(xoauth2.SMTP, goodApp, smtpReply(501, smtp.EnhancedCode{5, 5, 127}, "Token will expire soon."+stamp)), xoauth2.ClassSignIn, "ten minutes", ""},
	{"M20", refused(xoauth2.SMTP, goodUser, smtpReply(501, smtp.EnhancedCode{5, 5, 124}, "Invalid XOAUTH2 auth data - User address provided is not valid.")), xoauth2.ClassConfiguration, "HVE account", ""},
	{"M21", smtpReply(550, smtp.EnhancedCode{5, 7, 708}, "Service unavailable. Access denied, traffic not accepted from this IP."), xoauth2.ClassConfiguration, "blocks sending", ""},
	{"M22", refused(xoauth2.SMTP, goodUser, smtpReply(550, smtp.EnhancedCode{5, 2, 1}, "Mailbox cannot be accessed"+stamp)), xoauth2.ClassConfiguration, "no licence", ""},
	{"M23", imapReply("BAD", "", "Command received in Invalid state."), xoauth2.ClassConfiguration, "nobody is logged in", ""},
	{"recipients", smtpReply(452, smtp.EnhancedCode{4, 5, 3}, "Too many recipients (AS780090)"), xoauth2.ClassTemporary, "more recipients", ""},
	{"Gmail by another client", imapReply("NO", "AUTHENTICATIONFAILED", "Invalid credentials (Failure)"), xoauth2.ClassConfiguration, "https://mail.google.com/", ""},
	{"Gmail traffic", imapReply("BYE", "", "Account exceeded command or bandwidth limits."), xoauth2.ClassThrottled, "too much traffic", ""},
	{"Yahoo locked", refused(xoauth2.SMTP, opaque, smtpReply(535, smtp.EnhancedCode{5, 7, 0}, "(#AUTH005) Too many bad auth attempts.")), xoauth2.ClassConfiguration, "for a while", ""},
	{"Gmail IMAP", gmailRefused(xoauth2.IMAP, imapReply("NO", "AUTHENTICATIONFAILED", "Invalid credentials (Failure)")), xoauth2.ClassConfiguration, "https://mail.google.com/", ""},
	{"Gmail SMTP", gmailRefused(xoauth2.SMTP, smtpReply(535, smtp.EnhancedCode{5, 7, 8}, "Username and Password not accepted. Learn more at\n https://support.google.com/mail/?p=BadCredentials x - gsmtp")), xoauth2.ClassConfiguration, "https://mail.google.com/", ""},
	{"Gmail connections", refused(xoauth2.IMAP, opaque, imapReply("NO", "ALERT", "Too many simultaneous connections. (Failure)")), xoauth2.ClassThrottled, "oo many connections", ""},
	{"Dovecot", refused(xoauth2.IMAP, opaque, imapReply("NO", "AUTHENTICATIONFAILED", "Authentication failed.")), xoauth2.ClassConfiguration, "lacks the server's mail scope", ""},
	{"Dovecot busy", refused(xoauth2.IMAP, opaque, imapReply("NO", "UNAVAILABLE", "Temporary authentication failure.")), xoauth2.ClassTemporary, "cannot just now", ""},
	{"Dovecot POP3 before TLS", refused(xoauth2.POP3, opaque, pop3Reply("AUTH", "Authentication not allowed until SSL/TLS is enabled.")), xoauth2.ClassConfiguration, "without TLS", ""},
	{"POP3 busy", refused(xoauth2.POP3, opaque, pop3Reply("SYS/TEMP", "try again")), xoauth2.ClassTemporary, "cannot just now", ""},
	{"POP3 too soon", refused(xoauth2.POP3, opaque, pop3Reply("LOGIN-DELAY", "minimum time between mail checks violation")), xoauth2.ClassThrottled, "oo many connections", ""},
	{"POP3 in use", refused(xoauth2.POP3, opaque, pop3Reply("IN-USE", "do you have another POP session running?")), xoauth2.ClassTemporary, "cannot just now", ""},
	{"SMTP 454", refused(xoauth2.SMTP, opaque, smtpReply(454, smtp.EnhancedCode{4, 7, 0}, "Temporary authentication failure: Connection lost to authentication server")), xoauth2.ClassTemporary, "cannot just now", ""},
	{"SMTP 421", smtpReply(421, smtp.EnhancedCode{4, 3, 2}, "Service not available"), xoauth2.ClassTemporary, "cannot just now", ""},
	{"damaged", refused(xoauth2.IMAP, goodUser, imapReply("BAD", "", "Command Argument Error. 11")), xoauth2.ClassConfiguration, "damaged", ""},
}

func gmailRefused(proto xoauth2.Protocol, reply error) error {
	return &xoauth2.AuthError{
		Protocol: proto, Addr: "imap.gmail.com:993", Username: "ann@gmail.com", Token: opaque, Err: reply,
		Server: &xoauth2.ServerError{Status: "400", Schemes: "Bearer", Scope: "https://mail.google.com/"},
	}
}

// checkDiagnosis checks the class and the first cause of an error, however it is
// wrapped.
func checkDiagnosis(t *testing.T, err error, class xoauth2.Class, first, command string) {
	t.Helper()
	for _, wrapped := range []error{err, fmt.Errorf("fetching: %w", err), errors.Join(io.ErrClosedPipe, fmt.Errorf("a: %w", err))} {
		d := xoauth2.Diagnose(wrapped)
		if len(d.Causes) == 0 {
			t.Fatalf("%v: no causes", wrapped)
		}
		got := d.Causes[0]
		if d.Class != class {
			t.Errorf("%v: got class %d, want %d", wrapped, d.Class, class)
		}
		if !strings.Contains(got.Problem, first) {
			t.Errorf("%v: got the first cause %q, want one with %q", wrapped, got.Problem, first)
		}
		if !strings.Contains(strings.Join(got.Commands, "\n"), command) {
			t.Errorf("%v: got the commands %q, want %q", wrapped, got.Commands, command)
		}
		if got.Remedy == "" || got.Reference == "" {
			t.Errorf("%v: %q has no remedy or reference", wrapped, got.Problem)
		}
	}
}

// TestEntraRows has every row of Entra's numbers, with the "error" that Entra
// gives with it. The class comes from that, so it differs where the "error"
// does.
func TestEntraRows(t *testing.T) {
	t.Parallel()
	for _, tt := range entraRows {
		for _, number := range tt.numbers {
			t.Run(fmt.Sprint(number), func(t *testing.T) {
				t.Parallel()
				checkDiagnosis(t, &xoauth2.TokenError{
					Code: tt.code, AADSTS: number, StatusCode: 400, Tenant: "contoso.com", ClientID: "C",
					RedirectURL: "http://localhost:8400", Thumbprint: "hUmBpRiNt",
				}, tt.class, tt.first, "")
			})
		}
	}
}

var entraRows = []struct {
	numbers []int
	code    string
	class   xoauth2.Class
	first   string
}{
	{[]int{65001, 90094, 90095}, "invalid_grant", xoauth2.ClassSignIn, "consent"},
	{[]int{65004}, "access_denied", xoauth2.ClassSignIn, "declined"},
	{[]int{70011, 28002}, "invalid_scope", xoauth2.ClassConfiguration, "scope"},
	{[]int{28000, 700022}, "invalid_request", xoauth2.ClassConfiguration, "two resources"},
	{[]int{28003}, "invalid_request", xoauth2.ClassConfiguration, "names no scope"},
	{[]int{1002012}, "invalid_scope", xoauth2.ClassConfiguration, "lient credentials with a named scope"},
	{[]int{9001023}, "invalid_request", xoauth2.ClassConfiguration, "authority"},
	{[]int{50194}, "invalid_request", xoauth2.ClassConfiguration, "one tenant only"},
	{[]int{901002}, "invalid_request", xoauth2.ClassConfiguration, `names a "resource"`},
	{[]int{9002331, 9002346}, "invalid_request", xoauth2.ClassConfiguration, "personal accounts only"},
	{[]int{9002332}, "invalid_request", xoauth2.ClassConfiguration, "work accounts only"},
	{[]int{700016}, "unauthorized_client", xoauth2.ClassConfiguration, "not in this tenant"},
	{[]int{90002, 90038, 900382, 900432}, "invalid_request", xoauth2.ClassConfiguration, "tenant is unknown"},
	{[]int{7000215}, "invalid_client", xoauth2.ClassConfiguration, "secret is wrong"},
	{[]int{7000222}, "invalid_client", xoauth2.ClassConfiguration, "secret has expired"},
	{[]int{7000218}, "invalid_client", xoauth2.ClassConfiguration, "sent no secret"},
	{[]int{700025}, "invalid_client", xoauth2.ClassConfiguration, "public client sent a secret"},
	{[]int{700027, 50012}, "invalid_client", xoauth2.ClassConfiguration, `"hUmBpRiNt"`},
	{[]int{700024}, "invalid_client", xoauth2.ClassConfiguration, "outside its time"},
	{[]int{70021, 700211, 700212, 700213}, "invalid_client", xoauth2.ClassConfiguration, "federated credential"},
	{[]int{50011, 900971, 500113}, "invalid_request", xoauth2.ClassConfiguration, `"http://localhost:8400"`},
	{[]int{50020, 500200, 500207, 500208, 16000}, "invalid_grant", xoauth2.ClassSignIn, "does not belong"},
	{[]int{50074, 50076, 50078, 50079}, "interaction_required", xoauth2.ClassSignIn, "ulti-factor"},
	{[]int{53000, 53003, 530032, 530034, 50097, 50158}, "interaction_required", xoauth2.ClassSignIn, "Conditional Access"},
	{[]int{50132, 50133, 50173}, "invalid_grant", xoauth2.ClassSignIn, "password was changed"},
	{[]int{70008, 700082}, "invalid_grant", xoauth2.ClassSignIn, "90 days"},
	{[]int{70043}, "invalid_grant", xoauth2.ClassSignIn, "sign-in frequency"},
	{[]int{700084}, "invalid_grant", xoauth2.ClassSignIn, "24 hours"},
	{[]int{54005}, "invalid_grant", xoauth2.ClassSignIn, "redeemed before"},
	{[]int{70000}, "invalid_grant", xoauth2.ClassSignIn, "not valid"},
	{[]int{900144}, "invalid_request", xoauth2.ClassConfiguration, "lacks a parameter"},
	{[]int{900561}, "invalid_request", xoauth2.ClassConfiguration, "GET came"},
	{[]int{9002313}, "invalid_request", xoauth2.ClassConfiguration, "malformed"},
	{[]int{50196}, "invalid_request", xoauth2.ClassConfiguration, "loop"},
	{[]int{500011, 650052, 650054}, "invalid_resource", xoauth2.ClassConfiguration, "does not have the resource"},
	{[]int{650056, 650057, 65006}, "invalid_resource", xoauth2.ClassConfiguration, "lacks the permission"},
	{[]int{500014}, "invalid_resource", xoauth2.ClassConfiguration, "is disabled"},
	{[]int{650053}, "invalid_scope", xoauth2.ClassConfiguration, "scope"},
	{[]int{65002}, "invalid_grant", xoauth2.ClassSignIn, "Microsoft's own"},
	{[]int{90027, 500201}, "invalid_request", xoauth2.ClassConfiguration, "old version 1.0"},
	{[]int{90023, 90013}, "invalid_request", xoauth2.ClassConfiguration, "does not take the request"},
	{[]int{9002325, 9002327}, "invalid_request", xoauth2.ClassConfiguration, "only a browser may fetch"},
	{[]int{9002326}, "invalid_request", xoauth2.ClassConfiguration, "browser's script"},
	{[]int{50155, 700003}, "interaction_required", xoauth2.ClassSignIn, "does not know the device"},
	{[]int{500021, 500213}, "access_denied", xoauth2.ClassSignIn, "tenant restriction"},
	{[]int{530003, 530004, 50131}, "interaction_required", xoauth2.ClassSignIn, "Conditional Access"},
	{[]int{530035}, "invalid_grant", xoauth2.ClassSignIn, "security defaults"},
	{[]int{123456789}, "invalid_grant", xoauth2.ClassSignIn, "AADSTS123456789"},
	{[]int{123456788}, "invalid_request", xoauth2.ClassConfiguration, "AADSTS123456788"},
	{[]int{501481}, "invalid_grant", xoauth2.ClassSignIn, "PKCE"},
	{[]int{70016}, "authorization_pending", xoauth2.ClassTemporary, "not entered"},
	{[]int{70018}, "bad_verification_code", xoauth2.ClassSignIn, "device code is wrong"},
	{[]int{70019}, "expired_token", xoauth2.ClassSignIn, "expired"},
	{[]int{50053, 50055, 50057}, "invalid_grant", xoauth2.ClassSignIn, "account"},
	{[]int{90055}, "temporarily_unavailable", xoauth2.ClassTemporary, "hrottled"},
	{[]int{50034, 51004}, "invalid_grant", xoauth2.ClassSignIn, "not in this tenant"},
	{[]int{0}, "invalid_grant", xoauth2.ClassSignIn, "grant has ended"},
}

// TestClassIgnoresNumbers gives every class of "error" a number of another.
func TestClassIgnoresNumbers(t *testing.T) {
	t.Parallel()
	tests := []struct {
		err  xoauth2.TokenError
		want xoauth2.Class
	}{
		{xoauth2.TokenError{Code: "invalid_grant", AADSTS: 7000215}, xoauth2.ClassSignIn},
		{xoauth2.TokenError{Code: "invalid_client", AADSTS: 50076}, xoauth2.ClassConfiguration},
		{xoauth2.TokenError{Code: "invalid_grant", AADSTS: 50173, StatusCode: 503}, xoauth2.ClassTemporary},
		{xoauth2.TokenError{Code: "invalid_client", AADSTS: 7000215, StatusCode: 429, RetryAfter: time.Minute}, xoauth2.ClassThrottled},
		{xoauth2.TokenError{Code: "invalid_request", SubError: "consent_required"}, xoauth2.ClassSignIn},
		{xoauth2.TokenError{Code: "invalid_grant", SubError: "client_mismatch"}, xoauth2.ClassConfiguration},
		{xoauth2.TokenError{StatusCode: 502}, xoauth2.ClassTemporary},
		{xoauth2.TokenError{StatusCode: 407}, xoauth2.ClassConfiguration},
		{xoauth2.TokenError{Code: "nonsense", StatusCode: 400}, xoauth2.ClassUnknown},
	}
	for _, tt := range tests {
		d := xoauth2.Diagnose(&tt.err)
		if d.Class != tt.want || d.RetryAfter != tt.err.RetryAfter {
			t.Errorf("%+v: got class %d, retry after %v, want class %d", tt.err, d.Class, d.RetryAfter, tt.want)
		}
	}
}

// TestGoogleRefusals has the words by which Google tells its refusals apart.
func TestGoogleRefusals(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		code, words string
		class       xoauth2.Class
		first       string
	}{
		{"invalid_grant", "Token has been expired or revoked.", xoauth2.ClassSignIn, `"Testing"`},
		{"invalid_grant", "Bad Request", xoauth2.ClassSignIn, "grant has ended"},
		{"INVALID_GRANT", "Invalid refresh token", xoauth2.ClassSignIn, "grant has ended"}, // Yahoo's
		{"invalid_grant", "Account has been deleted", xoauth2.ClassSignIn, "has been deleted"},
		{"invalid_grant", "reauth related error (invalid_rapt)", xoauth2.ClassSignIn, "session policy"},
		{"invalid_grant", "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe.", xoauth2.ClassSignIn, "clock is wrong"},
		{"unauthorized_client", "Client is unauthorized to retrieve access tokens using this method, or client not authorized for any of the scopes requested.", xoauth2.ClassConfiguration, "domain-wide delegation"},
		{"unauthorized_client", "Unauthorized", xoauth2.ClassConfiguration, "another application's"},
		{"invalid_request", "Missing required parameter: refresh_token", xoauth2.ClassConfiguration, "lacks a parameter"},
	} {
		checkDiagnosis(t, &xoauth2.TokenError{Code: tt.code, Description: tt.words, StatusCode: 400}, tt.class, tt.first, "")
	}
}

// TestScopeOfPersonalAccounts: the same number as other malformed requests.
func TestScopeOfPersonalAccounts(t *testing.T) {
	t.Parallel()
	checkDiagnosis(t, &xoauth2.TokenError{
		Code: "invalid_request", AADSTS: 90023, Description: "AADSTS90023: No applicable permissions were found for this user.",
	}, xoauth2.ClassConfiguration, "does not serve personal accounts", "")
}
