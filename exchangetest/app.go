package exchangetest

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/xoauth2/go-xoauth2"
	"github.com/xoauth2/go-xoauth2/exchangetest/internal/authority"
	"github.com/xoauth2/go-xoauth2/exchangetest/internal/certs"
)

// AppOptions say how an application is registered. The zero value is a daemon
// of one organization: it has a client secret, and an administrator has granted
// it everything that it needs for all mailboxes.
type AppOptions struct {
	Name string // what the sign-in page calls it; empty: app1 and so on

	// Public registers a desktop program or a device, which has no
	// credential, and http://localhost as its redirect URL.
	Public bool

	// Certificate and its Key, if not nil, are the credential instead of a
	// client secret.
	Certificate *x509.Certificate
	Key         crypto.Signer

	// WorkloadIdentity trusts the tokens of Server.WorkloadToken instead of a
	// client secret.
	WorkloadIdentity bool

	// RedirectURL is registered as it is, and the App's. A loopback URL is
	// registered for all ports.
	RedirectURL string

	// Tenant is the App's: a directory, or common, organizations or
	// consumers. Empty means Contoso, and nothing where there are no tenants.
	Tenant string

	// SingleTenant serves accounts of Contoso alone.
	SingleTenant bool

	// Permissions are the application permissions on Exchange. Nil means
	// IMAP.AccessAsApp, POP.AccessAsApp and SMTP.SendAsApp.
	Permissions []string
}

// App registers an application and returns it, ready to use: with the server as
// its Provider, and its ClientID, Credential, RedirectURL and HTTPClient. Nil
// opts are the zero options. The App is the caller's to change before its
// first use.
func (s *Server) App(opts *AppOptions) *xoauth2.App {
	var o AppOptions
	if opts != nil {
		o = *opts
	}
	app := &xoauth2.App{
		Provider:    s.Provider(),
		Tenant:      o.Tenant,
		RedirectURL: o.RedirectURL,
		HTTPClient:  s.HTTPClient(),
	}
	if s.manners().shape == authority.Entra && app.Tenant == "" {
		app.Tenant = s.Tenant()
	}
	registered := s.identity.Register(s.registration(o))
	app.ClientID = registered.ID
	app.Credential = s.credential(o, registered)
	return app
}

func (s *Server) registration(o AppOptions) authority.App {
	r := authority.App{Name: o.Name, Public: o.Public, SingleTenant: o.SingleTenant, Roles: o.Permissions}
	if o.RedirectURL != "" {
		r.RedirectURLs = append(r.RedirectURLs, o.RedirectURL)
	}
	if o.Permissions == nil {
		for _, p := range allProtocols() {
			r.Roles = append(r.Roles, appPermission(p))
		}
	}
	switch {
	case o.Public:
		r.RedirectURLs = append(r.RedirectURLs, "http://localhost")
	case o.Certificate != nil:
		r.Certificate = o.Certificate
	case o.WorkloadIdentity:
		r.Federated = s.workload()
	default:
		r.Secret = "Secret~" + rand.Text()
	}
	return r
}

func (s *Server) credential(o AppOptions, registered *authority.App) xoauth2.Credential {
	switch {
	case registered.Public:
		return nil
	case registered.Certificate != nil:
		return xoauth2.ClientCertificate(o.Key, o.Certificate)
	case registered.Federated != nil:
		return xoauth2.ClientAssertion(func(context.Context) (string, error) { return s.WorkloadToken(), nil })
	}
	return xoauth2.ClientSecret(registered.Secret)
}

// ClientSecret returns the client secret of a registered application, for
// clients other than package xoauth2's; empty if it has none.
func (s *Server) ClientSecret(clientID string) string { return s.identity.Secret(clientID) }

// NewCertificate returns a key and a self-signed certificate with which an
// application can be registered.
func NewCertificate(name string) (crypto.Signer, *x509.Certificate) {
	key, certificate, err := certs.SelfSigned(name)
	if err != nil {
		panic("exchangetest: certificate: " + err.Error())
	}
	return key, certificate
}

// WorkloadToken returns a new token of the cluster that the server plays, for
// applications registered with WorkloadIdentity: what a projected
// service-account file holds in Kubernetes ("Workload identity federation").
func (s *Server) WorkloadToken() string {
	return s.identity.SignWorkload(s.workload())
}

func (s *Server) workload() *authority.Federated {
	_, key := s.SigningKey()
	return &authority.Federated{Issuer: s.URL() + "/workload", Subject: "system:serviceaccount:default:mailer", Key: key}
}

// SignIn makes username answer the next interactive sign-in that nobody has
// answered: the sign-in page sends the browser back at once, and a device is
// approved at its next poll. Further calls answer further sign-ins. A user that
// is not in the directory is added, without a mailbox.
//
// Without SignIn the sign-in page waits for a person, or a test with a real
// browser: it has fields named username and action, which is "signin" or
// "cancel".
func (s *Server) SignIn(username string) { s.identity.Answer(username, false) }

// DeclineSignIn makes the user turn the next interactive sign-in down.
func (s *Server) DeclineSignIn() { s.identity.Answer("", true) }

var (
	formAction = regexp.MustCompile(`<form method="post" action="([^"]*)">`)
	formInput  = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`)
)

// Browse opens a sign-in page as a browser does, for a sign-in that is answered
// by [Server.SignIn]. It is made for xoauth2.BrowserOptions.Open: it returns
// once the page has answered, and takes the answer to the application in the
// background, by GET or form_post. A page that leads nowhere is an error.
func (s *Server) Browse(page string) error {
	response, err := s.visit(http.MethodGet, page, nil)
	if err != nil {
		return err
	}
	body, err := io.ReadAll(response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		return err
	}
	if location, err := response.Location(); err == nil {
		s.visitLater(http.MethodGet, location.String(), nil)
		return nil
	}
	action, form := readForm(string(body))
	if action == "" {
		return fmt.Errorf("exchangetest: the sign-in page answers with status %s and leads nowhere", response.Status)
	}
	s.visitLater(http.MethodPost, action, form)
	return nil
}

// readForm returns where a form_post page sends what.
func readForm(page string) (action string, form url.Values) {
	found := formAction.FindStringSubmatch(page)
	if found == nil {
		return "", nil
	}
	form = make(url.Values)
	for _, input := range formInput.FindAllStringSubmatch(page, -1) {
		form.Add(html.UnescapeString(input[1]), html.UnescapeString(input[2]))
	}
	return html.UnescapeString(found[1]), form
}

// visit requests a page, and follows it nowhere.
func (s *Server) visit(method, page string, form url.Values) (*http.Response, error) {
	request, err := http.NewRequestWithContext(s.life, method, page, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	if form != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	client := *s.webClient
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return client.Do(request)
}

// visitLater visits the application, which alone knows what comes of it.
func (s *Server) visitLater(method, page string, form url.Values) {
	s.running.Go(func() {
		if response, err := s.visit(method, page, form); err == nil {
			_ = response.Body.Close()
		}
	})
}
