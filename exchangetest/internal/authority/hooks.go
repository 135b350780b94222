package authority

import (
	"net/http"

	"github.com/xoauth2/go-xoauth2/exchangetest/internal/script"
)

// Hooks are the points at which a Server can be made to do other than it
// should.
type Hooks struct {
	Token     script.Script[Handler] // before a request to the token endpoint is looked at
	Authorize script.Script[Handler] // the same of the authorization endpoint
	Device    script.Script[Handler] // the same of the device authorization endpoint

	RefuseToken     script.Script[int] // the AADSTS number with which token requests are refused
	RefuseAuthorize script.Script[int] // and sign-ins
	RefuseDevice    script.Script[int] // and the first request of device sign-ins

	Claims   script.Script[func(*Claims)]        // what access tokens say
	IDToken  script.Script[func(map[string]any)] // what id_tokens say
	Reply    script.Script[func(map[string]any)] // what a token reply holds
	Opaque   script.Script[bool]                 // access tokens that say nothing
	BadSign  script.Script[bool]                 // access tokens that somebody else signed
	SlowDown script.Script[bool]                 // device polls that come too fast

	SecretExpired  script.Script[bool] // of every application
	RefreshExpired script.Script[bool] // every refresh token
}

// Handler does something with a request, and reports whether that was all the
// answer it gets.
type Handler func(w http.ResponseWriter, r *http.Request) (answered bool)

// scripted reports whether one of the handlers that are due answered.
func scripted(handlers *script.Script[Handler], w http.ResponseWriter, r *http.Request) bool {
	for handle := range handlers.Due() {
		if handle(w, r) {
			return true
		}
	}
	return false
}
