package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/xoauth2/go-xoauth2"
	"github.com/xoauth2/go-xoauth2/exchangetest"
)

// options is what the user asks for.
type options struct {
	tenant, clientID, mailbox string
	secret                    string
	certificate, password     string // file, and the password for it
	signIn                    string // "", "browser" or "device"
	tokenStdin                bool
	sender                    string

	provider     xoauth2.Provider
	environment  string // Exchange Online PowerShell's name for the cloud
	protocols    []xoauth2.Protocol
	timeout      time.Duration
	json, setup  bool
	scenario     string
	demonstrates bool // there is no configuration
}

// clouds are what -provider takes.
var clouds = map[string]struct {
	provider    xoauth2.Provider
	environment string
}{
	"exchange": {xoauth2.Exchange, ""},
	"outlook":  {xoauth2.Outlook, ""},
	"gcc-high": {xoauth2.ExchangeGCCHigh, "O365USGovGCCHigh"},
	"dod":      {xoauth2.ExchangeDoD, "O365USGovDoD"},
	"china":    {xoauth2.ExchangeChina, "O365China"},
	"gmail":    {xoauth2.Gmail, ""},
	"yahoo":    {xoauth2.Yahoo, ""},
}

const usage = `usage: doctor [flags]

Finds out why a program cannot log in to a mailbox with OAuth, and says what to
do. It changes nothing and sends nothing. Without a configuration it examines a
fake Exchange in its own process.

Environment: XOAUTH2_TENANT, XOAUTH2_CLIENT_ID, XOAUTH2_MAILBOX and
XOAUTH2_CERTIFICATE stand for the flags; XOAUTH2_CLIENT_SECRET is the
application's secret, XOAUTH2_CERTIFICATE_PASSWORD the certificate file's.

`

func parse(args []string, getenv func(string) string, stderr io.Writer) (*options, error) {
	o := &options{secret: getenv("XOAUTH2_CLIENT_SECRET"), password: getenv("XOAUTH2_CERTIFICATE_PASSWORD")}
	var provider, protocols string
	flags := flag.NewFlagSet("doctor", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprint(stderr, usage)
		flags.PrintDefaults()
	}
	flags.StringVar(&o.tenant, "tenant", getenv("XOAUTH2_TENANT"), "directory `id` or domain of the tenant")
	flags.StringVar(&o.clientID, "client-id", getenv("XOAUTH2_CLIENT_ID"), "Application (client) `id`")
	flags.StringVar(&o.mailbox, "mailbox", getenv("XOAUTH2_MAILBOX"), "`address` of the mailbox to log in to")
	flags.StringVar(&o.certificate, "certificate", getenv("XOAUTH2_CERTIFICATE"), "`file` with the application's key and certificate, PEM or PKCS #12")
	flags.StringVar(&o.signIn, "signin", "", "let a user sign in by \"browser\" or \"device\" code")
	flags.BoolVar(&o.tokenStdin, "token-stdin", false, "read an access token from standard input")
	flags.StringVar(&o.sender, "from", "", "`address` to send from, if it is not the mailbox's")
	flags.StringVar(&provider, "provider", "exchange", "one of "+strings.Join(sortedClouds(), ", "))
	flags.StringVar(&protocols, "protocol", "imap,pop3,smtp", "`protocols` to examine")
	flags.DurationVar(&o.timeout, "timeout", 0, "for each step (default 30s, in the demonstration 3s)")
	flags.BoolVar(&o.json, "json", false, "write JSON for programs")
	flags.BoolVar(&o.setup, "setup", false, "print the administrator's script, and connect to nothing")
	flags.StringVar(&o.scenario, "scenario", "", "what to break in the demonstration; \"list\" lists all")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil, err
		}
		return nil, errors.New("see doctor -h")
	}
	if flags.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q; see doctor -h", flags.Arg(0))
	}
	return o, o.complete(provider, protocols)
}

func sortedClouds() []string {
	names := make([]string, 0, len(clouds))
	for name := range clouds {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// complete checks what was asked for and fills in the rest.
func (o *options) complete(provider, protocols string) error {
	cloud, known := clouds[provider]
	if !known {
		return fmt.Errorf("-provider %s: want one of %s", provider, strings.Join(sortedClouds(), ", "))
	}
	o.provider, o.environment = cloud.provider, cloud.environment
	if err := o.setProtocols(protocols); err != nil {
		return err
	}
	o.demonstrates = cmp.Or(o.tenant, o.clientID, o.mailbox, o.secret, o.certificate, o.signIn) == "" && !o.tokenStdin && !o.setup
	o.timeout = cmp.Or(o.timeout, o.defaultTimeout())
	switch {
	case o.demonstrates:
		return o.checkScenario()
	case o.scenario != "":
		return errors.New("-scenario is for the demonstration, which takes no configuration")
	case o.mailbox == "":
		return errors.New("-mailbox is missing")
	case o.tokenStdin:
		return nil
	case o.clientID == "":
		return errors.New("-client-id is missing")
	case o.setup && o.provider.ConsentURL == "":
		return fmt.Errorf("-setup: there is nothing to set up for %s", o.provider.Name)
	case o.setup:
		return nil
	}
	return o.checkCredential()
}

func (o *options) setProtocols(names string) error {
	for name := range strings.SplitSeq(names, ",") {
		i := slices.Index([]string{"imap", "pop3", "smtp"}, strings.ToLower(strings.TrimSpace(name)))
		if i < 0 {
			return fmt.Errorf("-protocol %s: want imap, pop3 or smtp, with commas between", names)
		}
		o.protocols = append(o.protocols, []xoauth2.Protocol{xoauth2.IMAP, xoauth2.POP3, xoauth2.SMTP}[i])
	}
	return nil
}

func (o *options) defaultTimeout() time.Duration {
	if o.demonstrates {
		return 3 * time.Second
	}
	return 30 * time.Second
}

func (o *options) checkCredential() error {
	ways := 0
	for _, given := range []bool{o.secret != "", o.certificate != "", o.signIn != ""} {
		if given {
			ways++
		}
	}
	switch {
	case o.signIn != "" && o.signIn != "browser" && o.signIn != "device":
		return fmt.Errorf("-signin %s: want browser or device", o.signIn)
	case ways == 0:
		return errors.New("no credential: set XOAUTH2_CLIENT_SECRET, -certificate, -signin or -token-stdin")
	case o.secret != "" && o.certificate != "":
		return errors.New("both a secret and a certificate: which one?")
	case o.signIn == "" && o.tenant == "":
		return errors.New("-tenant is missing: an application logs in to one directory")
	}
	return nil
}

func (o *options) checkScenario() error {
	if o.scenario == "" || o.scenario == "list" || findScenario(o.scenario) != nil {
		return nil
	}
	return fmt.Errorf("there is no scenario %q; -scenario list lists all", o.scenario)
}

func findScenario(name string) *exchangetest.Scenario {
	for _, s := range exchangetest.Scenarios() {
		if s.Name == name {
			return &s
		}
	}
	return nil
}
