package main

import (
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/xoauth2/go-xoauth2"
)

// configured reports whether the environment has something for this program.
func configured(getenv func(string) string) bool {
	return cmp.Or(
		getenv("XOAUTH2_CLIENT_ID"),
		getenv("XOAUTH2_TENANT"),
		getenv("XOAUTH2_CLIENT_SECRET"),
		getenv("XOAUTH2_CERTIFICATE"),
		getenv("XOAUTH2_STORE_KEY"),
		getenv("XOAUTH2_PROVIDER"),
	) != ""
}

// configure reads the environment.
func configure(getenv func(string) string, store string) (*xoauth2.App, *xoauth2.DialOptions, error) {
	if getenv("XOAUTH2_CLIENT_ID") == "" {
		return nil, nil, errors.New("the environment lacks XOAUTH2_CLIENT_ID; see webapp -h")
	}
	name := getenv("XOAUTH2_PROVIDER")
	if name == "" {
		name = "exchange"
	}
	provider, ok := map[string]xoauth2.Provider{
		"exchange": xoauth2.Exchange, "outlook": xoauth2.Outlook, "gcc-high": xoauth2.ExchangeGCCHigh,
		"dod": xoauth2.ExchangeDoD, "china": xoauth2.ExchangeChina, "gmail": xoauth2.Gmail, "yahoo": xoauth2.Yahoo,
	}[name]
	if !ok {
		return nil, nil, fmt.Errorf("XOAUTH2_PROVIDER is %q, which is none that webapp -h lists", name)
	}
	credential, err := credential(getenv)
	if err != nil {
		return nil, nil, err
	}
	key, err := storeKey(getenv("XOAUTH2_STORE_KEY"))
	if err != nil {
		return nil, nil, err
	}
	if store == "" {
		config, err := os.UserConfigDir()
		if err != nil {
			return nil, nil, fmt.Errorf("%w: use -store", err)
		}
		store = filepath.Join(config, "xoauth2-webapp")
	}
	return &xoauth2.App{
		Provider:   provider,
		Tenant:     getenv("XOAUTH2_TENANT"),
		ClientID:   getenv("XOAUTH2_CLIENT_ID"),
		Credential: credential,
		Protocols:  []xoauth2.Protocol{xoauth2.IMAP},
		Store:      xoauth2.EncryptedStore(xoauth2.FileStore(store), key),
	}, &xoauth2.DialOptions{Provider: provider}, nil
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
	private, chain, err := xoauth2.LoadCertificate(data, getenv("XOAUTH2_CERTIFICATE_PASSWORD"))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return xoauth2.ClientCertificate(private, chain...), nil
}

// storeKey decodes the key of the token store. Its errors do not show it.
func storeKey(encoded string) (key [32]byte, err error) {
	decoded, err := base64.StdEncoding.DecodeString(strings.TrimSpace(encoded))
	if err != nil || len(decoded) != len(key) {
		return key, errors.New("XOAUTH2_STORE_KEY is not 32 bytes in base64: make one with openssl rand -base64 32, and keep it")
	}
	copy(key[:], decoded)
	return key, nil
}

// publicURL returns where browsers see the application, without a slash at the
// end. Session cookies need HTTPS, or this machine.
func publicURL(base string, addr net.Addr) (string, error) {
	if base == "" {
		_, port, err := net.SplitHostPort(addr.String())
		return "http://localhost:" + port, err
	}
	parsed, err := url.Parse(strings.TrimSuffix(base, "/"))
	if err != nil {
		return "", err
	}
	if parsed.Host == "" || parsed.Path != "" || parsed.RawQuery != "" {
		return "", fmt.Errorf("-url %s: want a scheme and a host, as in https://mail.contoso.com", base)
	}
	if parsed.Scheme != "https" && (parsed.Scheme != "http" || parsed.Hostname() != "localhost") {
		return "", fmt.Errorf("-url %s: want https, or http://localhost", base)
	}
	return parsed.String(), nil
}
