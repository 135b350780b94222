// Package realserver starts throw-away instances of Dovecot and Postfix for
// tests: from temporary folders, on the loopback interface, unable to send
// anything elsewhere. Both take XOAUTH2 and OAUTHBEARER; Postfix leaves the
// judgement to Dovecot and delivers to Dovecot's mailboxes.
//
// It needs Linux, root, which the servers want in order to be somebody else
// while they talk to strangers, and Debian's packages dovecot-imapd,
// dovecot-pop3d and postfix, of version 12. Where that is missing, tests are
// skipped, unless XOAUTH2_REQUIRE_SERVERS=1 wants them.
package realserver
