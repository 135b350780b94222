package authority

import (
	"html/template"
	"maps"
	"net/http"
	"net/url"
	"slices"
)

// pages are what a person sees in a browser. They load nothing.
var pages = template.Must(template.New("").Parse(`
{{define "head"}}<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{.}}</title>
<style>
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 28rem; margin: 3rem auto; padding: 0 1rem; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; }
footer { margin-top: 2rem; font-size: .875rem; opacity: .7; }
label, input, button { font: inherit; display: block; }
input { width: 100%; box-sizing: border-box; padding: .5rem; margin: .25rem 0 1rem; }
button { display: inline; padding: .5rem 1rem; margin-right: .5rem; }
</style>
</head>
<body>
<main>
<h1>{{.}}</h1>
{{end}}

{{define "foot"}}<footer>A fake of Microsoft Entra for tests, which asks for no password.</footer>
</main></body></html>
{{end}}

{{define "account"}}<label for="username">Account</label>
<input id="username" name="username" type="email" list="accounts" value="{{.Hint}}" autocomplete="username" autofocus>
<datalist id="accounts">{{range .Accounts}}<option value="{{.}}">{{end}}</datalist>
{{end}}

{{define "signin"}}{{template "head" "Sign in"}}
<p>{{.App}} asks for these permissions:</p>
<ul>{{range .Permissions}}<li>{{.}}</li>{{end}}</ul>
<form method="post">
{{template "account" .}}<button name="action" value="signin">Sign in</button>
<button name="action" value="cancel" formnovalidate>Cancel</button>
</form>
{{template "foot"}}{{end}}

{{define "device"}}{{template "head" "Sign in on a device"}}
{{with .Outcome}}<p role="status">{{.}}</p>{{end}}
<form method="post">
<label for="code">Code that the device shows</label>
<input id="code" name="code" value="{{.Code}}" autocomplete="off"{{if not .Code}} autofocus{{end}}>
{{template "account" .}}<button name="action" value="signin">Sign in</button>
<button name="action" value="cancel" formnovalidate>Cancel</button>
</form>
{{template "foot"}}{{end}}

{{define "consent"}}{{template "head" "Permissions for your organization"}}
<p>{{.App}} asks for these permissions in the whole of {{.Tenant}}:</p>
<ul>{{range .Permissions}}<li>{{.}}</li>{{end}}</ul>
<form method="post">
<button name="action" value="signin">Accept</button>
<button name="action" value="cancel">Cancel</button>
</form>
{{template "foot"}}{{end}}

{{define "error"}}{{template "head" "Sorry, but we’re having trouble signing you in."}}
<p>{{.}}</p>
{{template "foot"}}{{end}}

{{define "formpost"}}{{template "head" "Working…"}}
<form method="post" action="{{.Action}}">
{{range $name, $values := .Parameters}}{{range $values}}<input type="hidden" name="{{$name}}" value="{{.}}">
{{end}}{{end}}<button>Continue</button>
</form>
<script>document.forms[0].submit()</script>
</main></body></html>
{{end}}
`))

// show sends a page.
func (c *call) show(status int, name string, data any) {
	c.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	c.w.WriteHeader(status)
	// A browser that has gone away cannot be told.
	_ = pages.ExecuteTemplate(c.w, name, data)
}

// accounts returns the names that a user may pick.
func (c *call) accounts() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var names []string
	for _, key := range slices.Sorted(maps.Keys(c.users)) {
		names = append(names, c.users[key].Name)
	}
	return names
}

func (c *call) showSignIn(request *signIn) {
	c.show(http.StatusOK, "signin", struct {
		App, Hint             string
		Permissions, Accounts []string
	}{c.app.Name, c.form.Get("login_hint"), request.scopes.names(), c.accounts()})
}

func (c *call) showDevice(outcome string) {
	c.show(http.StatusOK, "device", struct {
		Outcome, Code, Hint string
		Accounts            []string
	}{outcome, c.form.Get("code"), "", c.accounts()})
}

// showError shows a refusal to the user, since the application must not or
// cannot hear of it.
func (c *call) showError(err *Error) {
	c.show(err.status, "error", c.describe(err))
}

func (c *call) showFormPost(action string, parameters url.Values) {
	c.show(http.StatusOK, "formpost", struct {
		Action     string
		Parameters url.Values
	}{action, parameters})
}
