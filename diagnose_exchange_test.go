package xoauth2_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/xoauth2/go-xoauth2"
	"github.com/xoauth2/go-xoauth2/exchangetest"
)

const mailboxUser = "ann@contoso.com"

// verdict is what a scripted failure must be diagnosed as.
type verdict struct {
	class   xoauth2.Class
	certain bool
	first   string // words of the first cause; empty: no causes
}

// verdicts has one for every scenario of exchangetest, as an application sees it
// that reads mail and sends a message.
var verdicts = map[string]verdict{
	"graph-token":               {xoauth2.ClassConfiguration, true, "for Microsoft Graph"},
	"consent-scope-token":       {xoauth2.ClassConfiguration, true, "admin-consent page"},
	"other-cloud-token":         {xoauth2.ClassConfiguration, true, "but the server is in"},
	"missing-permission":        {xoauth2.ClassConfiguration, false, "role"},
	"expired-token":             {xoauth2.ClassSignIn, true, "The token ended at"},
	"forged-token":              {xoauth2.ClassConfiguration, false, "service principal"},
	"service-principal-missing": {xoauth2.ClassConfiguration, false, "service principal"},
	"no-full-access":            {xoauth2.ClassConfiguration, false, "service principal"},
	"imap-disabled":             {xoauth2.ClassConfiguration, false, "service principal"},
	"pop3-disabled":             {xoauth2.ClassConfiguration, false, "service principal"},
	"not-propagated":            {xoauth2.ClassConfiguration, false, "service principal"},
	"pop3-long-token":           {xoauth2.ClassConfiguration, false, "too long for this POP3 server"},
	"imap-throttled":            {xoauth2.ClassThrottled, false, "Too many requests"},
	"imap-unavailable":          {xoauth2.ClassThrottled, false, "Too many requests"},

	"smtp-disabled-tenant":    {xoauth2.ClassConfiguration, false, "whole organization"},
	"smtp-disabled-mailbox":   {xoauth2.ClassConfiguration, false, "switched off for"},
	"smtp-security-defaults":  {xoauth2.ClassConfiguration, false, "security defaults"},
	"smtp-conditional-access": {xoauth2.ClassConfiguration, false, "policy of the organization"},
	"smtp-basic-auth":         {xoauth2.ClassConfiguration, false, "password was sent"},
	"smtp-mechanism":          {xoauth2.ClassConfiguration, false, "not offered"},
	"smtp-login-forgotten":    {xoauth2.ClassConfiguration, false, "AUTH was left out"},
	"smtp-hello":              {xoauth2.ClassConfiguration, false, "name after EHLO"},
	"smtp-long-line":          {xoauth2.ClassConfiguration, false, "in the AUTH line"},
	"smtp-token-life":         {xoauth2.ClassSignIn, false, "ten minutes"},
	"send-as-denied":          {xoauth2.ClassIdentity, false, "may not send as"},
	"sender-refused":          {xoauth2.ClassIdentity, false, "may not send as"},
	"smtp-mailbox-logon":      {xoauth2.ClassConfiguration, false, "no FullAccess or Send As"},
	"smtp-connections":        {xoauth2.ClassThrottled, false, "three connections"},
	"smtp-threads":            {xoauth2.ClassThrottled, false, "three connections"},
	"smtp-quota":              {xoauth2.ClassThrottled, false, "recipients are used up"},

	"not-connected":           {xoauth2.ClassConfiguration, false, "no FullAccess"},
	"session-invalidated":     {xoauth2.ClassTemporary, false, "token ended during the session"},
	"imap-throttled-commands": {xoauth2.ClassThrottled, false, "Too many requests"},

	"dropped-at-once":        {xoauth2.ClassTemporary, false, "closed the connection"},
	"dropped-in-greeting":    {xoauth2.ClassTemporary, false, "closed the connection"},
	"dropped-after-greeting": {xoauth2.ClassTemporary, false, "closed the connection"},
	"dropped-during-login":   {xoauth2.ClassTemporary, false, "closed the connection"},
	"greeting-stalled":       {xoauth2.ClassTemporary, false, "No answer in time"},
	"starttls-missing":       {xoauth2.ClassConfiguration, false, "removes TLS"},
	"starttls-smuggling":     {xoauth2.ClassConfiguration, false, "removes TLS"},
	"foreign-certificate":    {xoauth2.ClassConfiguration, false, "certificate is not one of"},
	"expired-certificate":    {xoauth2.ClassConfiguration, false, "clock says otherwise"},
	"untrusted-certificate":  {xoauth2.ClassConfiguration, false, "does not trust"},
	"imap-preauth":           {xoauth2.ClassConfiguration, false, "login that nobody made"},

	"token-throttled":   {xoauth2.ClassThrottled, false, "Throttled"},
	"token-unavailable": {xoauth2.ClassTemporary, false, "Throttled"},
	"token-intercepted": {xoauth2.ClassConfiguration, false, "not the endpoint's"},
	"token-redirected":  {xoauth2.ClassConfiguration, false, "not the endpoint's"},
	"token-stalled":     {xoauth2.ClassTemporary, false, "No answer in time"},
	"token-dropped":     {xoauth2.ClassTemporary, false, "closed the connection"},
	"token-cut":         {xoauth2.ClassTemporary, false, "closed the connection"},
	"token-inflated":    {xoauth2.ClassUnknown, false, ""},
	"clock-behind":      {xoauth2.ClassConfiguration, false, ""},
	"clock-ahead":       {xoauth2.ClassConfiguration, false, ""},

	"aadsts-65001":   {xoauth2.ClassSignIn, false, "Nobody has consented"},
	"aadsts-70011":   {xoauth2.ClassConfiguration, false, "scope"},
	"aadsts-1002012": {xoauth2.ClassConfiguration, false, "named scope"},
	"aadsts-9001023": {xoauth2.ClassConfiguration, false, "authority"},
	"aadsts-700016":  {xoauth2.ClassConfiguration, false, "not in this tenant"},
	"aadsts-90002":   {xoauth2.ClassConfiguration, false, "tenant is unknown"},
	"aadsts-7000215": {xoauth2.ClassConfiguration, false, "secret is wrong"},
	"aadsts-7000222": {xoauth2.ClassConfiguration, false, "secret has expired"},
	"aadsts-7000218": {xoauth2.ClassConfiguration, false, "sent no secret"},
	"aadsts-700025":  {xoauth2.ClassConfiguration, false, "public client sent a secret"},
	"aadsts-700027":  {xoauth2.ClassConfiguration, false, "thumbprint"},
	"aadsts-700024":  {xoauth2.ClassConfiguration, false, "outside its time"},
	"aadsts-70021":   {xoauth2.ClassConfiguration, false, "federated credential"},
	"aadsts-50011":   {xoauth2.ClassConfiguration, false, "redirect URI"},
	"aadsts-50020":   {xoauth2.ClassSignIn, false, "does not belong"},
	"aadsts-50076":   {xoauth2.ClassSignIn, false, "ulti-factor"},
	"aadsts-53003":   {xoauth2.ClassSignIn, false, "Conditional Access"},
	"aadsts-50173":   {xoauth2.ClassSignIn, false, "sessions were revoked"},
	"aadsts-700082":  {xoauth2.ClassSignIn, false, "90 days"},
	"aadsts-54005":   {xoauth2.ClassSignIn, false, "redeemed before"},
	"aadsts-900144":  {xoauth2.ClassConfiguration, false, "lacks a parameter"},
	"aadsts-900561":  {xoauth2.ClassConfiguration, false, "GET came"},
	"aadsts-9002313": {xoauth2.ClassConfiguration, false, "malformed"},
	"aadsts-50196":   {xoauth2.ClassSignIn, false, "loop"}, // by its "error"
	"aadsts-500011":  {xoauth2.ClassConfiguration, false, "does not have the resource"},
	"aadsts-501481":  {xoauth2.ClassSignIn, false, "PKCE"},
	"aadsts-70019":   {xoauth2.ClassSignIn, false, "expired"},
	"aadsts-50053":   {xoauth2.ClassSignIn, false, "locked"},
	"aadsts-50034":   {xoauth2.ClassSignIn, false, "not in this tenant"},
}

