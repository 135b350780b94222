// Package transcript plays written mail sessions to a client and compares every
// byte that the client sends. It also records such sessions.
//
// # Format
//
// A transcript has one line of the session to a line of the file, without the
// CRLF:
//
//	# What:      anything worth knowing
//	# Transport: implicit TLS
//
//	# (TLS handshake: TLSv1.3)
//	S: * OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=XOAUTH2] ready
//	C: {tag} AUTHENTICATE XOAUTH2 {ir}
//	S: {tag} OK done
//	C? {tag} CAPABILITY
//	expect: ok
//
// Lines that start with "S: " are what the server says, with "C: " what the
// client must say. "C:" alone is an empty line. Server lines without a client
// line between them leave in one write. "C? " marks a line that the client may
// leave out; such lines stand at the end. Blank lines mean nothing, and neither
// do comments ("#"), with these exceptions.
//
// Two comments are events of the session:
//
//	# (TLS handshake: TLSv1.3)            the version is not looked at
//	# (the server closed the connection)
//
// Four are settings; they stand before the session, and only the first is
// required:
//
//	# Transport: implicit TLS, or plain TCP, then STARTTLS (or STLS)
//	# User:      bob@contoso.test         the default is alice@contoso.test
//	# Token:     6015 characters          the default is 120
//	# Options:   sasl-ir-known, long-auth-line, verify-mailbox, local-name=client.example
//
// sasl-ir-known and long-auth-line are what is known of the provider,
// verify-mailbox and local-name what the caller asks of the dialer.
//
// # Placeholders
//
//	{tag}    at the start of a client line: any IMAP tag; in a server line: the last one
//	{ir}     base64 of the initial response of the mechanism that the client named last
//	{token}  the access token
//	{user}   the user name
//	{host}   the server's name
//
// and in server lines
//
//	{leak}   base64 of an error document that repeats the token
//
// Other words in braces are taken as they are in server lines, and refused in
// client lines. A credential before the TLS handshake is refused too.
//
// # Expectations
//
// The last line says how the attempt to log in ends. A quoted text after the
// class is part of the error's text, as in
//
//	expect: refused "535 5.7.3"
//
// The classes are
//
//	ok              the session stands
//	refused         the server refused the credential
//	mailbox         the server took the credential and refused the mailbox
//	not-advertised  the server offers no mechanism of ours
//	tls             no protection: STARTTLS is not offered, is refused or has
//	                plaintext behind it, or the handshake fails: the server hangs
//	                up at a handshake that the transcript does not have
//	protocol        a reply that is malformed, out of place, or a refusal of
//	                something other than the credential
//	closed          the server hung up, as it does after the last line
//	canceled        the caller's context ended while the server was silent
//	token           there was no token to send
//
// After the last line of a session that is ok the client may only send the
// optional lines. After any other it must close the connection; but where the
// last line is the client's, the server hangs up, unless the class is canceled.
package transcript
