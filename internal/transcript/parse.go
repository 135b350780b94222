package transcript

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Parse reads a transcript. Its errors name the line.
func Parse(name string, data []byte) (*Script, error) {
	p := parser{script: &Script{
		Name:     name,
		Settings: Settings{User: defaultUser, TokenLength: defaultTokenLength},
	}}
	for i, text := range strings.Split(strings.TrimSuffix(string(data), "\n"), "\n") {
		p.number = i + 1
		if err := p.line(text); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, p.number, err)
		}
	}
	if err := p.end(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	p.script.token = fakeToken(p.script.Settings.TokenLength)
	return p.script, nil
}

type parser struct {
	script    *Script
	number    int
	transport bool   // the setting was seen
	secure    bool   // the handshake was seen
	last      kind   // of the last step
	mech      string // that the client named last
	tagged    bool   // a client line had a {tag}
}

func (p *parser) line(text string) error {
	switch {
	case p.script.Expect != "":
		return fmt.Errorf("%q after the expectation", text)
	case strings.ContainsRune(text, '\r'):
		return fmt.Errorf("carriage return in the line")
	case text == "":
		return nil
	case strings.HasPrefix(text, "#"):
		return p.comment(strings.TrimSpace(text[1:]))
	}
	if rest, ok := strings.CutPrefix(text, "expect: "); ok {
		return p.expectation(rest)
	}
	kind, ok := map[string]kind{"S:": serverLine, "C:": clientLine, "C?": optionalLine}[text[:min(2, len(text))]]
	if ok && (len(text) == 2 || text[2] == ' ') {
		return p.spoken(kind, strings.TrimPrefix(text[2:], " "))
	}
	return fmt.Errorf("%q is no comment, server line, client line or expectation", text)
}

func (p *parser) comment(text string) error {
	switch {
	case strings.HasPrefix(text, "(TLS handshake"):
		return p.handshake()
	case text == "(the server closed the connection)":
		return p.add(step{kind: hangUp})
	case len(p.script.steps) > 0:
		return nil
	}
	key, value, _ := strings.Cut(text, ":")
	value = strings.TrimSpace(value)
	switch key {
	case "Transport":
		return p.setTransport(value)
	case "User":
		p.script.Settings.User = value
	case "Token":
		return p.setToken(value)
	case "Options":
		for option := range strings.SplitSeq(value, ",") {
			if err := p.setOption(strings.TrimSpace(option)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *parser) setTransport(value string) error {
	switch value {
	case "implicit TLS":
	case "plain TCP, then STARTTLS", "plain TCP, then STLS":
		p.script.Settings.StartTLS = true
	default:
		return fmt.Errorf("unknown transport %q", value)
	}
	if p.transport {
		return fmt.Errorf("a second transport")
	}
	p.transport = true
	return nil
}

func (p *parser) setToken(value string) error {
	const least, most = 40, 64 << 10
	digits, ok := strings.CutSuffix(value, " characters")
	n, err := strconv.Atoi(digits)
	if !ok || err != nil || n < least || n > most {
		return fmt.Errorf("token length %q, want %d to %d characters", value, least, most)
	}
	p.script.Settings.TokenLength = n
	return nil
}

func (p *parser) setOption(option string) error {
	name, value, hasValue := strings.Cut(option, "=")
	settings := &p.script.Settings
	switch {
	case name == "local-name" && value != "":
		settings.LocalName = value
	case hasValue:
		return fmt.Errorf("unknown option %q", option)
	case name == "sasl-ir-known":
		settings.SASLIRKnown = true
	case name == "long-auth-line":
		settings.LongAuthLine = true
	case name == "verify-mailbox":
		settings.VerifyMailbox = true
	default:
		return fmt.Errorf("unknown option %q", option)
	}
	return nil
}

func (p *parser) handshake() error {
	switch first := len(p.script.steps) == 0; {
	case p.secure:
		return fmt.Errorf("a second TLS handshake")
	case first == p.script.Settings.StartTLS:
		return fmt.Errorf("a TLS handshake that does not suit the transport")
	}
	p.secure = true
	return p.add(step{kind: handshake})
}

func (p *parser) add(st step) error {
	switch {
	case !p.transport:
		return fmt.Errorf("the session begins before the transport is set")
	case p.last == hangUp:
		return fmt.Errorf("the session goes on after the server closed the connection")
	case p.last == optionalLine && st.kind != optionalLine:
		return fmt.Errorf("only optional lines may follow an optional one")
	}
	st.line, p.last = p.number, st.kind
	p.script.steps = append(p.script.steps, st)
	return nil
}

var (
	placeholder = regexp.MustCompile(`\{[a-z][a-z-]*\}`)
	authCommand = regexp.MustCompile(`(?i)^(?:\S+ )?AUTH(?:ENTICATE)? ([A-Z0-9-]+)(?: |$)`)
)

func (p *parser) spoken(k kind, text string) error {
	if k != serverLine {
		if !p.script.Settings.StartTLS && !p.secure {
			return fmt.Errorf("a client line before the TLS handshake")
		}
		p.tagged = p.tagged || strings.HasPrefix(text, "{tag} ")
		if m := authCommand.FindStringSubmatch(text); m != nil {
			p.mech = strings.ToUpper(m[1])
		}
	}
	for _, at := range placeholder.FindAllStringIndex(text, -1) {
		if err := p.placeholder(k, text[at[0]:at[1]], at[0]); err != nil {
			return err
		}
	}
	return p.add(step{kind: k, text: text, mech: p.mech})
}

// placeholder checks one that was found in a line at an offset. A server may
// say words in braces that are none.
func (p *parser) placeholder(k kind, name string, at int) error {
	known := slices.Contains([]string{"{tag}", "{ir}", "{token}", "{user}", "{host}"}, name)
	switch {
	case k != serverLine && !known:
		return fmt.Errorf("unknown placeholder %s", name)
	case k != serverLine && name == "{tag}" && at > 0:
		return fmt.Errorf("{tag} inside a client line")
	case name == "{tag}" && !p.tagged:
		return fmt.Errorf("{tag} before the client has sent one")
	case name == "{ir}" && p.mech != xoauth2 && p.mech != oauthBearer:
		return fmt.Errorf("{ir} without a mechanism that has one: %q", p.mech)
	case k != serverLine && !p.secure && (name == "{ir}" || name == "{token}"):
		return fmt.Errorf("%s before the TLS handshake", name)
	}
	return nil
}

func (p *parser) expectation(text string) error {
	class, quoted, hasText := strings.Cut(text, " ")
	if hasText {
		var err error
		if p.script.Text, err = strconv.Unquote(quoted); err != nil {
			return fmt.Errorf("expectation %q: the text is not quoted", text)
		}
	}
	p.script.Expect = Class(class)
	switch p.script.Expect {
	case OK, Refused, Mailbox, NotAdvertised, TLS, Protocol, Closed, Canceled, NoToken:
		return nil
	}
	return fmt.Errorf("unknown class %q", class)
}

// end checks what only the whole transcript shows.
func (p *parser) end() error {
	s := p.script
	switch {
	case !p.transport:
		return fmt.Errorf("no transport")
	case s.Expect == "":
		return fmt.Errorf("no expectation at the end")
	case s.Expect == OK && (!p.secure || p.last == hangUp):
		return fmt.Errorf("a session that is ok has a TLS handshake and stands at the end")
	case s.Expect != OK && p.last == optionalLine:
		return fmt.Errorf("optional lines where the client must close the connection")
	}
	return nil
}
