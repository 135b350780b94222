// Package exchangetest is Microsoft Entra and Exchange Online for tests, in the
// manner of net/http/httptest: one call starts a fake of both on the loopback
// interface, with real TLS and a certificate authority of its own.
//
//	srv := exchangetest.NewServer()
//	defer srv.Close()
//	srv.AddMailbox("alice@contoso.com", message)
//
//	app := srv.App(nil) // a daemon with a client secret
//	client, err := xoauth2.DialIMAP(ctx, "alice@contoso.com", app.ClientCredentials(), srv.DialOptions())
//
// It is for tests alone. Nothing that it does is secure, though much of it
// looks so.
//
// # What it is
//
// The fake Entra has the v2.0 endpoints for authorization, tokens and device
// codes, discovery and keys. It knows the grants of RFC 6749 and RFC 8628,
// secrets, certificates, workload identities, PKCE, consent, rotation of refresh
// tokens, and what Entra demands of scopes and authorities; its access tokens
// are signed JWTs with Entra's claims, and its refusals have Entra's shape and
// AADSTS numbers. [Server.App] registers an application, [Server.SignIn] is
// the person at the browser, and without it the sign-in page works in a real
// one.
//
// The fake Exchange serves IMAP and POP3 with TLS from the first byte, SMTP
// with STARTTLS, and each of them the other way too, see [Server.Addr]. It
// greets, offers and refuses in Exchange's words. It checks a token's signature,
// audience, time and permission, and that its owner may use the mailbox: see
// [Server.GrantFullAccess] and [Server.GrantSendAs]. Mail sent by SMTP arrives
// in the mailboxes that IMAP and POP3 serve, and at [Server.Messages].
//
// [Server.SetStyle] gives it the manners of Outlook.com, Gmail, Yahoo or
// Dovecot instead.
//
// # What goes wrong
//
// There is a method for everything that is known to go wrong, from a token for
// the wrong resource to a connection that drops in the middle of a line. Each
// returns a [Fault], which lasts until it is cleared:
//
//	fault := srv.FailToken(7000215).Times(1) // the next client secret is wrong
//	srv.ThrottleTokens(2 * time.Second).Times(3)
//	srv.RemoveServicePrincipal()
//	srv.DropConnections(exchangetest.DuringLogin, xoauth2.SMTP)
//	...
//	if fault.Count() != 1 { ... }
//	srv.Heal()
//
// [Scenarios] lists them by name.
//
// # Time
//
// The server takes its time from time.Now, or from what [Server.SetClock] is
// given. Sessions end when their token does by that clock. Inside a bubble of
// testing/synctest sockets cannot be used; [Server.MemoryDial] and
// [Server.MemoryHTTPClient] then reach the server in memory.
//
// # What was done
//
// [Server.TokenRequests], [Server.Logins] and others count, and
// [Server.Secrets] returns every secret that the server has seen, for tests
// that make sure that a program's output holds none of them.
package exchangetest
