//go:build linux

package realserver_test

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/xoauth2/go-xoauth2/internal/realserver"
)

// verdict is a testing.TB that keeps how a test ended.
type verdict struct {
	testing.TB
	text string
}

func (v *verdict) Helper() {}

func (v *verdict) Skip(args ...any) { v.end("skip: " + fmt.Sprint(args...)) }

func (v *verdict) Fatal(args ...any) { v.end("fatal: " + fmt.Sprint(args...)) }

func (v *verdict) Fatalf(format string, args ...any) { v.end("fatal: " + fmt.Sprintf(format, args...)) }

func (v *verdict) end(text string) {
	v.text = text
	runtime.Goexit()
}

func TestProgram(t *testing.T) {
	tests := []struct {
		name, program, required, want string
	}{
		{"installed", "sh", "", ""},
		{"installed and required", "sh", "1", ""},
		{"missing", "no-such-program", "", "skip: no real servers: install some-package"},
		{"missing and required", "no-such-program", "1", "fatal: no real servers: install some-package"},
		{"wrong setting", "no-such-program", "yes", `fatal: XOAUTH2_REQUIRE_SERVERS: got "yes", want 1 or nothing`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Setenv("XOAUTH2_REQUIRE_SERVERS", test.required)
			v := &verdict{TB: t}
			done := make(chan struct{})
			go func() {
				defer close(done)
				realserver.Program(v, test.program, "some-package")
			}()
			<-done
			if v.text != test.want {
				t.Errorf("got %q, want %q", v.text, test.want)
			}
		})
	}
}

func TestMask(t *testing.T) {
	t.Parallel()
	long := "dXNlcj1hbGljZUBjb250b3NvLnRlc3QBYXV0aD1CZWFyZXIgZXlKaGJHY2lPaUpTVXpJMU5pSjkuZXlKaGRXUWlPaUpvZEhSd2N6b3ZMMjkxZEd4dmIyc2k="
	tests := []struct {
		name, text, want string
	}{
		{"nothing", "imap-login: Info: Login: user=<alice@contoso.test>", "imap-login: Info: Login: user=<alice@contoso.test>"},
		{"JWT", "token eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJ4In0.c2ln, refused", "token {masked}, refused"},
		{"JWT without a signature", "eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJ4In0.", "{masked}"},
		{"payload", "C: a1 AUTHENTICATE XOAUTH2 " + long + "\n", "C: a1 AUTHENTICATE XOAUTH2 {masked}\n"},
		{"error document", "+ eyJzdGF0dXMiOiI0MDEifQ==", "+ eyJzdGF0dXMiOiI0MDEifQ=="},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := realserver.Mask(test.text); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