// TestScenarios goes through every scripted failure with the real dialers, on
// every protocol that it concerns.
func TestScenarios(t *testing.T) {
	t.Parallel()
	for _, scenario := range exchangetest.Scenarios() {
		want, known := verdicts[scenario.Name]
		if !known {
			t.Errorf("scenario %s has no verdict", scenario.Name)
			continue
		}
		protocols := scenario.Protocols
		if protocols == nil {
			protocols = []xoauth2.Protocol{xoauth2.IMAP}
		}
		for _, proto := range protocols {
			t.Run(fmt.Sprint(scenario.Name, "/", proto), func(t *testing.T) {
				t.Parallel()
				srv := exchangetest.NewServer()
				defer srv.Close()
				srv.AddMailbox(mailboxUser, []byte("Subject: x\r\n\r\nx\r\n"))
				app := srv.App(nil)
				scenario.Start(srv)
				patience := 8 * time.Second
				if strings.HasSuffix(scenario.Name, "-stalled") {
					patience = 2 * time.Second
				}
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				err := useMail(ctx, srv, proto, app)
				checkVerdict(t, scenario.Name, err, want)
				checkSecrets(t, srv, err)
			})
		}
	}
}

// useMail logs in, and looks into the mailbox or sends a message.
func useMail(ctx context.Context, srv *exchangetest.Server, proto xoauth2.Protocol, app *xoauth2.App) error {
	opts := srv.DialOptions()
	opts.VerifyMailbox = true
	ts := app.ClientCredentials()
	switch proto {
	case xoauth2.IMAP:
		c, err := xoauth2.DialIMAP(ctx, mailboxUser, ts, opts)
		if err != nil {
			return err
		}
		defer c.Close()
		_, err = c.Select("INBOX", nil).Wait()
		return err
	case xoauth2.POP3:
		c, err := xoauth2.DialPOP3(ctx, mailboxUser, ts, opts)
		if err != nil {
			return err
		}
		defer c.Close()
		_, _, err = c.Stat()
		return err
	}
	c, err := xoauth2.DialSMTP(ctx, mailboxUser, ts, opts)
	if err != nil {
		return err
	}
	defer c.Close()
	return send(c)
}

