package xoauth2_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/smtp"
	"strings"
	"testing"

	"github.com/emersion/go-sasl"
	"golang.org/x/oauth2"

	"github.com/xoauth2/go-xoauth2"
)

// canary is a word that no error, trace or rendering may show.
const (
	canary      = "cAnArYbIrD"
	canaryToken = "eyJ" + canary + "00.eyJ" + canary + "11." + canary + "22"
	testUser    = "alice@contoso.test"
)

// assertNoCanary fails if text shows the canary, in clear or in base64.
func assertNoCanary(t *testing.T, what, text string) {
	t.Helper()
	if strings.Contains(text, canary) {
		t.Errorf("%s shows a secret", what)
	}
	for shift := range 3 {
		coded := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", shift) + canary))
		if strings.Contains(text, coded[4:len(coded)-4]) {
			t.Errorf("%s shows a secret in base64", what)
		}
	}
}

// assertSecret fails if any rendering of v shows the canary.
func assertSecret(t *testing.T, v any) {
	t.Helper()
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		assertNoCanary(t, fmt.Sprintf("%T with %s", v, verb), fmt.Sprintf(verb, v))
	}
	if text, err := json.Marshal(v); err == nil {
		assertNoCanary(t, fmt.Sprintf("JSON of %T", v), string(text))
	}
}

func TestInitialResponseRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, user, token, want string
	}{
		{"no user", "", canaryToken, "empty user name"},
		{"no token", testUser, "", "empty access token"},
		{"forged field", "alice\x01auth=Bearer x", canaryToken, "user name: byte 6 of 19 is the control character 0x01"},
		{"user with line break", testUser + "\n", canaryToken, "byte 19 of 19 is a line break: was it read from a file"},
		{"user with NUL", "a\x00b", canaryToken, "byte 2 of 3 is the control character 0x00"},
		{"user with DEL", "a\x7f", canaryToken, "byte 2 of 2 is the control character 0x7f"},
		{"token with line break", testUser, canaryToken + "\r\n", "is a line break: was it read from a file"},
		{"token with space", testUser, " " + canaryToken, "access token: byte 1 of"},
		{"token in quotes", testUser, `"` + canaryToken + `"`, "is a quotation mark"},
		{"two tokens", testUser, "YQ==" + canaryToken, `byte 3 of`},
		{"only padding", testUser, "===", `nothing but "="`},
		{"separator in token", testUser, "a\x01b", "byte 2 of 3 is the control character 0x01"},
		{"beyond ASCII", testUser, "aé", "byte 2 of 3 is a character that no token may hold"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			payload, err := xoauth2.InitialResponse(tt.user, tt.token)
			if err == nil {
				t.Fatalf("got payload of %d bytes, want an error", len(payload))
			}
			if !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "xoauth2: ") {
				t.Errorf("got %q, want xoauth2: … %q", err, tt.want)
			}
			assertSecret(t, err)
		})
	}
}

func TestInitialResponseAccepts(t *testing.T) {
	t.Parallel()
	for _, token := range []string{"a", "EwBwA8l6BAAU+/=", "ya29.a0~_-", "abc=="} {
		got, err := xoauth2.InitialResponse("jürgen@contoso.test", token)
		if want := "user=jürgen@contoso.test\x01auth=Bearer " + token + "\x01\x01"; err != nil || string(got) != want {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
	}
}

func BenchmarkInitialResponse(b *testing.B) {
	token := strings.Repeat("x", 1500)
	buf := make([]byte, 4096)
	payload, _ := xoauth2.InitialResponse(testUser, token)
	b.Run("floor", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			base64.StdEncoding.Encode(buf, payload)
		}
	})
	b.Run("payload", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			payload, _ := xoauth2.InitialResponse(testUser, token)
			base64.StdEncoding.Encode(buf, payload)
		}
	})
}

