package lab

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/emersion/go-imap/v2/imapclient"

	"github.com/xoauth2/go-xoauth2"
)

// FloorIMAP is the least that makes an authenticated IMAP session: no
// capabilities, no limits, no cancellation, and no client.
func FloorIMAP(ctx context.Context, m *Mail, config *tls.Config) (io.Closer, error) {
	conn, err := m.secure(ctx, m.Provider.IMAP.Addr, config)
	if err != nil {
		return nil, err
	}
	r := bufio.NewReader(conn)
	if _, err := r.ReadSlice('\n'); err != nil {
		return nil, err
	}
	payload, err := xoauth2.InitialResponse(m.User, m.Token)
	if err != nil {
		return nil, err
	}
	if _, err := io.WriteString(conn, "a AUTHENTICATE XOAUTH2 "+base64.StdEncoding.EncodeToString(payload)+"\r\n"); err != nil {
		return nil, err
	}
	line, err := r.ReadString('\n')
	if err == nil && !strings.HasPrefix(line, "a OK ") {
		err = fmt.Errorf("unexpected reply: %q", line)
	}
	return conn, err
}

// FloorGoIMAP is FloorIMAP with a go-imap client on the connection, which asks
// for the capabilities.
func FloorGoIMAP(ctx context.Context, m *Mail, config *tls.Config) (io.Closer, error) {
	session, err := FloorIMAP(ctx, m, config)
	if err != nil {
		return nil, err
	}
	conn := session.(*tls.Conn)
	client := imapclient.New(&greeted{conn, strings.NewReader("* PREAUTH go on\r\n")}, nil)
	return client, client.WaitGreeting()
}

// greeted is a connection that begins with another greeting.
type greeted struct {
	net.Conn
	greeting io.Reader
}

// Read implements net.Conn.
func (g *greeted) Read(p []byte) (int, error) {
	if n, _ := g.greeting.Read(p); n > 0 {
		return n, nil
	}
	return g.Conn.Read(p)
}