func send(c *smtp.Client) error {
	if err := c.Mail(mailboxUser, nil); err != nil {
		return err
	}
	if err := c.Rcpt(mailboxUser, nil); err != nil {
		return err
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write([]byte("From: ann@contoso.com\r\n\r\nx\r\n")); err != nil {
		return err
	}
	return w.Close()
}

func checkVerdict(t *testing.T, name string, err error, want verdict) {
	t.Helper()
	lasting := []string{"clock-behind", "clock-ahead"} // a secret has no time: nothing fails
	if err == nil {
		if !slices.Contains(lasting, name) {
			t.Error("nothing failed")
		}
		return
	}
	d := xoauth2.Diagnose(err)
	if d.Class != want.class {
		t.Errorf("%v: got class %d, want %d", err, d.Class, want.class)
	}
	if len(d.Causes) == 0 {
		if want.first != "" {
			t.Errorf("%v: no causes, want one with %q", err, want.first)
		}
		return
	}
	got := d.Causes[0]
	if got.Certain != want.certain || !strings.Contains(got.Problem, want.first) {
		t.Errorf("%v:\ngot %q (certain: %t), want %q (certain: %t)", err, got.Problem, got.Certain, want.first, want.certain)
	}
}

// checkSecrets fails if an error or its diagnosis shows anything secret.
func checkSecrets(t *testing.T, srv *exchangetest.Server, err error) {
	t.Helper()
	if err == nil {
		return
	}
	shown := fmt.Sprintf("%v %+v %#v %+v", err, err, err, *xoauth2.Diagnose(err))
	for _, secret := range srv.Secrets() {
		if strings.Contains(shown, secret) {
			t.Errorf("%.200s… shows a secret", shown)
		}
	}
}
