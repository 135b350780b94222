package xoauth2_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"golang.org/x/oauth2"

	"github.com/xoauth2/go-xoauth2"
)

func TestProviders(t *testing.T) {
	t.Parallel()
	microsoft := func(name, authority, mail, smtp, delegated, app, consent string) xoauth2.Provider {
		base := "https://" + authority + "/{tenant}"
		p := xoauth2.Provider{
			Name:         name,
			AuthURL:      base + "/oauth2/v2.0/authorize",
			TokenURL:     base + "/oauth2/v2.0/token",
			DeviceURL:    base + "/oauth2/v2.0/devicecode",
			IMAP:         xoauth2.Service{Addr: mail + ":993", Scope: "https://" + delegated + "/IMAP.AccessAsUser.All", SASLIR: true},
			POP3:         xoauth2.Service{Addr: mail + ":995", Scope: "https://" + delegated + "/POP.AccessAsUser.All"},
			SMTP:         xoauth2.Service{Addr: smtp + ":587", StartTLS: true, Scope: "https://" + delegated + "/SMTP.Send"},
			LongAuthLine: true,
		}
		if app != "" {
			p.ConsentURL = base + "/v2.0/adminconsent"
			p.IMAP.AppScope, p.POP3.AppScope, p.SMTP.AppScope = app, app, app
			p.IMAP.ConsentScope, p.POP3.ConsentScope, p.SMTP.ConsentScope = consent, consent, app
		}
		return p
	}
	tests := []struct{ got, want xoauth2.Provider }{
		{xoauth2.Exchange, microsoft("Exchange Online", "login.microsoftonline.com", "outlook.office365.com", "smtp.office365.com",
			"outlook.office.com", "https://outlook.office365.com/.default", "https://ps.outlook.com/.default")},
		{xoauth2.Outlook, microsoft("Outlook.com", "login.microsoftonline.com", "outlook.office365.com", "smtp-mail.outlook.com",
			"outlook.office.com", "", "")},
		{xoauth2.ExchangeGCCHigh, microsoft("Exchange Online GCC High", "login.microsoftonline.us", "outlook.office365.us", "smtp.office365.us",
			"outlook.office365.us", "https://outlook.office365.us/.default", "https://outlook.office365.us/.default")},
		{xoauth2.ExchangeDoD, microsoft("Exchange Online DoD", "login.microsoftonline.us", "outlook-dod.office365.us", "outlook-dod.office365.us",
			"outlook-dod.office365.us", "https://outlook-dod.office365.us/.default", "https://outlook-dod.office365.us/.default")},
		{xoauth2.ExchangeChina, microsoft("Exchange Online China", "login.partner.microsoftonline.cn", "partner.outlook.cn", "smtp.partner.outlook.cn",
			"partner.outlook.cn", "https://partner.outlook.cn/.default", "https://partner.outlook.cn/.default")},
		{xoauth2.Gmail, xoauth2.Provider{
			Name:     "Gmail",
			AuthURL:  "https://accounts.google.com/o/oauth2/v2/auth",
			TokenURL: "https://oauth2.googleapis.com/token",
			IMAP:     xoauth2.Service{Addr: "imap.gmail.com:993", Scope: "https://mail.google.com/", SASLIR: true},
			POP3:     xoauth2.Service{Addr: "pop.gmail.com:995", Scope: "https://mail.google.com/"},
			SMTP:     xoauth2.Service{Addr: "smtp.gmail.com:587", StartTLS: true, Scope: "https://mail.google.com/"},
		}},
		{xoauth2.Yahoo, xoauth2.Provider{
			Name:     "Yahoo",
			AuthURL:  "https://api.login.yahoo.com/oauth2/request_auth",
			TokenURL: "https://api.login.yahoo.com/oauth2/get_token",
			IMAP:     xoauth2.Service{Addr: "imap.mail.yahoo.com:993", Scope: "mail-w"},
			POP3:     xoauth2.Service{Addr: "pop.mail.yahoo.com:995", Scope: "mail-w"},
			SMTP:     xoauth2.Service{Addr: "smtp.mail.yahoo.com:465", Scope: "mail-w"},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.want.Name, func(t *testing.T) {
			t.Parallel()
			if tt.got != tt.want {
				t.Errorf("got  %+v\nwant %+v", tt.got, tt.want)
			}
		})
	}
}

func TestProtocol(t *testing.T) {
	t.Parallel()
	for proto, want := range map[xoauth2.Protocol]string{xoauth2.IMAP: "IMAP", xoauth2.POP3: "POP3", xoauth2.SMTP: "SMTP", 9: "Protocol(9)"} {
		if got := proto.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	p := xoauth2.Exchange
	for proto, want := range map[xoauth2.Protocol]xoauth2.Service{xoauth2.IMAP: p.IMAP, xoauth2.POP3: p.POP3, xoauth2.SMTP: p.SMTP, 0: {}} {
		if got := p.Service(proto); got != want {
			t.Errorf("%v: got %+v, want %+v", proto, got, want)
		}
	}
}

func TestScopes(t *testing.T) {
	t.Parallel()
	const outlook = "https://outlook.office.com/"
	tests := []struct {
		name      string
		provider  xoauth2.Provider
		protocols []xoauth2.Protocol
		want      string
	}{
		{"all", xoauth2.Exchange, nil, outlook + "IMAP.AccessAsUser.All " + outlook + "POP.AccessAsUser.All " + outlook + "SMTP.Send openid profile email offline_access"},
		{"one", xoauth2.Exchange, []xoauth2.Protocol{xoauth2.SMTP}, outlook + "SMTP.Send openid profile email offline_access"},
		{"in order, once", xoauth2.Exchange, []xoauth2.Protocol{xoauth2.POP3, xoauth2.IMAP, xoauth2.POP3}, outlook + "POP.AccessAsUser.All " + outlook + "IMAP.AccessAsUser.All openid profile email offline_access"},
		{"Gmail", xoauth2.Gmail, nil, "https://mail.google.com/ openid profile email"},
		{"Yahoo", xoauth2.Yahoo, []xoauth2.Protocol{xoauth2.IMAP}, "mail-w openid profile email"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := tt.provider.Scopes(tt.protocols...); !slices.Equal(got, strings.Fields(tt.want)) {
				t.Errorf("got  %q\nwant %q", got, strings.Fields(tt.want))
			}
		})
	}
}

func TestEndpoint(t *testing.T) {
	t.Parallel()
	tests := []struct {
		provider     xoauth2.Provider
		tenant, want string
	}{
		{xoauth2.Exchange, "contoso.onmicrosoft.com", "https://login.microsoftonline.com/contoso.onmicrosoft.com/oauth2/v2.0/token"},
		{xoauth2.Exchange, "", "https://login.microsoftonline.com/common/oauth2/v2.0/token"},
		{xoauth2.Outlook, "", "https://login.microsoftonline.com/consumers/oauth2/v2.0/token"},
		{xoauth2.Exchange, "a/b?c", "https://login.microsoftonline.com/a%2Fb%3Fc/oauth2/v2.0/token"},
		{xoauth2.Gmail, "ignored", "https://oauth2.googleapis.com/token"},
	}
	for _, tt := range tests {
		got := tt.provider.Endpoint(tt.tenant)
		if got.TokenURL != tt.want || got.AuthStyle != oauth2.AuthStyleInParams {
			t.Errorf("tenant %q: got %+v, want token URL %q, parameters in the body", tt.tenant, got, tt.want)
		}
	}
	if got, want := xoauth2.Exchange.Endpoint("t").DeviceAuthURL, "https://login.microsoftonline.com/t/oauth2/v2.0/devicecode"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAdminConsentURL(t *testing.T) {
	t.Parallel()
	const redirect = "https://app.contoso.test/consent?x=1&y=2"
	tests := []struct {
		name      string
		provider  xoauth2.Provider
		tenant    string
		protocols []xoauth2.Protocol
		path      string
		scope     string
		err       string
	}{
		{"IMAP", xoauth2.Exchange, "contoso.test", []xoauth2.Protocol{xoauth2.IMAP}, "login.microsoftonline.com/contoso.test/v2.0/adminconsent", "https://ps.outlook.com/.default", ""},
		{"POP3", xoauth2.Exchange, "organizations", []xoauth2.Protocol{xoauth2.POP3}, "login.microsoftonline.com/organizations/v2.0/adminconsent", "https://ps.outlook.com/.default", ""},
		{"SMTP", xoauth2.Exchange, "contoso.test", []xoauth2.Protocol{xoauth2.SMTP}, "login.microsoftonline.com/contoso.test/v2.0/adminconsent", "https://outlook.office365.com/.default", ""},
		{"all", xoauth2.Exchange, "contoso.test", nil, "login.microsoftonline.com/contoso.test/v2.0/adminconsent", "https://ps.outlook.com/.default https://outlook.office365.com/.default", ""},
		{"China", xoauth2.ExchangeChina, "t", nil, "login.partner.microsoftonline.cn/t/v2.0/adminconsent", "https://partner.outlook.cn/.default", ""},
		{"no tenant", xoauth2.Exchange, "", nil, "", "", "no tenant"},
		{"common", xoauth2.Exchange, "Common", nil, "", "", `tenant "Common" has no administrator`},
		{"consumers", xoauth2.Exchange, "consumers", nil, "", "", `tenant "consumers"`},
		{"personal accounts", xoauth2.Outlook, "t", nil, "", "", "Outlook.com has no admin-consent page"},
		{"Gmail", xoauth2.Gmail, "t", nil, "", "", "Gmail has no admin-consent page"},
		{"unknown protocol", xoauth2.Exchange, "t", []xoauth2.Protocol{7}, "", "", "no consent scope for Protocol(7)"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			raw, err := tt.provider.AdminConsentURL(tt.tenant, "client", redirect, "s&t", tt.protocols...)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Fatalf("got %q, %v, want error %q", raw, err, tt.err)
				}
				return
			}
			u, parseErr := url.Parse(raw)
			if err != nil || parseErr != nil {
				t.Fatalf("got %v, %v", err, parseErr)
			}
			want := url.Values{"client_id": {"client"}, "redirect_uri": {redirect}, "state": {"s&t"}, "scope": {tt.scope}}
			if u.Scheme != "https" || u.Host+u.Path != tt.path || u.Query().Encode() != want.Encode() {
				t.Errorf("got  %s\nwant https://%s?%s", raw, tt.path, want.Encode())
			}
		})
	}
	for _, missing := range [][2]string{{"", redirect}, {"client", ""}} {
		if raw, err := xoauth2.Exchange.AdminConsentURL("t", missing[0], missing[1], "s"); err == nil {
			t.Errorf("client id %q, redirect URL %q: got %q, want an error", missing[0], missing[1], raw)
		}
	}
}
