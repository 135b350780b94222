package authority

import (
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// App is one registered application. It is not changed after its registration.
type App struct {
	ID       string // Application (client) ID
	ObjectID string // of the Enterprise application: what an app-only token calls oid
	Name     string

	Public       bool // has no credential
	SingleTenant bool
	Secret       string
	Certificate  *x509.Certificate
	Federated    *Federated
	RedirectURLs []string
	Roles        []string // application permissions on Exchange
}

// Federated is an identity of another issuer that stands for an application.
type Federated struct {
	Issuer, Subject string
	Key             crypto.PublicKey
}

// Register adds an application and returns it with its ids.
func (s *Server) Register(app App) *App {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.apps) + 1
	app.ID, app.ObjectID = uuid("application", n), uuid("service principal", n)
	if app.Name == "" {
		app.Name = fmt.Sprintf("app%d", n)
	}
	s.keepSecret(app.Secret)
	s.apps[app.ID] = &app
	return &app
}

// app returns the application of an id, or nil.
func (s *Server) app(id string) *App {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.apps[strings.ToLower(id)]
}

// User is one person's account.
type User struct {
	Name     string // user principal name
	ObjectID string
	TenantID string
}

// personal reports whether the account is one of Microsoft's personal ones.
func (u *User) personal() bool { return u.TenantID == Personal }

// AddUser returns the user of a name, and adds it if there is none. The domain
// decides between work and personal accounts.
func (s *Server) AddUser(name string) *User {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addUser(name)
}

// addUser is AddUser with s.mu held.
func (s *Server) addUser(name string) *User {
	key := strings.ToLower(name)
	if u := s.users[key]; u != nil {
		return u
	}
	u := &User{Name: name, ObjectID: uuid("user", key), TenantID: Contoso}
	if slices.Contains([]string{"outlook.com", "hotmail.com", "live.com", "msn.com"}, domain(key)) {
		u.TenantID = Personal
	}
	s.users[key] = u
	return u
}

// user returns the user of a name, or nil.
func (s *Server) user(name string) *User {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.users[strings.ToLower(name)]
}

func domain(address string) string {
	_, after, _ := strings.Cut(address, "@")
	return after
}

// consent is one scope that a user granted an application.
type consent struct{ app, user, scope string }

// WithdrawConsents makes every user withdraw what was granted.
func (s *Server) WithdrawConsents() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.consents)
}

// RevokeSessions ends the sign-ins of a user, or of everybody if it is empty:
// their refresh tokens are void.
func (s *Server) RevokeSessions(username string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.refresh {
		if username == "" || strings.EqualFold(username, t.family.user.Name) {
			t.family.revoked = true
		}
	}
}

// The tenants that stand for many directories.
const (
	common        = "common"
	organizations = "organizations"
	consumers     = "consumers"
)

// tenantID returns the directory of a tenant's name in a URL: an id or a
// domain. It is empty for the names that stand for many.
func (s *Server) tenantID(name string) (id string, err error) {
	name = strings.ToLower(name)
	switch name {
	case common, organizations, consumers:
		return "", nil
	case Contoso, Personal:
		return name, nil
	case "contoso.onmicrosoft.com", "contoso.com":
		return Contoso, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for user := range maps.Keys(s.users) {
		if domain(user) == name {
			return Contoso, nil
		}
	}
	return "", errors.New("no such tenant")
}

// Secret returns the client secret of an application, if it has one.
func (s *Server) Secret(id string) string {
	if app := s.app(id); app != nil {
		return app.Secret
	}
	return ""
}
