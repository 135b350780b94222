// Token prints an access token for mail programs that take one from a command:
// mutt, msmtp, isync, fetchmail, git send-email. The user signs in once; after
// that it is silent, and prints a new token whenever the last one is about to
// end. Several programs may call it at once.
//
// Without flags and configuration it signs in to a fake Entra in its own
// process, plays the person at the browser, and prints a token that opens
// nothing:
//
//	go run ./examples/token
//
// # Setting it up
//
// The application is registered for mobile and desktop applications, with the
// redirect URI http://localhost and the delegated permissions
// IMAP.AccessAsUser.All, POP.AccessAsUser.All and SMTP.Send, as far as they are
// used. A script that knows the configuration, here ~/bin/mail-token, spares the
// mail programs it:
//
//	#!/bin/sh
//	export XOAUTH2_CLIENT_ID=... XOAUTH2_TENANT=contoso.onmicrosoft.com XOAUTH2_MAILBOX=ann@contoso.com
//	exec "$HOME/go/bin/token" "$@"
//
// Then somebody has to sign in, once:
//
//	mail-token -browser >/dev/null      # or, over SSH, -browser -paste, or -device
//
// The sign-in is kept in a folder that only its user can read, and is as good as
// a password.
//
// # mutt
//
// From version 2 on, in ~/.muttrc:
//
//	set imap_user = "ann@contoso.com"
//	set folder = "imaps://outlook.office365.com/"
//	set imap_authenticators = "xoauth2"
//	set imap_oauth_refresh_command = "mail-token -protocol imap"
//	set smtp_url = "smtp://ann@contoso.com@smtp.office365.com:587/"
//	set smtp_authenticators = "xoauth2"
//	set smtp_oauth_refresh_command = "mail-token -protocol smtp"
//
// # msmtp
//
// From version 1.8.13 on, in ~/.msmtprc:
//
//	account contoso
//	host smtp.office365.com
//	port 587
//	tls on
//	from ann@contoso.com
//	user ann@contoso.com
//	auth xoauth2
//	passwordeval "mail-token -protocol smtp"
//
// # isync
//
// In ~/.mbsyncrc. Cyrus SASL needs a plugin for XOAUTH2: cyrus-sasl-xoauth2, or
// Debian's libsasl2-modules-kdexoauth2. TLSType is SSLType before version 1.5.
//
//	IMAPAccount contoso
//	Host outlook.office365.com
//	TLSType IMAPS
//	User ann@contoso.com
//	AuthMechs XOAUTH2
//	PassCmd "mail-token -protocol imap"
//
// # fetchmail
//
// In ~/.fetchmailrc, for version 7, which is in development; version 6 knows
// neither oauthbearer, which falls back to XOAUTH2, nor passwordeval, unless the
// distribution has added them:
//
//	poll outlook.office365.com protocol imap auth oauthbearer sslmode wrapped sslcertck
//	  username "ann@contoso.com" passwordeval "mail-token -protocol imap"
//
// # git send-email
//
// In ~/.gitconfig. Perl's Authen::SASL has XOAUTH2 from version 2.1800 on. The
// empty helper keeps others from storing a token that soon ends.
//
//	[sendemail]
//		smtpServer = smtp.office365.com
//		smtpServerPort = 587
//		smtpEncryption = tls
//		smtpUser = ann@contoso.com
//		smtpAuth = XOAUTH2
//	[credential "smtp://smtp.office365.com:587"]
//		helper =
//		helper = "!f() { test \"$1\" = get && echo \"password=$(mail-token -protocol smtp)\"; }; f"
package main
