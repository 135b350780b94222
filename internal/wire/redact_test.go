package wire_test

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/xoauth2/go-xoauth2/internal/wire"
)

// secret has no piece twice, so that what is found of it is of it.
const secret = "eyJ0eXAiOiJKV1QcAnArYbIrD.bQzK8-fGhLmNpRsTuVwXyZ_0123456789.SiGnAtUrE~abcdefghijklmno"

// assertHidden fails if text shows twelve characters in a row of what.
func assertHidden(t *testing.T, text string, what ...string) {
	t.Helper()
	const piece = 12
	for _, s := range what {
		for i := 0; i+piece <= len(s); i++ {
			if strings.Contains(text, s[i:i+piece]) {
				t.Errorf("got %q of the secret in %q", s[i:i+piece], text)
				return
			}
		}
	}
}

func TestRedactor(t *testing.T) {
	t.Parallel()
	r := wire.NewRedactor(secret)
	var forms []string
	for shift := range 3 {
		forms = append(forms, base64.StdEncoding.EncodeToString([]byte(secret[shift:])))
	}
	texts := []string{secret, "no " + secret + " here", secret + secret, strings.Repeat(secret+" ", 20), secret[:12], secret[len(secret)-12:], "x" + secret[20:40] + "y"}
	for before := range 6 {
		for _, part := range []string{secret, secret[:40], secret[13:], secret[7:60]} {
			whole := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", before) + part))
			texts = append(texts, whole, whole[:len(whole)-5], whole[5:], "<"+whole+">", "535 "+whole)
		}
	}
	for _, text := range texts {
		got := r.Text(text)
		assertHidden(t, got, append(forms, secret)...)
		for word := range strings.FieldsSeq(got) {
			if decoded, err := base64.StdEncoding.DecodeString(word); err == nil {
				assertHidden(t, string(decoded), secret)
			}
		}
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
		assertHidden(t, fmt.Sprintf(verb, r), append(forms, secret)...)
		assertHidden(t, fmt.Sprintf(verb, *r), append(forms, secret)...)
	}
}

// TestRedactorDocument shows that an error document stays one.
func TestRedactorDocument(t *testing.T) {
	t.Parallel()
	document := `{"status":"400","scope":"` + secret + `"}`
	got := wire.NewRedactor(secret).Text("+ " + base64.StdEncoding.EncodeToString([]byte(document)))
	word, ok := strings.CutPrefix(got, "+ ")
	decoded, err := base64.StdEncoding.DecodeString(word)
	if want := `{"status":"400","scope":"{redacted}"}`; string(decoded) != want || !ok || err != nil {
		t.Errorf("got %q, that is %q, want %q", got, decoded, want)
	}
}

func TestRedactorLeavesAlone(t *testing.T) {
	t.Parallel()
	r := wire.NewRedactor(secret)
	for _, text := range []string{
		"", "+", "* OK ready", "535 5.7.3 Authentication unsuccessful [SN2PR00CA0018.namprd00.prod.outlook.com]", "a  b ",
		secret[:11], "+ eyJzdGF0dXMiOiI0MDAiLCJzY2hlbWVzIjoiQmVhcmVyIn0=", "T2 AUTHENTICATE XOAUTH2 {ir}",
	} {
		if got := r.Text(text); got != text {
			t.Errorf("got %q, want %q itself", got, text)
		}
		if got := (*wire.Redactor)(nil).Text(text); got != text {
			t.Errorf("nil: got %q, want %q itself", got, text)
		}
	}
	for _, short := range []string{"", "a", "ab", "short"} {
		if got := wire.NewRedactor(short).Text("a short text"); got != "a short text" {
			t.Errorf("secret %q: got %q, want the text itself", short, got)
		}
	}
}

// TestRedactorBounded has texts that are made to take long: all their pieces are
// nearly of the secret.
func TestRedactorBounded(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	long := make([]byte, 60_000)
	for i := range long {
		long[i] = byte('a' + random.IntN(26))
	}
	r := wire.NewRedactor(string(long))
	line := strings.Repeat(string(long[:11])+"!", 5000)
	began := time.Now()
	for range 100 {
		if got := r.Text(line); len(got) > 10_000 {
			t.Fatalf("got %d bytes, want a text that somebody could read", len(got))
		}
	}
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("got 100 lines in %v, want them in a second or so", took)
	}
}

func FuzzRedactor(f *testing.F) {
	seeds := []string{"", secret, secret[:30], "+ " + base64.StdEncoding.EncodeToString([]byte(secret)), "a b  c", "=", "{redacted}"}
	for _, s := range seeds {
		f.Add(s, 3)
	}
	if len(seeds) == 0 {
		f.Fatal("no seeds")
	}
	r := wire.NewRedactor(secret)
	f.Fuzz(func(t *testing.T, text string, at int) {
		at = max(0, min(at, len(text)))
		assertHidden(t, r.Text(text), secret)
		assertHidden(t, r.Text(text[:at]+secret+text[at:]), secret)
	})
}
