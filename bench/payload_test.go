package bench_test

import (
	"encoding/base64"
	"strings"
	"testing"

	mailsmtp "github.com/wneessen/go-mail/smtp"

	"github.com/xoauth2/go-xoauth2"
	"github.com/xoauth2/go-xoauth2/bench/internal/lab"
)

// BenchmarkPayload: the payload of a token of 1,500 bytes in base64. The floor
// is base64 alone, of a payload that is there already, into a buffer.
func BenchmarkPayload(b *testing.B) {
	const user = "alice@contoso.com"
	token := strings.Repeat("aB3-_", 300)
	payload := must[[]byte](b)(xoauth2.InitialResponse(user, token))
	buffer := make([]byte, 0, base64.StdEncoding.EncodedLen(len(payload)))
	peer := mailsmtp.XOAuth2Auth(user, token)
	server := &mailsmtp.ServerInfo{Name: "localhost", TLS: true, Auth: []string{"XOAUTH2"}}
	lab.Contest(b, "ns",
		lab.Timed("floor", 2_000, func() { _ = base64.StdEncoding.AppendEncode(buffer, payload) }),
		lab.Timed("ours", 2_000, func() {
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

// TestPayloadAllocates once: the payload itself.
func TestPayloadAllocates(t *testing.T) {
	token := strings.Repeat("aB3-_", 300)
	if got := testing.AllocsPerRun(1000, func() { _, _ = xoauth2.InitialResponse("alice@contoso.com", token) }); got > 1 {
		t.Errorf("got %v allocations, want 1", got)
	}
}
