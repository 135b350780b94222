package imaplogin_test

import (
	"bufio"
	"net"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2/imapclient"

	"github.com/xoauth2/go-xoauth2/internal/imaplogin"
	"github.com/xoauth2/go-xoauth2/internal/wire"
)

// TestGoodbye ends a session of go-imap, and looks for the server's reason in
// the error of the command that was under way.
func TestGoodbye(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		last, want string
		not        bool
	}{
		"BYE":                   {last: "* BYE Session invalidated - AccessTokenExpired\r\n", want: "Session invalidated - AccessTokenExpired"},
		"after something else":  {last: "* 3 EXISTS\r\n* BYE See you\r\n", want: "See you"},
		"before something else": {last: "* BYE See you\r\n* 3 EXISTS\r\n", want: "See you", not: true},
		"none":                  {last: "* 3 EXISTS\r\n", want: "unexpected EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			near, far := net.Pipe()
			go func() {
				defer far.Close()
				commands := bufio.NewReader(far)
				far.Write([]byte("* OK [CAPABILITY IMAP4rev1] ready\r\n"))
				commands.ReadString('\n')
				far.Write([]byte("T1 OK [CAPABILITY IMAP4rev1] done\r\n"))
				commands.ReadString('\n')
				far.Write([]byte(test.last))
			}()
			client := handOver(t, near)
			defer client.Close()
			err := client.Noop().Wait()
			if err == nil || strings.Contains(err.Error(), test.want) == test.not {
				t.Errorf("got %v, want %q: %v", err, test.want, !test.not)
			}
		})
	}
}

// TestLogout makes sure that a BYE that was asked for is no error.
func TestLogout(t *testing.T) {
	t.Parallel()
	near, far := net.Pipe()
	go func() {
		defer far.Close()
		commands := bufio.NewReader(far)
		far.Write([]byte("* OK [CAPABILITY IMAP4rev1] ready\r\n"))
		commands.ReadString('\n')
		far.Write([]byte("T1 OK [CAPABILITY IMAP4rev1] done\r\n"))
		commands.ReadString('\n')
		far.Write([]byte("* BYE logging out\r\n"))
		far.Write([]byte("T1 OK bye\r\n"))
	}()
	client := handOver(t, near)
	if err := client.Logout().Wait(); err != nil {
		t.Errorf("Logout: %v", err)
	}
	if err := client.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

// handOver makes a client of a connection whose server has greeted, after the
// first command.
func handOver(t *testing.T, conn net.Conn) *imapclient.Client {
	t.Helper()
	login, err := imaplogin.New(wire.NewConn(conn, nil))
	if err != nil {
		t.Fatal(err)
	}
	if err := login.Command("NOOP"); err != nil {
		t.Fatal(err)
	}
	client, err := login.Client(nil)
	if err != nil {
		t.Fatalf("Client: %v, want the login to stand", err)
	}
	return client
}