func FuzzInitialResponse(f *testing.F) {
	seeds := [][2]string{{testUser, canaryToken}, {"", ""}, {"a\x01b", "c"}, {"user=x", "auth=Bearer"}, {"ü", "==="}}
	for _, s := range seeds {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, user, token string) {
		payload, err := xoauth2.InitialResponse(user, token)
		if err != nil {
			return
		}
		var gotUser, gotToken string
		server := xoauth2.NewSASLServer(func(u, tok string) error {
			gotUser, gotToken = u, tok
			return nil
		})
		if _, done, err := server.Next(payload); !done || err != nil {
			t.Fatalf("our server refuses our payload %q: %v", payload, err)
		}
		if gotUser != user || gotToken != token {
			t.Errorf("got %q, %q, want %q, %q", gotUser, gotToken, user, token)
		}
	})
}

func TestSASLClient(t *testing.T) {
	t.Parallel()
	payload, _ := xoauth2.InitialResponse(testUser, canaryToken)
	document := []byte(`{"status":"400","schemes":"Bearer","scope":"https://mail.google.com/"}`)
	tests := []struct {
		name       string
		challenges [][]byte
		want       []string // the answers; "error" for an error
		refusal    *xoauth2.ServerError
	}{
		{"asked for the payload", [][]byte{{}}, []string{string(payload)}, nil},
		{"asked with nil", [][]byte{nil}, []string{string(payload)}, nil},
		{"refused", [][]byte{document}, []string{""}, &xoauth2.ServerError{Status: "400", Schemes: "Bearer", Scope: "https://mail.google.com/"}},
		{"asked, then refused", [][]byte{{}, document}, []string{string(payload), ""}, &xoauth2.ServerError{Status: "400", Schemes: "Bearer", Scope: "https://mail.google.com/"}},
		{"empty document", [][]byte{{}, {}}, []string{string(payload), ""}, &xoauth2.ServerError{}},
		{"not JSON", [][]byte{[]byte("go away")}, []string{""}, &xoauth2.ServerError{Status: "go away"}},
		{"JSON null", [][]byte{[]byte("null")}, []string{""}, &xoauth2.ServerError{Status: "null"}},
		{"a number as status", [][]byte{[]byte(`{"status":401}`)}, []string{""}, &xoauth2.ServerError{Status: "401"}},
		{"goes on asking", [][]byte{document, document}, []string{"", "error"}, &xoauth2.ServerError{Status: "400", Schemes: "Bearer", Scope: "https://mail.google.com/"}},
		{"goes on asking with nothing", [][]byte{{}, {}, {}}, []string{string(payload), "", "error"}, &xoauth2.ServerError{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			client := xoauth2.NewSASLClient(testUser, canaryToken)
			mech, ir, err := client.Start()
			if mech != xoauth2.Mechanism || string(ir) != string(payload) || err != nil {
				t.Fatalf("Start: got %q, %q, %v", mech, ir, err)
			}
			for i, challenge := range tt.challenges {
				got, err := client.Next(challenge)
				if err != nil {
					got = []byte("error")
				} else if got == nil {
					t.Errorf("answer %d is nil, which go-smtp takes for success", i)
				}
				if string(got) != tt.want[i] {
					t.Errorf("answer %d: got %q, want %q", i, got, tt.want[i])
				}
			}
			refusal := client.ServerError()
			if (refusal == nil) != (tt.refusal == nil) || refusal != nil && *refusal != *tt.refusal {
				t.Errorf("got %+v, want %+v", refusal, tt.refusal)
			}
			assertSecret(t, client)
		})
	}
}

func TestSASLClientBadCredential(t *testing.T) {
	t.Parallel()
	client := xoauth2.NewSASLClient(testUser, canaryToken+"\n")
	if _, _, err := client.Start(); err == nil {
		t.Error("Start took a token with a line break")
	}
	if resp, err := client.Next(nil); err == nil {
		t.Errorf("Next answered %d bytes with a bad token", len(resp))
	}
}

func FuzzChallenge(f *testing.F) {
	seeds := []string{"", "null", "{}", `{"status":"400","schemes":"Bearer","scope":"x"}`, `{"status":[1,2]}`, "\x01", `{"status":"` + strings.Repeat("é", 300) + `"}`}
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, challenge []byte) {
		client := xoauth2.NewSASLClient(testUser, "token")
		first, err := client.Next(challenge)
		if first == nil || err != nil {
			t.Fatalf("got %v, %v, want an answer", first, err)
		}
		refusal := client.ServerError()
		if (len(challenge) == 0) != (refusal == nil) {
			t.Fatalf("challenge %q: got document %+v", challenge, refusal)
		}
		if refusal != nil && len(refusal.Error()) > 8000 {
			t.Errorf("an error of %d bytes", len(refusal.Error()))
		}
	})
}

