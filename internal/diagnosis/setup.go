package diagnosis

import (
	"slices"
	"strings"
)

// Setup is what an administrator's script is written for.
type Setup struct {
	ClientID   string
	Mailbox    string
	ConsentURL string // empty: there is none
	Cloud      string // -ExchangeEnvironmentName; empty: worldwide
	Protocols  []string
	AppOnly    bool // the application logs in by itself, without a user
}

// Script returns what an administrator does once, as a PowerShell script with
// comments: consent, service principal, permissions, protocol switches, and how
// to check them ("Authenticate an IMAP, POP or SMTP connection using OAuth").
func (s Setup) Script() string {
	blocks := [][]string{s.consent(), s.connect()}
	if s.AppOnly {
		blocks = append(blocks, s.servicePrincipal(), s.permissions())
	}
	blocks = append(blocks, s.switches(), s.verification())
	var script []string
	for _, block := range blocks {
		if len(block) > 0 {
			script = append(script, strings.Join(block, "\n"))
		}
	}
	return s.fill(strings.Join(script, "\n\n") + "\n")
}

func (s Setup) fill(script string) string {
	f := Facts{Username: s.Mailbox, Token: Token{AppID: s.ClientID}}
	lines := strings.Split(script, "\n")
	for i, line := range lines {
		lines[i] = fillCommand(line, &f)
	}
	return strings.Join(lines, "\n")
}

func (s Setup) uses(protocol string) bool { return slices.Contains(s.Protocols, protocol) }

func (s Setup) consent() []string {
	if s.ConsentURL == "" {
		return nil
	}
	return []string{"# Consent: open this page as an administrator of the tenant.", "# " + s.ConsentURL}
}

func (s Setup) connect() []string {
	line := "Connect-ExchangeOnline"
	if s.Cloud != "" {
		line += " -ExchangeEnvironmentName " + s.Cloud
	}
	return []string{"# Exchange Online PowerShell (Install-Module ExchangeOnlineManagement).", line}
}

func (s Setup) servicePrincipal() []string {
	return []string{
		"# The application, as Exchange knows it. The object id is that of the Enterprise",
		"# Application, not of the app registration (Install-Module Microsoft.Graph.Applications).",
		"Connect-MgGraph -Scopes Application.Read.All",
		"$appId = {appid}",
		"$objectId = (Get-MgServicePrincipalByAppId -AppId $appId).Id",
		"New-ServicePrincipal -AppId $appId -ObjectId $objectId",
	}
}

func (s Setup) permissions() []string {
	lines := []string{
		"# The mailbox, opened to the application.",
		"Add-MailboxPermission -Identity {mailbox} -User $objectId -AccessRights FullAccess",
	}
	if s.uses("SMTP") {
		lines = append(lines, "Add-RecipientPermission -Identity {mailbox} -Trustee $objectId -AccessRights SendAs -Confirm:$false")
	}
	return lines
}

func (s Setup) switches() []string {
	lines := []string{"# The protocols, switched on."}
	for _, protocol := range s.Protocols {
		lines = append(lines, "Set-CASMailbox -Identity {mailbox} "+protocolSwitches[protocol])
	}
	if s.uses("SMTP") {
		lines = append(lines,
			"# The mailbox's setting outranks the organization's; to switch SMTP AUTH on for all:",
			"# Set-TransportConfig -SmtpClientAuthenticationDisabled $false")
	}
	return lines
}

func (s Setup) verification() []string {
	lines := []string{
		"# To check; changes take up to half an hour.",
		"Get-CASMailbox -Identity {mailbox} | Format-List ImapEnabled,PopEnabled,SmtpClientAuthenticationDisabled",
	}
	if s.AppOnly {
		lines = append(lines,
			"Get-ServicePrincipal -Identity $objectId | Format-List DisplayName,AppId,ObjectId",
			"Get-MailboxPermission -Identity {mailbox} | Format-Table User,AccessRights")
	}
	if s.AppOnly && s.uses("SMTP") {
		lines = append(lines, "Get-RecipientPermission -Identity {mailbox} | Format-Table Trustee,AccessRights")
	}
	if s.uses("SMTP") {
		lines = append(lines, "Get-TransportConfig | Format-List SmtpClientAuthenticationDisabled")
	}
	return lines
}
