package authority

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// Claims is what an access token says ("Access token claims reference").
type Claims struct {
	Audience   string   `json:"aud"`
	Issuer     string   `json:"iss"`
	IssuedAt   int64    `json:"iat"`
	NotBefore  int64    `json:"nbf"`
	Expiry     int64    `json:"exp"`
	AppName    string   `json:"app_displayname,omitempty"`
	AppID      string   `json:"appid"`
	AppAuth    string   `json:"appidacr"` // 0: public, 1: secret, 2: certificate
	IDType     string   `json:"idtyp"`
	Name       string   `json:"name,omitempty"`
	ObjectID   string   `json:"oid"`
	Roles      []string `json:"roles,omitempty"`
	Scopes     string   `json:"scp,omitempty"`
	Subject    string   `json:"sub"`
	TenantID   string   `json:"tid"`
	UniqueName string   `json:"unique_name,omitempty"`
	UPN        string   `json:"upn,omitempty"`
	ID         string   `json:"uti"`
	Version    string   `json:"ver"`
	Padding    string   `json:"xms_padding,omitempty"`
}

// AppOnly reports whether the token is an application's own.
func (c Claims) AppOnly() bool { return c.IDType == "app" }

// claims returns what the access token of a grant says.
func (c *call) claims(g *grant) Claims {
	now := c.Now()
	c.mu.Lock()
	c.serial++
	serial, lifetime := c.serial, c.lifetime
	c.mu.Unlock()
	claims := Claims{
		IssuedAt:  now.Unix(),
		NotBefore: now.Unix(),
		Expiry:    now.Add(lifetime).Unix(),
		AppName:   g.app.Name,
		AppID:     g.app.ID,
		AppAuth:   appAuth(g.app),
		TenantID:  Contoso,
		ID:        tokenID(serial),
		Version:   "1.0",
	}
	if len(g.scopes.named) > 0 {
		claims.Audience = g.scopes.named[0].resource
	}
	if g.user == nil {
		claims.IDType, claims.ObjectID = "app", g.app.ObjectID
		claims.Roles = g.app.roles(claims.Audience)
	} else {
		claims.IDType, claims.ObjectID, claims.TenantID = "user", g.user.ObjectID, g.user.TenantID
		claims.Name, claims.UPN, claims.UniqueName = g.user.Name, g.user.Name, g.user.Name
		claims.Scopes = strings.Join(g.scopes.names(), " ")
	}
	if c.shape != Entra {
		claims.Audience, claims.Scopes = g.app.ID, g.scopes.String()
	}
	claims.Subject = claims.ObjectID
	claims.Issuer = c.base + "/" + claims.TenantID + "/"
	for rewrite := range c.Hooks.Claims.Due() {
		rewrite(&claims)
	}
	return claims
}

// roles returns the application permissions that a token for resource shows.
func (a *App) roles(resource string) []string {
	if resourceID(resource) != exchange {
		return nil
	}
	return a.Roles
}

func appAuth(a *App) string {
	switch {
	case a.Public:
		return "0"
	case a.Secret != "":
		return "1"
	}
	return "2"
}

// tokenID makes an id of a serial number, with which tokens are revoked.
func tokenID(serial uint64) string {
	b := make([]byte, 16)
	_, _ = rand.Read(b[8:]) // never fails, by its documentation
	binary.BigEndian.PutUint64(b, serial)
	return base64.RawURLEncoding.EncodeToString(b)
}

// serialOf is tokenID's inverse.
func serialOf(id string) uint64 {
	b, err := base64.RawURLEncoding.DecodeString(id)
	if err != nil || len(b) != 16 {
		return 0
	}
	return binary.BigEndian.Uint64(b)
}

// sign makes claims an access token: a JWT for work accounts, and a text that
// says nothing for personal ones and other providers.
func (c *call) sign(claims Claims) string {
	if c.shape != Entra || claims.TenantID == Personal || c.Hooks.Opaque.Happens() {
		return c.signOpaque(claims)
	}
	token := c.signer.sign(claims)
	if c.Hooks.BadSign.Happens() {
		head, _, _ := cutLast(token, ".")
		token = head + "." + base64.RawURLEncoding.EncodeToString(make([]byte, 256))
	}
	return token
}

