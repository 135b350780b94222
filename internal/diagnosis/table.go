package diagnosis

import "slices"

// table is everything that this package knows, the particular rows before the
// general ones, since the first that matches is taken:
//
//	table_exchange.go  what Exchange Online's servers say
//	table_servers.go   what other mail servers say, and the standards' codes
//	table_entra.go     AADSTS numbers: the application; table_entra_user.go: the user
//	table_oauth.go     other token endpoints, and OAuth's own codes
//	table_local.go     what no server put into words
//
// Two more hold causes that several rows share: table_token.go those that a
// refused token's claims prove, table_advice.go those that nothing proves.
var table = slices.Concat(exchangeRows, serverRows, entraRows, entraUserRows, oauthRows, localRows)

// Table returns a copy of all rows, for the tests and the documentation.
func Table() []Row { return slices.Clone(table) }

// Where the facts come from.
const (
	refOAuth    = `Exchange documentation, "Authenticate an IMAP, POP or SMTP connection using OAuth"`
	refSMTPAuth = `Exchange documentation, "Enable or disable authenticated client SMTP submission (SMTP AUTH)"`
	refRBAC     = `Exchange documentation, "Role Based Access Control for Applications in Exchange Online"`
	refSendAs   = `Exchange documentation, "Manage permissions for recipients in Exchange Online"`
	refLimits   = `Microsoft 365 documentation, "Exchange Online limits"`
	refSending  = `Exchange documentation, "Improvements in SMTP authenticated submission client protocol"`
	refBasic    = `Exchange documentation, "Deprecation of Basic authentication in Exchange Online"`
	refPOPIMAP  = `Exchange documentation, "Enable or disable POP3 or IMAP4 access for a user in Exchange Online"`
	refPersonal = `Outlook.com help, "POP, IMAP, and SMTP settings for Outlook.com"`
	refClouds   = `Microsoft 365 documentation, "Microsoft 365 endpoints"`
	refNDR      = `Exchange documentation, "Email nondelivery reports and SMTP errors in Exchange Online"`
	refHVE      = `Exchange documentation, "Troubleshoot issues with High Volume Email for Microsoft 365"`
	refEntra    = `Microsoft Entra documentation, "Microsoft Entra authentication and authorization error codes"`
	refConsent  = `Microsoft Entra documentation, "Grant tenant-wide admin consent to an application"`
	refTokens   = `Microsoft Entra documentation, "Refresh tokens in the Microsoft identity platform"`
	refCerts    = `Microsoft Entra documentation, "Application authentication certificate credentials"`
	refFederate = `Microsoft Entra documentation, "Workload identity federation"`
	refRedirect = `Microsoft Entra documentation, "Redirect URI (reply URL) restrictions and limitations"`
	refGoogle   = `Google, "OAuth 2.0 Mechanism"`
	refGoogle2  = `Google, "Using OAuth 2.0 to Access Google APIs", section "Refresh token expiration"`
	refGmail    = `Gmail help, "Add Gmail to another email client"`
)
