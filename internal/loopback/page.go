package loopback

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"html/template"
	"net/http"
	"net/url"
	"strings"
)

// maxShown is how much of an error or its description the page shows, in bytes.
const maxShown = 1 << 10

const style = `:root{color-scheme:light dark}` +
	`body{font:1.125rem/1.5 system-ui,sans-serif;max-width:36rem;margin:15vh auto 0;padding:0 1.5rem}` +
	`h1{font-size:1.5rem}` +
	`dl{border-left:.25rem solid #b3261e;padding-left:1rem}` +
	`dt{font-family:monospace;font-weight:bold}` +
	`dd{margin:0;overflow-wrap:anywhere;white-space:pre-line}`

// The page loads nothing and runs nothing, not even a script that would take
// the code out of the address bar: the listener is gone by then, and a code is
// good for one use only, by the program that has the PKCE verifier (RFC 7636).
var page = template.Must(template.New("page").Parse(`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{.Title}}</title>
<style>` + style + `</style>
</head>
<body>
<main>
<h1>{{.Title}}</h1>
<p>{{.Text}}</p>
{{- if .Error}}
<dl>
<dt>{{.Error}}</dt>
<dd>{{.Description}}</dd>
</dl>
{{- end}}
</main>
</body>
</html>
`))

type content struct{ Title, Text, Error, Description string }

// writePage answers a request. With status 200, answer says how the sign-in went.
func writePage(w http.ResponseWriter, status int, answer url.Values) {
	var body bytes.Buffer
	if err := page.Execute(&body, contentFor(status, answer)); err != nil {
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	sum := sha256.Sum256([]byte(style))
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+
		"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes()) // a browser that has gone away misses only the page
}

func contentFor(status int, answer url.Values) content {
	switch {
	case status == http.StatusGone:
		return content{Title: "Already answered", Text: "This sign-in has had its answer. You can close this window."}
	case status != http.StatusOK:
		return content{
			Title: http.StatusText(status),
			Text:  "This is not the answer to the sign-in that is under way. Go back to the window in which you were signing in.",
		}
	case answer.Get("error") != "":
		return content{
			Title:       "Sign-in failed",
			Text:        "You are not signed in. You can close this window. The sign-in service gave this reason:",
			Error:       shown(answer.Get("error")),
			Description: shown(answer.Get("error_description")),
		}
	}
	return content{Title: "Signed in", Text: "You are signed in. You can close this window."}
}

// shown cuts a text of the provider, or of whoever made the link, to what a page can hold.
func shown(text string) string {
	return strings.ToValidUTF8(text[:min(len(text), maxShown)], "")
}
