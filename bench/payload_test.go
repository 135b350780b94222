package bench_test

import (
	"encoding/base64"
	"strings"
	"testing"

	mailsmtp "github.com/wneessen/go-mail/smtp"

	"github.com/xoauth2/go-xoauth2"
	"github.com/xoauth2/go-xoauth2/bench/internal/lab"
	"github.com/xoauth2/go-xoauth2/internal/payload"
)

// BenchmarkPayload: the payload of a token of 1,500 bytes in base64. The floor
// is base64 alone, of a payload that is there already, into a buffer. "ours" is
// what the dialers do, checks included; "InitialResponse" is what a program can
// do, which gets the payload in memory of its own.
func BenchmarkPayload(b *testing.B) {
	const user = "alice@contoso.com"
	token := strings.Repeat("aB3-_", 300)
	message := must[[]byte](b)(xoauth2.InitialResponse(user, token))
	buffer := make([]byte, 0, 4<<10)
	peer := mailsmtp.XOAuth2Auth(user, token)
	server := &mailsmtp.ServerInfo{Name: "localhost", TLS: true, Auth: []string{"XOAUTH2"}}
	lab.Contest(b, "ns",
		lab.Timed("floor", 2_000, func() { _ = base64.StdEncoding.AppendEncode(buffer, message) }),
		lab.Timed("ours", 2_000, func() {
			if _, err := payload.AppendBase64(buffer, user, token); err != nil {
				panic(err)
			}
		}),
		lab.Timed("InitialResponse", 2_000, func() {
			made, err := xoauth2.InitialResponse(user, token)
			if err != nil {
				panic(err)
			}
			_ = base64.StdEncoding.AppendEncode(buffer, made)
		}),
		lab.Timed("go-mail", 2_000, func() {
			_, made, err := peer.Start(server)
			if err != nil {
				panic(err)
			}
			_ = base64.StdEncoding.EncodeToString(made) // as its Auth does
		}),
	)
}
