package payload_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/xoauth2/go-xoauth2/internal/payload"
)

// TestAppendBase64 compares what is encoded in one go with the message in
// base64, for all lengths that are encoded in other pieces, and with every
// byte at every place of the token.
func TestAppendBase64(t *testing.T) {
	t.Parallel()
	token := strings.Repeat("aZ09-._~+/", 3)
	for names := range 4 {
		username := strings.Repeat("n", names)
		for length := range len(token) + 1 {
			for _, padding := range []string{"", "=", "=="} {
				compare(t, username, token[:length]+padding)
			}
			for c := range 256 {
				compare(t, username, token[:length]+string([]byte{byte(c)})+token[length:])
			}
		}
	}
	compare(t, strings.Repeat("long", 200), token)
	compare(t, "bad\nname", token)
}

func compare(t *testing.T, username, token string) {
	t.Helper()
	const begin = "AUTH "
	raw, wantErr := payload.New(username, token)
	got, err := payload.AppendBase64([]byte(begin), username, token)
	if (err == nil) != (wantErr == nil) || err != nil && err.Error() != wantErr.Error() {
		t.Fatalf("user %q, token %q: got %v, want %v", username, token, err, wantErr)
	}
	if want := begin + base64.StdEncoding.EncodeToString(raw); err == nil && string(got) != want {
		t.Fatalf("user %q, token %q: got %q, want %q", username, token, got, want)
	}
	if room := cap(got) - len(got); err == nil && room < len("\r\n") {
		t.Fatalf("user %q, token %q: got room for %d bytes, want it for a line break", username, token, room)
	}
}

// TestAllocations: the message takes the memory that it is in.
func TestAllocations(t *testing.T) {
	const username = "alice@contoso.com"
	token, buffer := strings.Repeat("aB3-_", 300), make([]byte, 0, 4096)
	for name, tt := range map[string]struct {
		make func()
		want float64
	}{
		"raw":                     {func() { _, _ = payload.New(username, token) }, 1},
		"in base64":               {func() { _, _ = payload.AppendBase64(nil, username, token) }, 1},
		"in base64 into a buffer": {func() { _, _ = payload.AppendBase64(buffer, username, token) }, 0},
	} {
		if got := testing.AllocsPerRun(100, tt.make); got != tt.want {
			t.Errorf("%s: got %v allocations, want %v", name, got, tt.want)
		}
	}
}
