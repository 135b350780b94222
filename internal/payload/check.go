package payload

import (
	"errors"
	"fmt"
	"strings"
)

// Check refuses a user name that is empty or holds control characters, which
// would forge fields, and a token that is not of RFC 6750's b64token
// characters (section 2.1). Its errors name the position and never the value.
func Check(username, token string) error {
	if err := CheckUsername(username); err != nil {
		return err
	}
	return CheckToken(token)
}

// CheckUsername is Check for the user name.
func CheckUsername(username string) error {
	if username == "" {
		return errors.New("xoauth2: empty user name")
	}
	for i := range len(username) {
		if c := username[i]; c < ' ' || c == 0x7f {
			return fmt.Errorf("xoauth2: user name: %s", badByte(username, i))
		}
	}
	return nil
}

// CheckToken is Check for the token.
func CheckToken(token string) error {
	body := strings.TrimRight(token, "=")
	switch {
	case token == "":
		return errors.New("xoauth2: empty access token")
	case body == "":
		return errors.New(`xoauth2: access token: nothing but "=" characters`)
	case isToken(body):
		return nil
	}
	for i := range len(body) {
		if !isTokenByte(body[i]) {
			return fmt.Errorf("xoauth2: access token: %s", badByte(token, i))
		}
	}
	return nil
}

// isToken reports whether s is made of a token's characters. It does not look
// where another one is.
func isToken(s string) bool {
	bad := byte(0)
	for ; len(s) >= 8; s = s[8:] {
		bad |= notInToken[s[0]] | notInToken[s[1]] | notInToken[s[2]] | notInToken[s[3]] |
			notInToken[s[4]] | notInToken[s[5]] | notInToken[s[6]] | notInToken[s[7]]
	}
	for i := range len(s) {
		bad |= notInToken[s[i]]
	}
	return bad == 0
}

// notInToken is 1 for every byte that is no character of a token.
var notInToken = func() (table [256]byte) {
	for i := range table {
		if !isTokenByte(byte(i)) {
			table[i] = 1
		}
	}
	return table
}()

func isTokenByte(c byte) bool {
	switch {
	case 'A' <= c && c <= 'Z', 'a' <= c && c <= 'z', '0' <= c && c <= '9':
		return true
	}
	return c == '-' || c == '.' || c == '_' || c == '~' || c == '+' || c == '/'
}

// badByte describes the byte that is out of place by its position and kind,
// never by the text around it, and names the usual cause.
func badByte(s string, i int) string {
	where := fmt.Sprintf("byte %d of %d", i+1, len(s))
	switch c := s[i]; {
	case c == '\n' || c == '\r':
		return where + " is a line break: was it read from a file and not trimmed?"
	case c == ' ' || c == '\t':
		return where + " is white space: was it copied with something around it?"
	case c < ' ' || c == 0x7f:
		return fmt.Sprintf("%s is the control character 0x%02x", where, c)
	case c == '=':
		return where + ` is "=", which is allowed at the end only: are these two tokens in one?`
	case c == '"' || c == '\'':
		return where + " is a quotation mark: was it copied from JSON or a shell?"
	}
	return where + " is a character that no token may hold (RFC 6750, section 2.1)"
}
