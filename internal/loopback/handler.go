package loopback

import (
	"crypto/subtle"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
)

// handler tells the provider's answer from everything else that a browser, a
// web page or another program may send here.
type handler struct {
	host, state string
	visitors    *visitors
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer, status := h.judge(r)
	if status == http.StatusOK && !h.visitors.win(r.Context(), answer) {
		status = http.StatusGone
	}
	if status == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", "GET, POST")
	}
	writePage(w, status, answer)
}

// judge returns the parameters of a genuine answer with status 200, or the status of the refusal.
func (h *handler) judge(r *http.Request) (url.Values, int) {
	switch {
	case !strings.EqualFold(r.Host, h.host):
		// A web page that has its own name point to this machine (DNS
		// rebinding) sends that name. The redirect says localhost, so neither
		// 127.0.0.1 nor [::1] has to be let in.
		return nil, http.StatusForbidden
	case r.URL.Path != "/":
		return nil, http.StatusNotFound
	case r.Method != http.MethodGet && r.Method != http.MethodPost:
		return nil, http.StatusMethodNotAllowed
	case !isNavigation(r):
		return nil, http.StatusForbidden
	}
	params, status := parameters(r)
	if status == http.StatusOK && !IsAnswer(params, h.state) {
		return nil, http.StatusBadRequest
	}
	return params, status
}

// isNavigation reports whether the request may come from a window that the
// provider sent here, rather than from a script or an image in some web page.
// Browsers say so themselves (W3C Fetch Metadata). For those that do not: a
// navigation by GET carries no Origin. A form_post does, and rightly that of a
// foreign site, which is the provider's or, under a strict referrer policy,
// "null"; there are too many of them to list (one provider signs in at several
// hosts), so for POST all rests on the state, which a stranger does not know.
func isNavigation(r *http.Request) bool {
	if mode := r.Header.Get("Sec-Fetch-Mode"); mode != "" {
		return mode == "navigate"
	}
	origin := r.Header.Get("Origin")
	return r.Method == http.MethodPost || origin == "" || origin == "null"
}

// parameters returns the query of a GET, or the body of a POST as
// response_mode=form_post sends it (OAuth 2.0 Form Post Response Mode section
// 2), with status 200; or the status of the refusal.
func parameters(r *http.Request) (url.Values, int) {
	encoded := r.URL.RawQuery
	if r.Method == http.MethodPost {
		if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind != "application/x-www-form-urlencoded" {
			return nil, http.StatusUnsupportedMediaType
		}
		body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
		if err != nil {
			return nil, http.StatusBadRequest
		}
		if len(body) > maxBody {
			return nil, http.StatusRequestEntityTooLarge
		}
		encoded = string(body)
	}
	params, err := url.ParseQuery(encoded)
	if err != nil {
		return nil, http.StatusBadRequest
	}
	return params, http.StatusOK
}

// IsAnswer reports whether params are an authorization response (RFC 6749
// sections 4.1.2 and 4.1.2.1) to the request that was made with state: either a
// code or an error, and no parameter twice that decides anything.
func IsAnswer(params url.Values, state string) bool {
	for _, name := range []string{"state", "code", "error", "iss"} {
		if len(params[name]) > 1 {
			return false
		}
	}
	hasCode, hasError := params.Get("code") != "", params.Get("error") != ""
	sameState := subtle.ConstantTimeCompare([]byte(params.Get("state")), []byte(state)) == 1
	return sameState && state != "" && hasCode != hasError
}
