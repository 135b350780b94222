package authority

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Shape is whose endpoints are imitated.
type Shape uint8

// The shapes.
const (
	Entra Shape = iota
	Google
	Yahoo
)

// call is one request to an endpoint.
type call struct {
	*Server
	w http.ResponseWriter
	r *http.Request

	shape    Shape
	tenant   string // as the URL names it
	tenantID string // empty for the names that stand for many
	form     url.Values
	app      *App // once it is known

	trace, correlation string
}

// maxForm is the largest request that is read.
const maxForm = 1 << 20

// in makes an endpoint of one shape an HTTP handler.
func (s *Server) in(as Shape, endpoint func(*call)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c := &call{Server: s, w: w, r: r, shape: as, tenant: r.PathValue("tenant")}
		c.identify()
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		if err := r.ParseForm(); err != nil {
			c.refuse(c.fail(9002313))
			return
		}
		c.form = r.Form
		endpoint(c)
	}
}

// identify gives the request the ids that Microsoft's support asks for.
func (c *call) identify() {
	c.mu.Lock()
	c.serial++
	n := c.serial
	c.mu.Unlock()
	c.trace = uuid("trace", n)
	c.correlation = c.r.Header.Get("Client-Request-Id")
	if c.correlation == "" {
		c.correlation = uuid("correlation", n)
	}
	if c.shape == Entra {
		c.w.Header().Set("X-Ms-Request-Id", c.trace)
		c.w.Header().Set("Client-Request-Id", c.correlation)
	}
}

// locate finds the directory that the URL names.
func (c *call) locate() *Error {
	if c.shape != Entra || c.tenant == "" {
		return nil
	}
	id, err := c.Server.tenantID(c.tenant)
	if err != nil {
		return c.fail(90002)
	}
	c.tenantID = id
	return nil
}

// findApp finds the application that the request names.
func (c *call) findApp() *Error {
	id := c.form.Get("client_id")
	if id == "" {
		return c.fail(900144, "{parameter}", "client_id")
	}
	c.app = c.Server.app(id)
	if c.app == nil {
		return c.fail(700016, "{app}", id)
	}
	if c.app.SingleTenant && c.shape == Entra && c.tenant != "" && c.tenantID != Contoso {
		return c.fail(50194)
	}
	return nil
}

// issuer returns what id_tokens and RFC 9207 call the endpoint in the
// directory tenantID.
func (c *call) issuer(tenantID string) string {
	if c.shape == Entra {
		return c.base + "/" + tenantID + "/v2.0"
	}
	return c.base
}

// Error is an OAuth 2.0 error reply (RFC 6749, section 5.2).
type Error struct {
	Number int // of Entra; 0: none
	Code   string
	Sub    string
	Text   string

	status int
}

// Error implements error.
func (e *Error) Error() string { return e.Code + ": " + e.Text }

// resource returns the resource that the request is for.
func (c *call) resource() string {
	if named := parseScopes(c.form.Get("scope")).resources(); len(named) > 0 {
		return named[0]
	}
	return graphResource
}

// fail returns the error of a number, its text filled in from the request and
// from replacements, pairs of a placeholder and its value.
func (c *call) fail(number int, replacements ...string) *Error {
	row, ok := aadsts[number]
	if !ok {
		row = refusal{code: "invalid_request", text: "The request is refused."}
	}
	pairs := append(slices.Clone(replacements), "{tenant}", c.tenant, "{grant}", c.form.Get("grant_type"), "{scope}", c.form.Get("scope"),
		"{redirect}", c.form.Get("redirect_uri"), "{method}", c.r.Method, "{user}", "user")
	if c.app != nil {
		pairs = append(pairs, "{app}", c.app.ID, "{name}", c.app.Name)
	}
	pairs = append(pairs, "{app}", c.form.Get("client_id"), "{name}", "app",
		"{resource}", c.resource(), "{parameter}", "scope", "{now}", c.Now().UTC().Format("2006-01-02T15:04:05.0000000Z"))
	status := row.status
	if status == 0 {
		status = http.StatusBadRequest
	}
	return &Error{
		Number: number,
		Code:   row.code,
		Sub:    row.sub,
		Text:   strings.NewReplacer(pairs...).Replace(row.text),
		status: status,
	}
}

// describe returns Entra's error_description.
func (c *call) describe(e *Error) string {
	if c.shape != Entra {
		return e.Text
	}
	return fmt.Sprintf("AADSTS%d: %s Trace ID: %s Correlation ID: %s Timestamp: %s",
		e.Number, e.Text, c.trace, c.correlation, c.timestamp())
}

func (c *call) timestamp() string { return c.Now().UTC().Format("2006-01-02 15:04:05Z") }

// refuse sends an error reply.
func (c *call) refuse(e *Error) {
	body := map[string]any{"error": e.Code, "error_description": c.describe(e)}
	if c.shape == Entra {
		body["error_codes"] = []int{e.Number}
		body["timestamp"] = c.timestamp()
		body["trace_id"] = c.trace
		body["correlation_id"] = c.correlation
		body["error_uri"] = c.base + "/error?code=" + strconv.Itoa(e.Number)
	}
	if e.Sub != "" && c.shape == Entra {
		body["suberror"] = e.Sub
	}
	c.reply(e.status, body)
}

// reply sends a JSON document.
func (c *call) reply(status int, document any) {
	body, err := json.Marshal(document)
	if err != nil {
		http.Error(c.w, err.Error(), http.StatusInternalServerError)
		return
	}
	c.w.Header().Set("Content-Type", "application/json; charset=utf-8")
	c.w.WriteHeader(status)
	// A client that has gone away cannot be told.
	_, _ = c.w.Write(body)
}
