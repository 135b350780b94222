package diagnosis_test

import (
	"strings"
	"testing"

	"github.com/xoauth2/go-xoauth2/internal/diagnosis"
)

func TestSetupScript(t *testing.T) {
	t.Parallel()
	setup := diagnosis.Setup{
		ClientID: "A", Mailbox: "o'neil@contoso.com", ConsentURL: "https://login.microsoftonline.com/T/adminconsent?client_id=A",
		Protocols: []string{"IMAP", "POP3", "SMTP"}, AppOnly: true,
	}
	script := setup.Script()
	for _, want := range []string{
		"# https://login.microsoftonline.com/T/adminconsent?client_id=A\n",
		"$appId = 'A'\n",
		"New-ServicePrincipal -AppId $appId -ObjectId $objectId\n",
		"Add-MailboxPermission -Identity 'o''neil@contoso.com' -User $objectId -AccessRights FullAccess\n",
		"Add-RecipientPermission -Identity 'o''neil@contoso.com' -Trustee $objectId -AccessRights SendAs -Confirm:$false\n",
		"Set-CASMailbox -Identity 'o''neil@contoso.com' -ImapEnabled $true\n",
		"Set-CASMailbox -Identity 'o''neil@contoso.com' -PopEnabled $true\n",
		"Set-CASMailbox -Identity 'o''neil@contoso.com' -SmtpClientAuthenticationDisabled $false\n",
		"Set-TransportConfig -SmtpClientAuthenticationDisabled $false\n",
		"Get-ServicePrincipal ", "Get-MailboxPermission ", "Get-CASMailbox ", "Get-TransportConfig ",
	} {
		if !strings.Contains(script, want) {
			t.Errorf("the script lacks %q:\n%s", want, script)
		}
	}
	user := diagnosis.Setup{ClientID: "A", Mailbox: "ann@contoso.com", Protocols: []string{"IMAP"}, Cloud: "O365China"}.Script()
	if strings.Contains(user, "ServicePrincipal") || strings.Contains(user, "Permission") || strings.Contains(user, "SMTP") || !strings.Contains(user, "-ExchangeEnvironmentName O365China\n") {
		t.Errorf("got for a user's IMAP:\n%s", user)
	}
}

// TestSetupScriptIsSafe: a hostile mailbox name leaves every line one command.
func TestSetupScriptIsSafe(t *testing.T) {
	t.Parallel()
	plain := diagnosis.Setup{Mailbox: "ann@contoso.com", ClientID: "A", Protocols: []string{"IMAP", "SMTP"}, AppOnly: true}
	lines := strings.Count(plain.Script(), "\n")
	for _, name := range hostileMailboxes {
		hostile := plain
		hostile.Mailbox, hostile.ClientID = name, name
		script := hostile.Script()
		if got := strings.Count(script, "\n"); got != lines {
			t.Errorf("%q: got %d lines, want %d", name, got, lines)
		}
		for line := range strings.Lines(script) {
			if rest, found := strings.CutPrefix(line, "Add-MailboxPermission -Identity "); found {
				got, after := parseQuoted(t, rest)
				if (got != name && got != "<mailbox>") || after != " -User $objectId -AccessRights FullAccess\n" {
					t.Errorf("%q: PowerShell reads %q and %q", name, got, after)
				}
			}
		}
	}
}
