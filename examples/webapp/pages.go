package main

import (
	"bytes"
	_ "embed"
	"html/template"
	"net/http"

	"github.com/xoauth2/go-xoauth2"
)

var (
	//go:embed pages.html
	pagesText string
	//go:embed style.css
	styleText []byte

	pages = template.Must(template.New("").Parse(pagesText))
)

func style(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	w.Header().Set("Cache-Control", "public, max-age=3600")
	_, _ = w.Write(styleText) // a browser that has gone away misses nothing
}

// show sends a page, whole or not at all.
func (s *site) show(w http.ResponseWriter, status int, name string, data any) {
	var page bytes.Buffer
	if err := pages.ExecuteTemplate(&page, name, data); err != nil {
		s.log.Error("page", "name", name, "error", err)
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(page.Bytes()) // as above
}

// problem is what a page shows of something that went wrong.
type problem struct {
	Title, Text string
	User        string // who is signed in
	Causes      []xoauth2.Cause
}

// showProblem shows what went wrong, and what is known about it.
func (s *site) showProblem(w http.ResponseWriter, status int, title, user string, err error) {
	s.show(w, status, "problem", problem{Title: title, User: user, Causes: xoauth2.Diagnose(err).Causes})
}
