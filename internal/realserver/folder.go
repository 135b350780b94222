//go:build linux

package realserver

import (
	"bytes"
	"crypto/x509"
	"embed"
	"os"
	"os/user"
	"strconv"
	"text/template"
)

// mailOwner is the user, known to nobody else, whom all mailboxes belong to.
const mailOwner = 54321

//go:embed conf
var configurations embed.FS

// makeFolders makes the folders, each for who writes there.
func (s *Servers) makeFolders() error {
	postfix, err := user.Lookup("postfix")
	if err != nil {
		return err
	}
	postfixID, err := strconv.Atoi(postfix.Uid)
	if err != nil {
		return err
	}
	owners := map[string]int{
		"keys/default/RS256": 0,
		"mail":               mailOwner,
		"dovecot/run":        0,
		"dovecot/state":      0,
		"postfix/etc":        0,
		"postfix/data":       postfixID,
		"postfix/queue/pid":  0,
	}
	for _, queue := range []string{
		"active", "bounce", "corrupt", "defer", "deferred", "flush", "hold",
		"incoming", "maildrop", "private", "public", "saved", "trace",
	} {
		owners["postfix/queue/"+queue] = postfixID
	}
	for name, owner := range owners {
		if err := os.MkdirAll(s.path(name), 0o755); err != nil {
			return err
		}
		if err := os.Chown(s.path(name), owner, -1); err != nil {
			return err
		}
	}
	return nil
}

// writeKey writes the key where Dovecot looks for that of a token without
// "azp": <keys>/default/<alg>/<kid>.
func (s *Servers) writeKey(opts Options) error {
	if opts.Key == nil {
		return nil
	}
	der, err := x509.MarshalPKIXPublicKey(opts.Key)
	if err != nil {
		return err
	}
	return writePEM(s.path("keys/default/RS256/"+opts.KeyID), 0o644, "PUBLIC KEY", der)
}

// writeConfiguration fills in the configurations.
func (s *Servers) writeConfiguration(opts Options) error {
	templates, err := template.ParseFS(configurations, "conf/*")
	if err != nil {
		return err
	}
	if opts.Mechanisms == "" {
		opts.Mechanisms = "xoauth2 oauthbearer"
	}
	values := struct {
		Options
		IMAP, IMAPS, POP3, POP3S, SMTP, SMTPS Port
		Dir, IP, Host, Domain                 string
		Owner                                 int
	}{opts, IMAP, IMAPS, POP3, POP3S, SMTP, SMTPS, s.dir, s.ip, Host, domain, mailOwner}
	for name, path := range map[string]string{
		"dovecot.conf": "dovecot/dovecot.conf",
		"oauth2.conf":  "dovecot/oauth2.conf",
		"main.cf":      "postfix/etc/main.cf",
		"master.cf":    "postfix/etc/master.cf",
		"mailboxes":    "postfix/etc/mailboxes",
	} {
		var text bytes.Buffer
		if err := templates.ExecuteTemplate(&text, name, values); err != nil {
			return err
		}
		if err := os.WriteFile(s.path(path), text.Bytes(), 0o644); err != nil {
			return err
		}
	}
	return nil
}
