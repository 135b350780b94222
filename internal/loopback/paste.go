package loopback

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// ParseRedirect returns the parameters of the redirect URL that a user copied
// from the address bar of a browser on another machine, where nothing listens.
// It has to be redirectURL with a query; spaces and quotes around it, and a
// missing http://, are forgiven. The caller has to check the state, with
// [IsAnswer]. No error shows what was pasted.
func ParseRedirect(raw, redirectURL string) (url.Values, error) {
	want, err := url.Parse(redirectURL)
	if err != nil {
		return nil, err // ours, and without a code
	}
	raw = strings.Trim(raw, " \t\r\n\"'`<>")
	if len(raw) > maxBody {
		return nil, errors.New("the pasted text is too long to be the redirect URL")
	}
	if n := len(want.Host); len(raw) >= n && strings.EqualFold(raw[:n], want.Host) {
		raw = want.Scheme + "://" + raw // some address bars hide it
	}
	got, err := url.Parse(raw)
	if err != nil { // which quotes the text
		return nil, fmt.Errorf("the pasted text is not a URL: copy the whole address, which begins with %s", redirectURL)
	}
	if got.Scheme != want.Scheme || !strings.EqualFold(got.Host, want.Host) || got.User != nil ||
		strings.TrimSuffix(got.Path, "/") != strings.TrimSuffix(want.Path, "/") {
		return nil, fmt.Errorf("the pasted text is not the redirect URL: copy the address that begins with %s", redirectURL)
	}
	if got.RawQuery == "" && got.Fragment != "" {
		return nil, errors.New("the pasted URL has the answer behind a #: the provider must be asked for response_mode=query")
	}
	if got.RawQuery == "" {
		return nil, errors.New("the pasted URL has no answer behind a ?: copy the whole address")
	}
	params, err := url.ParseQuery(got.RawQuery)
	if err != nil {
		return nil, errors.New("the answer in the pasted URL is malformed: copy the whole address again")
	}
	return params, nil
}
