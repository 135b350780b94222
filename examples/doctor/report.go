package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/xoauth2/go-xoauth2"
)

// status is how a step ended.
type status string

const (
	statusOK      status = "ok"
	statusWarning status = "warning"
	statusFailed  status = "failed"
	statusSkipped status = "skipped"
)

// step is a step that was taken. Its JSON is documented at the top of main.go.
type step struct {
	Name         string  `json:"name"`
	Status       status  `json:"status"`
	Milliseconds int64   `json:"duration_ms"`
	Detail       string  `json:"detail,omitempty"`
	Error        string  `json:"error,omitempty"`
	Class        string  `json:"class,omitempty"`
	RetryAfter   int64   `json:"retry_after_ms,omitempty"`
	Trace        string  `json:"trace,omitempty"`
	Causes       []cause `json:"causes,omitempty"`
}

type cause struct {
	Certain   bool     `json:"certain"`
	Problem   string   `json:"problem"`
	Remedy    string   `json:"remedy"`
	Commands  []string `json:"commands,omitempty"`
	Reference string   `json:"reference,omitempty"`
}

// explain fills in what a failure means.
func (s *step) explain(err error) {
	d := xoauth2.Diagnose(err)
	s.Detail = ""
	s.Error = err.Error()
	s.Class = d.Class.String()
	s.RetryAfter = d.RetryAfter.Milliseconds()
	if refused, ok := errors.AsType[*xoauth2.AuthError](err); ok {
		s.Trace = refused.Trace()
	}
	if refused, ok := errors.AsType[*xoauth2.TokenError](err); ok && refused.TraceID != "" {
		s.Trace = fmt.Sprintf("trace id %s, correlation id %s", refused.TraceID, refused.CorrelationID)
	}
	for _, c := range d.Causes {
		s.Causes = append(s.Causes, cause(c))
	}
}

// report tells the steps as they are taken, or all of them at the end as JSON.
type report struct {
	out      io.Writer
	json     bool
	terminal bool // it can be overwritten
	colour   bool
	steps    []step
}

func newReport(out io.Writer, asJSON bool, getenv func(string) string) *report {
	terminal := !asJSON && isTerminal(out) && getenv("TERM") != "dumb"
	return &report{out: out, json: asJSON, terminal: terminal, colour: terminal && getenv("NO_COLOR") == ""}
}

func isTerminal(out io.Writer) bool {
	file, ok := out.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// begin shows on a terminal what is under way; add overwrites it.
func (r *report) begin(name string) {
	if r.terminal {
		fmt.Fprintf(r.out, "%-8s %s …", "", name)
	}
}

func (r *report) add(s step) {
	r.steps = append(r.steps, s)
	if r.json {
		return
	}
	if r.terminal {
		fmt.Fprint(r.out, "\r\x1b[K")
	}
	duration := ""
	if s.Status != statusSkipped {
		duration = (time.Duration(s.Milliseconds) * time.Millisecond).String()
	}
	line := fmt.Sprintf("%s %-18s %7s  %s", r.paint(s.Status), s.Name, duration, firstOf(s.Detail, s.Error))
	fmt.Fprintln(r.out, strings.TrimRight(line, " "))
	r.details(s)
}

// firstOf returns the detail, or else the error's first line.
func firstOf(detail, err string) string {
	if detail != "" {
		return detail
	}
	line, _, _ := strings.Cut(err, "\n")
	return line
}

// details prints what stands under a step.
func (r *report) details(s step) {
	if s.Status == statusWarning && s.Detail != "" {
		for line := range strings.SplitSeq(s.Error, "\n") {
			r.indent(1, "warning: ", line)
		}
	}
	if s.Trace != "" {
		r.indent(1, "for support: ", s.Trace)
	}
	if s.RetryAfter > 0 {
		r.indent(1, "try again in ", (time.Duration(s.RetryAfter) * time.Millisecond).String())
	}
	for _, c := range shown(s.Causes) {
		r.cause(c)
	}
}

// shown leaves out what is only possible where something is certain.
func shown(causes []cause) []cause {
	for i, c := range causes {
		if !c.Certain && i > 0 && causes[0].Certain {
			return causes[:i]
		}
	}
	return causes
}

func (r *report) cause(c cause) {
	sure := "possible: "
	if c.Certain {
		sure = "certain: "
	}
	r.indent(1, sure, c.Problem)
	r.indent(2, "→ ", c.Remedy)
	for _, command := range c.Commands {
		r.indent(3, "", command)
	}
	r.indent(2, "see ", c.Reference)
}

func (r *report) indent(depth int, label, text string) {
	fmt.Fprintf(r.out, "%s%s%s\n", strings.Repeat("   ", depth)+"      ", label, text)
}

// paint returns a status of constant width, in colour on a terminal.
func (r *report) paint(s status) string {
	text := fmt.Sprintf("%-8s", s)
	if !r.colour {
		return text
	}
	colours := map[status]int{statusOK: 32, statusWarning: 33, statusFailed: 31, statusSkipped: 90}
	return fmt.Sprintf("\x1b[%dm%s\x1b[0m", colours[s], text)
}

// finish ends the report, and says whether no step failed.
func (r *report) finish() bool {
	count := make(map[status]int)
	for _, s := range r.steps {
		count[s.Status]++
	}
	ok := count[statusFailed] == 0
	if r.json {
		encoder := json.NewEncoder(r.out)
		encoder.SetIndent("", "  ")
		encoder.SetEscapeHTML(false)
		_ = encoder.Encode(struct { // what cannot be written cannot be reported
			OK    bool   `json:"ok"`
			Steps []step `json:"steps"`
		}{ok, r.steps})
		return ok
	}
	fmt.Fprintf(r.out, "\nok: %d, warnings: %d, failed: %d, skipped: %d\n",
		count[statusOK], count[statusWarning], count[statusFailed], count[statusSkipped])
	return ok
}
