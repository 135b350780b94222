package main

import (
	"context"
	"fmt"
	"html"
	"io"
	"net/http"
	"regexp"
)

// person is somebody with a browser, who is played.
type person struct {
	ctx    context.Context // of the demonstration
	out    io.Writer
	name   string
	client *http.Client
	base   string
}

var (
	heading = regexp.MustCompile(`<h1>([^<]*)</h1>`)
	subject = regexp.MustCompile(`<td class="subject">([^<]*)</td>`)
)

// visit opens a page of the application, or presses a button on one, and tells
// what the page looks like to which that leads.
func (p *person) visit(method, path string) error {
	request, err := http.NewRequestWithContext(p.ctx, method, p.base+path, nil)
	if err != nil {
		return err
	}
	response, err := p.client.Do(request)
	if err != nil {
		return err
	}
	body, err := io.ReadAll(response.Body)
	_ = response.Body.Close() // it was read to its end, or the error is known
	if err != nil {
		return err
	}
	found := heading.FindSubmatch(body)
	if response.StatusCode != http.StatusOK || found == nil {
		return fmt.Errorf("%s got %s from %s %s", p.name, response.Status, method, path)
	}
	fmt.Fprintf(p.out, "%s sees the page %q.\n", p.name, found[1])
	for _, match := range subject.FindAllSubmatch(body, -1) {
		fmt.Fprintf(p.out, "  %s\n", html.UnescapeString(string(match[1])))
	}
	return nil
}