func (c *call) signOpaque(claims Claims) string {
	prefixes := map[Shape]string{Entra: "EwB", Google: "ya29.", Yahoo: "Y."}
	token := prefixes[c.shape] + randomText() + randomText() + strings.Repeat("A", len(claims.Padding))
	c.mu.Lock()
	defer c.mu.Unlock()
	c.opaque[token] = claims
	return token
}

// cutLast is strings.Cut at the last sep.
func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// idToken returns the id_token of a grant (OpenID Connect Core 1.0, section 2;
// Entra's "ID token claims reference").
func (c *call) idToken(g *grant) string {
	now := c.Now()
	claims := map[string]any{
		"iss": c.issuer(g.user.TenantID),
		"aud": g.app.ID,
		"sub": g.user.ObjectID,
		"iat": now.Unix(),
		"nbf": now.Unix(),
		"exp": now.Add(time.Hour).Unix(),
		"ver": "2.0",
		"oid": g.user.ObjectID,
		"tid": g.user.TenantID,
	}
	if g.nonce != "" {
		claims["nonce"] = g.nonce
	}
	if g.scopes.has("profile") {
		claims["name"], claims["preferred_username"] = g.user.Name, g.user.Name
	}
	if g.scopes.has("email") {
		claims["email"] = g.user.Name
	}
	if c.shape != Entra {
		for _, name := range []string{"oid", "tid", "ver", "preferred_username"} {
			delete(claims, name)
		}
	}
	for rewrite := range c.Hooks.IDToken.Due() {
		rewrite(claims)
	}
	return c.signer.sign(claims)
}

// Verify returns what an access token says, if the server issued it, it is
// not revoked, and its time has come and not passed.
func (s *Server) Verify(token string) (Claims, error) {
	claims, err := s.open(token)
	if err != nil {
		return Claims{}, err
	}
	now := s.Now().Unix()
	s.mu.Lock()
	revoked := serialOf(claims.ID) <= s.revoked
	s.mu.Unlock()
	switch {
	case revoked:
		return Claims{}, errors.New("revoked")
	case now < claims.NotBefore-int64(leeway/time.Second):
		return Claims{}, errors.New("not valid yet")
	case now >= claims.Expiry:
		return Claims{}, errors.New("expired")
	}
	return claims, nil
}

// open returns what an access token of the server says.
func (s *Server) open(token string) (Claims, error) {
	s.mu.Lock()
	claims, ok := s.opaque[token]
	s.mu.Unlock()
	if ok {
		return claims, nil
	}
	if err := s.signer.verify(token, &claims); err != nil {
		return Claims{}, err
	}
	if !strings.HasPrefix(claims.Issuer, s.base+"/") {
		return Claims{}, errors.New("another issuer's")
	}
	return claims, nil
}

// signer signs JWTs.
type signer struct {
	id   string
	key  *rsa.PrivateKey
	jose jose.Signer
}

// signingKey is one key for all servers of a process, since making one takes
// longer than everything else that a server needs to start. The issuer tells
// their tokens apart.
var signingKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

func newSigner() (*signer, error) {
	key, err := signingKey()
	if err != nil {
		return nil, err
	}
	const id = "exchangetest-1"
	private := jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: key, KeyID: id}}
	signs, err := jose.NewSigner(private, new(jose.SignerOptions).WithType("JWT"))
	if err != nil {
		return nil, err
	}
	return &signer{id: id, key: key, jose: signs}, nil
}

// sign returns claims as a JWT. The claims are always such that it cannot
// fail: structs and maps of JSON's own types.
func (s *signer) sign(claims any) string {
	token, err := jwt.Signed(s.jose).Claims(claims).Serialize()
	if err != nil {
		panic("exchangetest: " + err.Error())
	}
	return token
}

// verify checks a JWT's signature and decodes its claims.
func (s *signer) verify(token string, claims any) error {
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		return err
	}
	return parsed.Claims(&s.key.PublicKey, claims)
}
