package main

import (
	"strings"
	"testing"

	"golang.org/x/oauth2"

	"github.com/xoauth2/go-xoauth2"
	"github.com/xoauth2/go-xoauth2/exchangetest"
)

func TestSend(t *testing.T) {
	if err := demonstrate(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestHalfAConfiguration(t *testing.T) {
	err := run(t.Context(), func(name string) string { return map[string]string{"XOAUTH2_MAILBOX": "a@contoso.com"}[name] })
	if err == nil || !strings.Contains(err.Error(), "XOAUTH2_TENANT, XOAUTH2_CLIENT_ID, XOAUTH2_CLIENT_SECRET") {
		t.Errorf("got %v, want the names of what is missing", err)
	}
}

// TestRefused makes sure that a refused login is an error, with whatever the
// server answers.
func TestRefused(t *testing.T) {
	for _, style := range []exchangetest.Style{exchangetest.Exchange, exchangetest.Gmail} {
		srv := exchangetest.NewServer()
		srv.SetStyle(style)
		srv.AddMailbox("alice@contoso.com")
		source := oauth2.StaticTokenSource(&oauth2.Token{AccessToken: "wrong"})
		err := send(t.Context(), srv.Addr(xoauth2.SMTP, true), srv.TLSConfig(), "alice@contoso.com", "alice@contoso.com", source)
		if err == nil || !strings.Contains(err.Error(), "535") {
			t.Errorf("style %v: got %v, want the refusal", style, err)
		}
		if n := len(srv.Messages("alice@contoso.com")); n != 0 {
			t.Errorf("style %v: %d messages arrived", style, n)
		}
		srv.Close()
	}
}
