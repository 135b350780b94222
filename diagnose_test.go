package xoauth2_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"os"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"golang.org/x/oauth2"

	"github.com/xoauth2/go-xoauth2"
)

// unsigned returns a token with the claims, as far as InspectToken cares.
func unsigned(claims string) string {
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"typ":"JWT"}`)) + "." + encode([]byte(claims)) + "." + encode([]byte(canary))
}

func TestInspectToken(t *testing.T) {
	t.Parallel()
	token := unsigned(`{"aud":"https://outlook.office.com","tid":"T","appid":"A","oid":"O","upn":"ann@contoso.com","scp":"SMTP.Send","exp":1700000000}`)
	want := xoauth2.TokenInfo{
		Audience: "https://outlook.office.com", TenantID: "T", AppID: "A", ObjectID: "O", Username: "ann@contoso.com",
		Scopes: []string{"SMTP.Send"}, Expiry: time.Unix(1700000000, 0), Length: len(token),
	}
	if got := xoauth2.InspectToken(token); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got, want := xoauth2.InspectToken("EwB"), (xoauth2.TokenInfo{Opaque: true, Length: 3}); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestDiagnoseNil(t *testing.T) {
	t.Parallel()
	if d := xoauth2.Diagnose(nil); d != nil {
		t.Errorf("got %+v, want nil", d)
	}
}

// TestDiagnoseGuessesNothing has errors that the table does not know.
func TestDiagnoseGuessesNothing(t *testing.T) {
	t.Parallel()
	for _, err := range []error{
		errors.New("something else"),
		context.Canceled,
		fmt.Errorf("dial: %w", context.Canceled),
		os.ErrPermission,
		xoauth2.ErrNotFound,
		imapReply("NO", "NONEXISTENT", "Mailbox does not exist"),
		imapReply("OK", "", "done"),
		smtpReply(550, smtp.EnhancedCode{5, 1, 1}, "User unknown"),
		pop3Reply("", "no such message"),
		&xoauth2.TokenError{Code: "nonsense"},
		&xoauth2.TokenError{},
		&xoauth2.AuthError{},
		refused(xoauth2.IMAP, opaque, imapReply("NO", "", "gargle")),
		refused(xoauth2.SMTP, goodUser, smtpReply(599, smtp.EnhancedCode{}, "gargle")),
		refused(xoauth2.POP3, goodApp, nil),
	} {
		if d := xoauth2.Diagnose(err); d == nil || d.Class != xoauth2.ClassUnknown || len(d.Causes) != 0 || d.RetryAfter != 0 {
			t.Errorf("%v: got %+v, want an empty diagnosis", err, d)
		}
	}
}

// TestClaimsProveWithoutWords: an unknown reply leaves what the claims prove.
func TestClaimsProveWithoutWords(t *testing.T) {
	t.Parallel()
	graph := goodUser
	graph.Audience = "https://graph.microsoft.com"
	d := xoauth2.Diagnose(refused(xoauth2.IMAP, graph, imapReply("NO", "", "gargle")))
	if len(d.Causes) != 1 || !d.Causes[0].Certain || d.Class != xoauth2.ClassConfiguration {
		t.Errorf("got %+v, want the one cause that is certain", d)
	}
}

// plaintextSMTP returns a client without TLS.
func plaintextSMTP() *smtp.Client {
	client, server := net.Pipe()
	server.Close()
	return smtp.NewClient(client)
}

func TestDiagnoseLocal(t *testing.T) {
	t.Parallel()
	cert := &x509.Certificate{Issuer: pkix.Name{CommonName: "Contoso Proxy"}, NotAfter: time.Unix(1, 0)}
	dial := func(err error) error { return &net.OpError{Op: "dial", Net: "tcp", Err: err} }
	tests := []struct {
		name  string
		err   error
		class xoauth2.Class
		first string
	}{
		{"no such host", dial(&net.DNSError{Name: "imap.contoso.test", IsNotFound: true}), xoauth2.ClassConfiguration, `"imap.contoso.test"`},
		{"DNS down", dial(&net.DNSError{Name: "imap.contoso.test", IsTemporary: true, Err: "server misbehaving"}), xoauth2.ClassTemporary, "DNS does not answer"},
		{"refused port", dial(os.NewSyscallError("connect", syscall.ECONNREFUSED)), xoauth2.ClassTemporary, "othing listens"},
		{"no route", dial(os.NewSyscallError("connect", syscall.EHOSTUNREACH)), xoauth2.ClassTemporary, "othing listens"},
		{"refused port, on Windows", dial(os.NewSyscallError("connectex", syscall.Errno(10061))), xoauth2.ClassTemporary, "othing listens"},
		{"reset, on Windows", dial(os.NewSyscallError("wsarecv", syscall.Errno(10054))), xoauth2.ClassTemporary, "closed the connection"},
		{"timeout", dial(os.ErrDeadlineExceeded), xoauth2.ClassTemporary, "No answer in time"},
		{"context's deadline", context.DeadlineExceeded, xoauth2.ClassTemporary, "No answer in time"},
		{"reset", dial(os.NewSyscallError("read", syscall.ECONNRESET)), xoauth2.ClassTemporary, "closed the connection"},
		{"EOF", io.ErrUnexpectedEOF, xoauth2.ClassTemporary, "closed the connection"},
		{"TLS name", &tls.CertificateVerificationError{Err: x509.HostnameError{Certificate: cert, Host: "mail.contoso.test"}}, xoauth2.ClassConfiguration, `"mail.contoso.test"`},
		{"TLS expiry", x509.CertificateInvalidError{Cert: cert, Reason: x509.Expired}, xoauth2.ClassConfiguration, "to 1970-01-01T00:00:01Z"},
		{"proxy", x509.UnknownAuthorityError{Cert: cert}, xoauth2.ClassConfiguration, "CN=Contoso Proxy"},
		{"plaintext port", tls.RecordHeaderError{Msg: "first record does not look like a TLS handshake"}, xoauth2.ClassConfiguration, "plaintext first"},
		{"TLS version", tls.AlertError(70), xoauth2.ClassConfiguration, "TLS 1.2"},
		{"mechanism", fmt.Errorf("%w: it offers %q", xoauth2.ErrNotAdvertised, "PLAIN"), xoauth2.ClassConfiguration, "no OAuth tokens"},
		{"plaintext", xoauth2.AuthenticateSMTP(context.Background(), plaintextSMTP(), "ann@contoso.com", oauth2.StaticTokenSource(&oauth2.Token{AccessToken: canaryToken})), xoauth2.ClassConfiguration, "no token in the clear"},
		{"nobody signed in", xoauth2.ErrSignInRequired, xoauth2.ClassSignIn, "Nobody has signed in"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			checkDiagnosis(t, tt.err, tt.class, tt.first, "")
		})
	}
}

// TestSignInRequiredDecides: the package has decided, whatever the refusal
// inside says.
func TestSignInRequiredDecides(t *testing.T) {
	t.Parallel()
	err := fmt.Errorf("%w: %w", xoauth2.ErrSignInRequired, &xoauth2.TokenError{Code: "invalid_client", AADSTS: 65001})
	checkDiagnosis(t, err, xoauth2.ClassSignIn, "Nobody has consented", "")
}

// TestForeignErrors has errors of token sources and SMTP clients that are not
// this package's.
func TestForeignErrors(t *testing.T) {
	t.Parallel()
	checkDiagnosis(t, &oauth2.RetrieveError{ErrorCode: "invalid_client", ErrorDescription: "AADSTS7000222: The provided client secret keys are expired."},
		xoauth2.ClassConfiguration, "has expired", "")
	checkDiagnosis(t, &textproto.Error{Code: 535, Msg: "5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant."},
		xoauth2.ClassConfiguration, "whole organization", "Set-TransportConfig")
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	tests := map[time.Duration]error{
		89117 * time.Millisecond: imapReply("BAD", "", "Request is throttled. Suggested Backoff Time: 89117 milliseconds"),
		5 * time.Minute:          imapReply("NO", "", "Request is throttled. Suggested Backoff Time: 2999961 milliseconds"),
		7 * time.Second:          &xoauth2.TokenError{Code: "temporarily_unavailable", StatusCode: 503, RetryAfter: 7 * time.Second},
		0:                        imapReply("NO", "", "Server Unavailable. 15"),
	}
	for want, err := range tests {
		if got := xoauth2.Diagnose(err).RetryAfter; got != want {
			t.Errorf("%v: got %v, want %v", err, got, want)
		}
	}
}

// TestConsentPage has the page in an administrator's remedies.
func TestConsentPage(t *testing.T) {
	t.Parallel()
	lacking := goodUser
	lacking.Scopes = []string{"SMTP.Send"}
	checkDiagnosis(t, refused(xoauth2.IMAP, lacking, imapReply("NO", "", "AUTHENTICATE failed.")), xoauth2.ClassConfiguration,
		"not IMAP.AccessAsUser.All", "https://login.microsoftonline.com/T/adminconsent?client_id=A")
	checkDiagnosis(t, &xoauth2.TokenError{
		Code: "invalid_grant", AADSTS: 65001, Tenant: "common", ClientID: "C&D",
		Endpoint: "https://login.microsoftonline.us/common/oauth2/v2.0/token",
	}, xoauth2.ClassSignIn, "consented", "https://login.microsoftonline.us/organizations/adminconsent?client_id=C%26D")
	hostile := lacking
	hostile.TenantID = "../x?y='z"
	for _, cause := range xoauth2.Diagnose(refused(xoauth2.IMAP, hostile, imapReply("NO", "", "AUTHENTICATE failed."))).Causes {
		if text := strings.Join(cause.Commands, "\n"); strings.Contains(text, "adminconsent") {
			t.Errorf("got %s, want no page for such a tenant", text)
		}
	}
}

// TestScopeOfTheCloud names the scopes of the cloud that refused.
func TestScopeOfTheCloud(t *testing.T) {
	t.Parallel()
	for endpoint, want := range map[string]string{
		"https://login.microsoftonline.com/contoso.com/oauth2/v2.0/token":        "https://outlook.office365.com/.default",
		"https://login.microsoftonline.us/contoso.com/oauth2/v2.0/token":         "https://outlook.office365.us/.default",
		"https://login.partner.microsoftonline.cn/contoso.com/oauth2/v2.0/token": "https://partner.outlook.cn/.default",
		"": "https://outlook.office365.com/.default",
	} {
		d := xoauth2.Diagnose(&xoauth2.TokenError{Code: "invalid_resource", AADSTS: 500011, Endpoint: endpoint})
		if got := d.Causes[0].Remedy; !strings.Contains(got, want) {
			t.Errorf("%s: got %q, want %s named", endpoint, got, want)
		}
	}
}

func TestAuthErrorText(t *testing.T) {
	t.Parallel()
	graph := goodUser
	graph.Audience = "https://graph.microsoft.com"
	reply := smtpReply(535, smtp.EnhancedCode{5, 7, 3}, "Authentication unsuccessful\n[SN2PR00CA0018.namprd00.prod.outlook.com 2025-03-20T11:25:21.972Z 08DD66EDEFB0DFDF]")
	err := refused(xoauth2.SMTP, graph, reply).(*xoauth2.AuthError)
	const want = `xoauth2: SMTP smtp.office365.com:587: the server refuses "ann@contoso.com": "535 5.7.3 Authentication unsuccessful [SN2PR00CA0018.namprd00.prod.outlook.com 2025-03-20T11:25:21.972Z 08DD66EDEFB0DFDF]": the token is for Microsoft Graph (audience "https://graph.microsoft.com").`
	if got := err.Error(); !strings.HasPrefix(got, want) || strings.Contains(got, "\n") {
		t.Errorf("got  %s\nwant %s…", got, want)
	}
	if got, want := err.Trace(), "SN2PR00CA0018.namprd00.prod.outlook.com 2025-03-20T11:25:21.972Z 08DD66EDEFB0DFDF"; got != want {
		t.Errorf("Trace: got %q, want %q", got, want)
	}
	err.Err, err.Greeting = imapReply("NO", "", "AUTHENTICATE failed."), "AM0PR06CA0126.eurprd06.prod.outlook.com"
	if got := err.Trace(); got != err.Greeting {
		t.Errorf("Trace: got %q, want the greeting's name", got)
	}
}

// TestRefusalTime: what was refused is judged by the time of the refusal.
func TestRefusalTime(t *testing.T) {
	t.Parallel()
	token := goodUser
	token.Expiry = time.Now().Add(-time.Hour)
	err := refused(xoauth2.IMAP, token, imapReply("NO", "", "AUTHENTICATE failed.")).(*xoauth2.AuthError)
	checkDiagnosis(t, err, xoauth2.ClassSignIn, "The token ended at", "")
	err.Time = time.Now().Add(-2 * time.Hour)
	checkDiagnosis(t, err, xoauth2.ClassConfiguration, "switched off", "")
}