func TestSASLServer(t *testing.T) {
	t.Parallel()
	refusal := &xoauth2.ServerError{Status: "400", Schemes: "Bearer", Scope: "mail"}
	locked := errors.New("locked")
	authenticate := func(username, accessToken string) error {
		switch {
		case username == "locked":
			return locked
		case username != testUser || accessToken != "good":
			return fmt.Errorf("refused: %w", refusal)
		}
		return nil
	}
	good, _ := xoauth2.InitialResponse(testUser, "good")
	bad, _ := xoauth2.InitialResponse(testUser, "bad")
	lockedOut, _ := xoauth2.InitialResponse("locked", "good")
	tests := []struct {
		name      string
		responses [][]byte
		challenge string // the last one
		done      bool
		err       string
	}{
		{"success", [][]byte{good}, "", true, ""},
		{"success after asking", [][]byte{nil, good}, "", true, ""},
		{"document", [][]byte{bad}, `{"status":"400","schemes":"Bearer","scope":"mail"}`, false, ""},
		{"refusal after the document", [][]byte{bad, {}}, "", true, "refused"},
		{"no document", [][]byte{lockedOut}, "", true, "locked"},
		{"once more", [][]byte{good, good}, "", true, "unexpected"},
		{"no end", [][]byte{[]byte("user=a\x01auth=Bearer b\x01")}, "", true, "does not end"},
		{"no bearer", [][]byte{[]byte("user=a\x01auth=Basic b\x01\x01")}, "", true, "no bearer token"},
		{"field twice", [][]byte{[]byte("user=a\x01user=b\x01auth=Bearer b\x01\x01")}, "", true, "twice"},
		{"field without value", [][]byte{[]byte("user\x01auth=Bearer b\x01\x01")}, "", true, "without a value"},
		{"no user", [][]byte{[]byte("auth=Bearer b\x01\x01")}, "", true, "empty user name"},
		{"lower-case scheme", [][]byte{[]byte("user=" + testUser + "\x01auth=bearer good\x01\x01")}, "", true, ""},
		{"unknown field", [][]byte{[]byte("user=" + testUser + "\x01x=y\x01auth=Bearer good\x01\x01")}, "", true, ""},
		{"empty", [][]byte{{}}, "", true, "does not end"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server := xoauth2.NewSASLServer(authenticate)
			var challenge []byte
			var done bool
			var err error
			for _, response := range tt.responses {
				challenge, done, err = server.Next(response)
			}
			if string(challenge) != tt.challenge || done != tt.done {
				t.Errorf("got %q, %v, want %q, %v", challenge, done, tt.challenge, tt.done)
			}
			if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("got error %v, want %q", err, tt.err)
			}
		})
	}
}

func FuzzSASLServer(f *testing.F) {
	seeds := []string{"", "\x01\x01", "user=a\x01auth=Bearer b\x01\x01", "user=\x01auth=Bearer \x01\x01", "=\x01=\x01\x01"}
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, response []byte) {
		called := false
		server := xoauth2.NewSASLServer(func(username, accessToken string) error {
			called = true
			if _, err := xoauth2.InitialResponse(username, accessToken); err != nil {
				t.Errorf("authenticate is asked about what InitialResponse refuses: %v", err)
			}
			return nil
		})
		_, done, err := server.Next(append([]byte{}, response...))
		if !done || called != (err == nil) {
			t.Errorf("got done %v, error %v, authenticate called: %v", done, err, called)
		}
	})
}

