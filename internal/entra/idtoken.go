package entra

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"
)

const maxIDToken = 64 << 10

// IDToken holds the claims of an id_token (OpenID Connect Core section 2;
// Microsoft, "ID token claims reference"). What the issuer left out is empty.
type IDToken struct {
	Issuer   string
	Audience []string
	Nonce    string
	Subject  string
	Username string // preferred_username, else email, else upn
	TenantID string // Entra's tid
	ObjectID string // Entra's oid
	Expiry   time.Time
}

// ReadIDToken reads the claims of an id_token without checking its signature,
// which OpenID Connect Core section 3.1.3.7 (6) allows for a token that came from the
// token endpoint itself over TLS, and for no other. It does not judge issuer,
// audience, nonce or expiry: that is the caller's part. A claim of a wrong type,
// or a required one that is missing, gives an error that names it.
func ReadIDToken(raw string) (*IDToken, error) {
	if len(raw) > maxIDToken {
		return nil, errors.New("the id_token is longer than 64 KiB")
	}
	parts := strings.Split(raw, ".")
	if len(parts) == 5 {
		return nil, errors.New("the id_token is encrypted, which cannot be read")
	}
	if len(parts) != 3 {
		return nil, fmt.Errorf("the id_token has %d parts, not 3", len(parts))
	}
	var decoded [3][]byte
	for i, name := range []string{"header", "payload", "signature"} {
		data, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil {
			return nil, fmt.Errorf("the %s of the id_token is not base64url", name)
		}
		decoded[i] = data
	}
	claims := parseObject(decoded[1])
	if parseObject(decoded[0]) == nil || claims == nil {
		return nil, errors.New("the header or the payload of the id_token is not a JSON object")
	}
	return readClaims(claims)
}

func readClaims(o *object) (*IDToken, error) {
	t := &IDToken{
		Issuer:   o.required("iss"),
		Audience: o.texts("aud"),
		Subject:  o.required("sub"),
		Nonce:    o.text("nonce"),
		TenantID: o.text("tid"),
		ObjectID: o.text("oid"),
		Expiry:   numericDate(o, "exp"),
	}
	for _, name := range []string{"preferred_username", "email", "upn"} {
		if s := o.text(name); t.Username == "" {
			t.Username = s
		}
	}
	if o.err != nil {
		return nil, fmt.Errorf("the id_token: %w", o.err)
	}
	return t, nil
}

// numericDate returns the moment called name (RFC 7519 section 2).
func numericDate(o *object, name string) time.Time {
	if !o.has(name) {
		o.fail("%q is missing", name)
		return time.Time{}
	}
	const year10000 = 253402300800
	x := o.number(name)
	if x < 0 || x >= year10000 {
		o.fail("%q is not a time", name)
		return time.Time{}
	}
	return time.Unix(int64(x), 0)
}
