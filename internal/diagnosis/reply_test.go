package diagnosis_test

import (
	"strings"
	"testing"
	"time"

	"github.com/xoauth2/go-xoauth2/internal/diagnosis"
)

func TestServerName(t *testing.T) {
	t.Parallel()
	const encoded = "UwBZAFgAUABSADAAMQBDAEEAMAAxADAAOQAuAGEAdQBzAHAAcgBkADAAMQAuAHAAcgBvAGQALgBvAHUAdABsAG8AbwBrAC4AYwBvAG0A"
	const name = "SYXPR01CA0109.ausprd01.prod.outlook.com"
	tests := map[string]string{
		"* OK The Microsoft Exchange IMAP4 service is ready. [" + encoded + "]":                          name,
		"The Microsoft Exchange POP3 service is ready. [" + encoded + "]":                                name,
		"220 ZR2P278CA0019.outlook.office365.com Microsoft ESMTP MAIL Service ready at Wed, 28 Sep 2022": "ZR2P278CA0019.outlook.office365.com",
		"smtp.gmail.com ESMTP x144sm11813878oif.23 - gsmtp":                                              "smtp.gmail.com",
		"* OK Gimap ready for requests from 192.0.2.1 c74mb246678438itb":                                 "",
		"* OK [CAPABILITY IMAP4rev1 SASL-IR] Dovecot ready.":                                             "",
		"[" + strings.Repeat("A", 400) + "]":                                                             "",
		"[AAAAAAAAAAAAAAAAAAAA]":                                                                         "",
		"":                                                                                               "",
	}
	for greeting, want := range tests {
		if got := diagnosis.ServerName(greeting); got != want {
			t.Errorf("ServerName(%q): got %q, want %q", greeting, got, want)
		}
	}
}

func TestTrace(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"Authentication unsuccessful [SGXP274CA0016.SGPP274.PROD.OUTLOOK.COM 2025-03-20T11:25:21.972Z 08DD66EDEFB0DFDF]": "SGXP274CA0016.SGPP274.PROD.OUTLOOK.COM 2025-03-20T11:25:21.972Z 08DD66EDEFB0DFDF",
		"Authentication unsuccessful [SN2PR00CA0018.namprd00.prod.outlook.com]":                                          "SN2PR00CA0018.namprd00.prod.outlook.com",
		"limit exceeded. [Hostname=OS0PR01MB6099.jpnprd01.prod.outlook.com]":                                             "OS0PR01MB6099.jpnprd01.prod.outlook.com",
		"message [BeginDiagnosticData]Cannot submit":                                                                     "",
		"": "",
	}
	for text, want := range tests {
		if got := diagnosis.Trace(text); got != want {
			t.Errorf("Trace(%q): got %q, want %q", text, got, want)
		}
	}
}

func TestBackoff(t *testing.T) {
	t.Parallel()
	tests := map[string]time.Duration{
		"Request is throttled. Suggested Backoff Time: 89117 milliseconds":         89117 * time.Millisecond,
		"Request is throttled. Suggested Backoff Time: 2999610 milliseconds":       5 * time.Minute,
		"Suggested Backoff Time: 999999999999 milliseconds":                        5 * time.Minute,
		"Suggested Backoff Time: 99999999999999999999 milliseconds":                0,
		"Suggested Backoff Time: -5 milliseconds; Suggested Backoff Time: minutes": 0,
		"Server Unavailable. 15": 0,
	}
	for text, want := range tests {
		f := diagnosis.Facts{Protocol: "IMAP", Reply: diagnosis.Reply{Status: "NO", Text: text}}
		if got := diagnosis.Explain(f).RetryAfter; got != want {
			t.Errorf("%q: got %v, want %v", text, got, want)
		}
	}
}

func TestParseReply(t *testing.T) {
	t.Parallel()
	tests := map[string]diagnosis.Reply{
		"A1 NO AUTHENTICATE failed.":             {Status: "NO", Text: "AUTHENTICATE failed."},
		"imap: BAD User is authenticated":        {Status: "BAD", Text: "User is authenticated"},
		"535 5.7.3 Authentication unsuccessful":  {Status: "535", Text: "5.7.3 Authentication unsuccessful"},
		"-ERR [AUTH] no":                         {Status: "-ERR", Text: "[AUTH] no"},
		"dial tcp: lookup outlook.office365.com": {Text: "dial tcp: lookup outlook.office365.com"},
		"2024 was a good year":                   {Text: "2024 was a good year"},
	}
	for text, want := range tests {
		if got := diagnosis.ParseReply(text); got != want {
			t.Errorf("ParseReply(%q): got %+v, want %+v", text, got, want)
		}
	}
}

func TestRedact(t *testing.T) {
	t.Parallel()
	token := "eyJ0eXAiOiJKV1QifQ." + strings.Repeat("Q0FOQVJZ", 20) + "." + strings.Repeat("c2ln", 20)
	got := diagnosis.Redact("500 unrecognized command:\r\n AUTH XOAUTH2 " + token + " [SN2PR00CA0018.namprd00.prod.outlook.com]")
	if strings.Contains(got, "Q0FOQVJZ") || strings.Contains(got, "c2lnc2ln") || strings.ContainsAny(got, "\r\n") {
		t.Errorf("got %q, want no token and one line", got)
	}
	const said = "554 5.2.0 STOREDRV.Submission.Exception:SendAsDeniedException.MapiExceptionSendAsDenied; Failed"
	if got := diagnosis.Redact(said); got != said {
		t.Errorf("got %q, want %q", got, said)
	}
	if got := diagnosis.Redact(strings.Repeat("no ", 1000)); len(got) > 300 {
		t.Errorf("got %d bytes, want about 256", len(got))
	}
}