func TestSMTPAuth(t *testing.T) {
	t.Parallel()
	source := oauth2.StaticTokenSource(&oauth2.Token{AccessToken: canaryToken})
	long := oauth2.StaticTokenSource(&oauth2.Token{AccessToken: strings.Repeat("x", 500)})
	offer := &smtp.ServerInfo{Name: "mail.contoso.test", TLS: true, Auth: []string{"LOGIN", "XOAUTH2"}}
	payload, _ := xoauth2.InitialResponse(testUser, canaryToken)

	t.Run("inline", func(t *testing.T) {
		t.Parallel()
		mech, ir, err := xoauth2.NewSMTPAuth(testUser, source).Start(offer)
		if mech != "XOAUTH2" || string(ir) != string(payload) || err != nil {
			t.Errorf("got %q, %d bytes, %v", mech, len(ir), err)
		}
	})
	t.Run("two steps", func(t *testing.T) {
		t.Parallel()
		auth := xoauth2.NewSMTPAuth(testUser, long)
		if mech, ir, err := auth.Start(offer); mech != "XOAUTH2" || ir != nil || err != nil {
			t.Fatalf("got %q, %d bytes, %v, want no initial response", mech, len(ir), err)
		}
		got, err := auth.Next([]byte{}, true)
		if !strings.HasPrefix(string(got), "user="+testUser) || err != nil {
			t.Errorf("got %d bytes, %v, want the payload", len(got), err)
		}
	})
	t.Run("document is dismissed with an empty line", func(t *testing.T) {
		t.Parallel()
		auth := xoauth2.NewSMTPAuth(testUser, source)
		auth.Start(offer)
		if got, err := auth.Next([]byte(`{"status":"400"}`), true); got == nil || len(got) != 0 || err != nil {
			t.Errorf("got %q, %v, want an empty answer that is not nil", got, err)
		}
	})
	t.Run("OAUTHBEARER", func(t *testing.T) {
		t.Parallel()
		auth := xoauth2.NewSMTPAuth("a,b=c@contoso.test", source)
		mech, ir, err := auth.Start(&smtp.ServerInfo{Name: "h", TLS: true, Auth: []string{"OAUTHBEARER"}})
		want := "n,a=a=2Cb=3Dc@contoso.test,\x01host=h\x01auth=Bearer " + canaryToken + "\x01\x01"
		if mech != "OAUTHBEARER" || string(ir) != want || err != nil {
			t.Errorf("got %q, %q, %v, want %q", mech, ir, err, want)
		}
		if got, err := auth.Next([]byte(`{"status":"invalid_token"}`), true); string(got) != "\x01" || err != nil {
			t.Errorf("got %q, %v, want 0x01", got, err)
		}
	})
	t.Run("endless challenges", func(t *testing.T) {
		t.Parallel()
		auth := xoauth2.NewSMTPAuth(testUser, source)
		auth.Start(offer)
		for range 100_000 {
			if _, err := auth.Next([]byte("x"), true); err != nil {
				return
			}
		}
		t.Error("no error after 100,000 challenges")
	})
	failures := []struct {
		name   string
		server smtp.ServerInfo
		source oauth2.TokenSource
		want   string
	}{
		{"plaintext", smtp.ServerInfo{Auth: offer.Auth}, source, "not protected by TLS"},
		{"plaintext to localhost", smtp.ServerInfo{Name: "localhost", Auth: offer.Auth}, source, "not protected by TLS"},
		{"not offered", smtp.ServerInfo{TLS: true, Auth: []string{"PLAIN", "LOGIN"}}, source, `"PLAIN LOGIN"`},
		{"no source", *offer, nil, "no token source"},
		{"bad token", *offer, oauth2.StaticTokenSource(&oauth2.Token{AccessToken: canaryToken + "\n"}), "line break"},
	}
	for _, tt := range failures {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			auth := xoauth2.NewSMTPAuth(testUser, tt.source)
			_, ir, err := auth.Start(&tt.server)
			if err == nil || !strings.Contains(err.Error(), tt.want) || ir != nil {
				t.Fatalf("got %d bytes, %v, want error %q", len(ir), err, tt.want)
			}
			assertSecret(t, err)
			assertNoCanary(t, "the Auth", fmt.Sprintf("%+v %#v", auth, auth))
		})
	}
}

var _ sasl.Client = (*xoauth2.SASLClient)(nil)
