package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/xoauth2/go-xoauth2"
	"github.com/xoauth2/go-xoauth2/exchangetest"
	"github.com/xoauth2/go-xoauth2/internal/diagnosis"
)

// patient is what is examined.
type patient struct {
	provider  xoauth2.Provider
	protocols []xoauth2.Protocol
	mailbox   string
	sender    string
	how       string // the way to a token, in words
	endpoint  string // the token endpoint; empty: there is no way to one
	tokens    func(ctx context.Context) (oauth2.TokenSource, error)
	client    *http.Client
	tls       *tls.Config
	timeout   time.Duration
	issuers   []string // that sign the provider's certificates; none: not known
	rehearsal bool     // the servers are fake: a message may be sent
}

// patient prepares what the options ask for. The caller calls what it returns
// when all is done.
func (o *options) patient(ctx context.Context, std streams) (*patient, func(), error) {
	p := &patient{
		provider: o.provider, protocols: o.protocols, mailbox: o.mailbox, sender: o.mailbox,
		client: http.DefaultClient, tls: &tls.Config{}, timeout: o.timeout, issuers: issuersOf(o.provider),
	}
	if o.sender != "" {
		p.sender = o.sender
	}
	switch {
	case o.demonstrates:
		return o.demonstration(std)
	case o.tokenStdin:
		token, err := readToken(std.in)
		if err != nil {
			return nil, nil, err
		}
		p.how = "an access token from standard input"
		p.tokens = func(context.Context) (oauth2.TokenSource, error) { return token, nil }
		return p, func() {}, nil
	}
	app, err := o.app()
	if err != nil {
		return nil, nil, err
	}
	p.endpoint = o.provider.Endpoint(o.tenant).TokenURL
	p.how, p.tokens = o.flow(app, std.err)
	return p, func() {}, nil
}

func readToken(in io.Reader) (oauth2.TokenSource, error) {
	const limit = 256 << 10
	data, err := io.ReadAll(io.LimitReader(in, limit))
	token := strings.TrimSpace(string(data))
	if err != nil || token == "" {
		return nil, errors.New("-token-stdin: there is no token on standard input")
	}
	return oauth2.StaticTokenSource(&oauth2.Token{AccessToken: token}), nil
}

func (o *options) app() (*xoauth2.App, error) {
	app := &xoauth2.App{Provider: o.provider, Tenant: o.tenant, ClientID: o.clientID, Protocols: o.protocols}
	switch {
	case o.certificate != "":
		data, err := os.ReadFile(o.certificate)
		if err != nil {
			return nil, err
		}
		key, chain, err := xoauth2.LoadCertificate(data, o.password)
		if err != nil {
			return nil, err
		}
		app.Credential = xoauth2.ClientCertificate(key, chain...)
	case o.secret != "":
		app.Credential = xoauth2.ClientSecret(o.secret)
	}
	return app, nil
}

// flow returns the way to a token, and its name.
func (o *options) flow(app *xoauth2.App, stderr io.Writer) (string, func(context.Context) (oauth2.TokenSource, error)) {
	switch o.signIn {
	case "browser":
		return "a sign-in by browser", func(ctx context.Context) (oauth2.TokenSource, error) {
			return app.BrowserLogin(ctx, &xoauth2.BrowserOptions{LoginHint: o.mailbox})
		}
	case "device":
		return "a sign-in by device code", func(ctx context.Context) (oauth2.TokenSource, error) {
			return app.DeviceLogin(ctx, func(auth *oauth2.DeviceAuthResponse) error {
				_, err := fmt.Fprintf(stderr, "Open %s and enter the code %s\n", auth.VerificationURI, auth.UserCode)
				return err
			})
		}
	}
	return "client credentials", func(context.Context) (oauth2.TokenSource, error) { return app.ClientCredentials(), nil }
}

// demoMailbox is examined in the demonstration.
const demoMailbox = "ann@contoso.com"

// demonstration prepares a fake Exchange, broken as the scenario wants it.
func (o *options) demonstration(std streams) (*patient, func(), error) {
	srv := exchangetest.NewServer()
	srv.AddMailbox(demoMailbox, []byte("Subject: Hello\r\n\r\nHello.\r\n"))
	app := srv.App(nil)
	what := "nothing is broken"
	if s := findScenario(o.scenario); s != nil {
		what = s.Text
		s.Start(srv)
	}
	if !o.json {
		fmt.Fprintf(std.out, "A fake Exchange in this process: %s\n\n", what)
	}
	return &patient{
		provider: srv.Provider(), protocols: o.protocols, mailbox: demoMailbox, sender: demoMailbox,
		how: "client credentials", endpoint: srv.Provider().Endpoint(app.Tenant).TokenURL,
		tokens: func(context.Context) (oauth2.TokenSource, error) { return app.ClientCredentials(), nil },
		client: srv.HTTPClient(), tls: srv.TLSConfig(), timeout: o.timeout, rehearsal: true,
	}, srv.Close, nil
}

func scenarioList() string {
	var b strings.Builder
	for _, s := range exchangetest.Scenarios() {
		fmt.Fprintf(&b, "%-26s %s\n", s.Name, s.Text)
	}
	return b.String()
}

// issuersOf returns who signs the certificates of a provider's servers.
// Somebody else is a proxy that inspects the connection, even if the machine
// was made to trust it.
func issuersOf(p xoauth2.Provider) []string {
	switch p.Name {
	case xoauth2.Gmail.Name:
		return []string{"Google Trust Services"}
	case xoauth2.Yahoo.Name:
		return []string{"DigiCert"}
	}
	return []string{"DigiCert", "Microsoft", "GlobalSign", "Entrust", "CFCA"}
}

// script returns what an administrator has to set up.
func (o *options) script() string {
	setup := diagnosis.Setup{
		ClientID: o.clientID, Mailbox: o.mailbox, Cloud: o.environment, AppOnly: o.signIn == "",
		ConsentURL: diagnosis.ConsentPage(o.provider.ConsentURL, o.tenant, o.clientID),
	}
	for _, proto := range o.protocols {
		setup.Protocols = append(setup.Protocols, proto.String())
	}
	return setup.Script()
}
