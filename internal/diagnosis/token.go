package diagnosis

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/xoauth2/go-xoauth2/internal/wire"
)

// Limits on what a token, which a stranger may have made, can make us hold.
const (
	maxToken  = 256 << 10 // bytes of a token that are looked at
	maxValues = 64        // scopes, roles
)

// Token is what an access token says about itself, unverified.
type Token struct {
	Opaque   bool // no JWT with claims
	Audience string
	TenantID string
	AppID    string
	ObjectID string
	Username string // empty for an application's token
	Scopes   []string
	Roles    []string
	AppOnly  bool
	Expiry   time.Time
	Length   int // 0: there is no token
}

// ParseToken reads the claims of a JWT access token (RFC 7519) without
// verifying anything. Claims of an unexpected type count as absent. The claims
// are those of Microsoft's "Access token claims reference", versions 1.0 and
// 2.0.
func ParseToken(accessToken string) Token {
	t := Token{Opaque: true, Length: len(accessToken)}
	c, ok := decodeClaims(accessToken)
	if !ok {
		return t
	}
	t.Opaque = false
	t.Audience = c.audience()
	t.TenantID = c.first("tid")
	t.AppID = c.first("appid", "azp")
	t.ObjectID = c.first("oid")
	t.Username = c.first("upn", "unique_name", "preferred_username")
	if t.Username == "" && t.TenantID == "" {
		t.Username = c.first("email") // Entra's is any address, and not the user's name
	}
	t.Scopes = c.words("scp")
	t.Roles = c.words("roles")
	t.Expiry = c.time("exp")
	t.AppOnly = c.appOnly(t)
	return t
}

// appOnly reports whether the token was issued to an application without a
// user. "idtyp" says so but is an optional claim; without it, an application's
// token is one that names an application, no user and no delegated scope.
func (c claims) appOnly(t Token) bool {
	if kind := c.first("idtyp"); kind != "" {
		return strings.EqualFold(kind, "app")
	}
	return t.AppID != "" && t.Username == "" && len(t.Scopes) == 0
}

// issuedAfter reports whether the token is too young to have been refused then.
// Entra's access tokens last 28 hours at most ("Continuous access evaluation").
func (t Token) issuedAfter(at time.Time) bool {
	const longest = 30 * time.Hour
	return !t.Expiry.IsZero() && t.Expiry.Sub(at) > longest
}

// claims are the members of a JWT's payload.
type claims map[string]any

// decodeClaims returns the payload of a JWT, and false for anything else.
func decodeClaims(token string) (claims, bool) {
	if len(token) > maxToken || strings.Count(token, ".") != 2 {
		return nil, false
	}
	payload := strings.TrimRight(strings.Split(token, ".")[1], "=")
	data, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil {
		return nil, false
	}
	var c claims
	if json.Unmarshal(data, &c) != nil || len(c) == 0 {
		return nil, false
	}
	return c, true
}

// first returns the first of the named claims that is a non-empty string, or
// a list that begins with one.
func (c claims) first(names ...string) string {
	for _, name := range names {
		value := c[name]
		if list, ok := value.([]any); ok && len(list) > 0 {
			value = list[0]
		}
		if s, ok := value.(string); ok && s != "" {
			return wire.Cut(s)
		}
	}
	return ""
}

// audience returns the resource that a token is for. RFC 7519 allows several:
// Exchange is looked for first, then those that nobody here knows, so that
// nothing is held against a token that may be good.
func (c claims) audience() string {
	list, _ := c["aud"].([]any)
	unknown := ""
	for _, value := range list {
		switch s, _ := value.(string); (Token{Audience: s}).resource() {
		case resourceExchange:
			return wire.Cut(s)
		case resourceUnknown:
			unknown = cmp.Or(unknown, wire.Cut(s))
		}
	}
	return cmp.Or(unknown, c.first("aud"))
}

// words returns a claim that is a list of strings, or a string of words
// separated by spaces.
func (c claims) words(name string) []string {
	var words []string
	switch value := c[name].(type) {
	case string:
		words = strings.Fields(value)
	case []any:
		for _, v := range value {
			if s, ok := v.(string); ok && s != "" {
				words = append(words, s)
			}
		}
	}
	words = words[:min(len(words), maxValues)]
	for i, word := range words {
		words[i] = wire.Cut(word)
	}
	return slices.Clip(words)
}

// time returns a claim that is a NumericDate, or the zero time. Numbers that
// are no date between 1970 and 9999 count as absent.
func (c claims) time(name string) time.Time {
	const year9999 = 253402300799
	seconds, ok := c[name].(float64)
	if !ok || !(seconds > 0 && seconds <= year9999) {
		return time.Time{}
	}
	return time.Unix(int64(math.Trunc(seconds)), 0)
}
