package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/xoauth2/go-xoauth2"
)

// config is what the environment asks for.
type config struct {
	app       *xoauth2.App
	mailboxes []string
	options   *xoauth2.DialOptions
}

// configured reports whether the environment has something for this program.
func configured(getenv func(string) string) bool {
	return cmp.Or(
		getenv("XOAUTH2_TENANT"),
		getenv("XOAUTH2_CLIENT_ID"),
		getenv("XOAUTH2_CLIENT_SECRET"),
		getenv("XOAUTH2_CERTIFICATE"),
		getenv("XOAUTH2_MAILBOXES"),
		getenv("XOAUTH2_PROVIDER"),
	) != ""
}

// configure reads the environment. It returns nil if that holds nothing for
// this program.
func configure(getenv func(string) string) (*config, error) {
	if !configured(getenv) {
		return nil, nil
	}
	var missing []string
	for _, name := range []string{"XOAUTH2_TENANT", "XOAUTH2_CLIENT_ID", "XOAUTH2_MAILBOXES"} {
		if getenv(name) == "" {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("the environment lacks %s; see daemon -h", strings.Join(missing, ", "))
	}
	provider, err := cloud(getenv("XOAUTH2_PROVIDER"))
	if err != nil {
		return nil, err
	}
	credential, err := credential(getenv)
	if err != nil {
		return nil, err
	}
	c := &config{
		app: &xoauth2.App{
			Provider:   provider,
			Tenant:     getenv("XOAUTH2_TENANT"),
			ClientID:   getenv("XOAUTH2_CLIENT_ID"),
			Credential: credential,
			Protocols:  []xoauth2.Protocol{xoauth2.IMAP},
		},
		options: &xoauth2.DialOptions{Provider: provider},
	}
	for mailbox := range strings.SplitSeq(getenv("XOAUTH2_MAILBOXES"), ",") {
		if mailbox = strings.TrimSpace(mailbox); mailbox != "" {
			c.mailboxes = append(c.mailboxes, mailbox)
		}
	}
	return c, nil
}

// cloud returns the provider of a name. Only Exchange lets applications into
// mailboxes by themselves.
func cloud(name string) (xoauth2.Provider, error) {
	switch name {
	case "", "exchange":
		return xoauth2.Exchange, nil
	case "gcc-high":
		return xoauth2.ExchangeGCCHigh, nil
	case "dod":
		return xoauth2.ExchangeDoD, nil
	case "china":
		return xoauth2.ExchangeChina, nil
	}
	return xoauth2.Provider{}, fmt.Errorf("XOAUTH2_PROVIDER is %q: want exchange, gcc-high, dod or china", name)
}

// credential returns how the application proves that it is itself.
func credential(getenv func(string) string) (xoauth2.Credential, error) {
	secret, file := getenv("XOAUTH2_CLIENT_SECRET"), getenv("XOAUTH2_CERTIFICATE")
	switch {
	case secret != "" && file != "":
		return nil, errors.New("the environment has both XOAUTH2_CLIENT_SECRET and XOAUTH2_CERTIFICATE: which one?")
	case secret != "":
		return xoauth2.ClientSecret(secret), nil
	case file == "":
		return nil, errors.New("the environment lacks XOAUTH2_CLIENT_SECRET or XOAUTH2_CERTIFICATE")
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	key, chain, err := xoauth2.LoadCertificate(data, getenv("XOAUTH2_CERTIFICATE_PASSWORD"))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return xoauth2.ClientCertificate(key, chain...), nil
}
