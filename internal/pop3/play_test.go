package pop3_test

import (
	"bufio"
	"io"
	"net"
	"strings"
	"testing"
)

// play is a server's part in a session: it writes the lines that begin with
// "S: ", those without a client's line between them at once, and
// expects those that begin with "C: ".
func play(t *testing.T, conn net.Conn, lines ...string) {
	t.Helper()
	r := bufio.NewReader(conn)
	said := ""
	for i, line := range lines {
		text, ours := strings.CutPrefix(line, "S: ")
		if ours {
			said += text + "\r\n"
		}
		if ours && i < len(lines)-1 {
			continue
		}
		if _, err := io.WriteString(conn, said); err != nil {
			t.Errorf("saying %q: %v", said, err)
			return
		}
		said = ""
		if ours {
			return
		}
		got, err := r.ReadString('\n')
		if want := strings.TrimPrefix(line, "C: ") + "\r\n"; got != want {
			t.Errorf("the client says %q, %v, want %q", got, err, want)
			return
		}
	}
}
