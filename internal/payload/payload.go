// Package payload builds XOAUTH2's client message: raw, or in base64 at once.
package payload

import (
	"encoding/base64"
	"encoding/binary"
	"strings"

	"github.com/emersion/go-sasl"
)

// Separator ends every field of XOAUTH2 and OAUTHBEARER messages.
const Separator = "\x01"

const (
	user = "user="
	auth = Separator + "auth=Bearer "
	end  = Separator + Separator
)

// Client is a sasl.Client that writes its initial response in base64 itself,
// which saves making it first.
type Client interface {
	sasl.Client
	Mechanism() string
	// AppendInitial appends the initial response in base64, and leaves room
	// for a line break. Nil of nil means that there is none. It fails as
	// Start does.
	AppendInitial(dst []byte) ([]byte, error)
}

// Begin starts client. One that is no Client is made one.
func Begin(client sasl.Client) (Client, error) {
	if own, ok := client.(Client); ok {
		return own, nil
	}
	mech, ir, err := client.Start()
	return begun{client, mech, ir}, err
}

type begun struct {
	sasl.Client
	mech string
	ir   []byte // nil: there is none
}

func (b begun) Mechanism() string { return b.mech }

func (b begun) AppendInitial(dst []byte) ([]byte, error) {
	if b.ir == nil {
		return dst, nil
	}
	return AppendLine(dst, b.ir), nil
}

// AppendLine appends response in base64, and leaves room for a line break.
func AppendLine(dst, response []byte) []byte {
	dst = grow(dst, len(response))
	return base64.StdEncoding.AppendEncode(dst, response)
}

// grow returns dst with room for so many bytes in base64 and a line break.
func grow(dst []byte, size int) []byte {
	size = base64.StdEncoding.EncodedLen(size) + len("\r\n")
	if cap(dst)-len(dst) >= size {
		return dst
	}
	return append(make([]byte, 0, len(dst)+size), dst...)
}

// New returns the message for credentials that Check lets pass.
func New(username, token string) ([]byte, error) {
	if err := Check(username, token); err != nil {
		return nil, err
	}
	return []byte(user + username + auth + token + end), nil
}

// AppendBase64 appends what New returns, in base64, and leaves room for a line
// break. The token is checked while it is encoded: to look at each of its bytes
// twice would take half as long again. On an error, what lies beyond dst is
// of no use.
func AppendBase64(dst []byte, username, token string) ([]byte, error) {
	if err := CheckUsername(username); err != nil {
		return nil, err
	}
	body := strings.TrimRight(token, "=")
	if len(body) < step {
		raw, err := New(username, token)
		return AppendLine(dst, raw), err
	}
	size := len(user) + len(username) + len(auth) + len(token) + len(end)
	dst = grow(dst, size)

	var room [256]byte
	head := append(append(append(room[:0], user...), username...), auth...)
	first := (3 - len(head)%3) % 3 // what completes three bytes
	last := first + (len(body)-first)/step*step
	dst = base64.StdEncoding.AppendEncode(dst, append(head, body[:first]...))
	dst, ok := appendToken(dst, body[first:last])
	tail := append(append(append(room[:0], body[last:]...), token[len(body):]...), end...)
	if !ok || !isToken(body[:first]) || !isToken(body[last:]) {
		return nil, CheckToken(token)
	}
	return base64.StdEncoding.AppendEncode(dst, tail), nil
}

// step is how many bytes appendToken encodes at once.
const step = 6

// pairs holds two characters of base64 for every 12 bits.
var pairs = func() (table [1 << 12]uint16) {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	for i := range table {
		table[i] = uint16(alphabet[i>>6]) | uint16(alphabet[i&63])<<8
	}
	return table
}()

// appendToken appends s, which is of whole steps, in base64 to dst, which has
// the room, and reports whether it is made of characters of a token.
func appendToken(dst []byte, s string) (_ []byte, ok bool) {
	begin := len(dst)
	dst = dst[:begin+len(s)/3*4]
	bad := byte(0)
	for out := dst[begin:]; len(s) >= step && len(out) >= step/3*4; s, out = s[step:], out[step/3*4:] {
		a, b, c, d, e, f := s[0], s[1], s[2], s[3], s[4], s[5]
		bad |= notInToken[a] | notInToken[b] | notInToken[c] | notInToken[d] | notInToken[e] | notInToken[f]
		v := uint(a)<<16 | uint(b)<<8 | uint(c)
		w := uint(d)<<16 | uint(e)<<8 | uint(f)
		binary.LittleEndian.PutUint64(out, uint64(pairs[v>>12])|uint64(pairs[v&0xfff])<<16|
			uint64(pairs[w>>12])<<32|uint64(pairs[w&0xfff])<<48)
	}
	return dst, bad == 0
}
