package diagnosis

// localRows are what no server put into words.
var localRows = []Row{
	{
		ID: "L1", Says: "no such host",
		Means: "the host name does not exist, or not in this network's DNS",
		Do:    "check the name; see that the network resolves names of the internet",
		When:  []Match{{Local: []LocalKind{DNSUnknown}}},
		Causes: []Cause{{
			Problem:   `The host name {host} does not exist, or the DNS of this network does not know it`,
			Remedy:    `Check the spelling, and the Provider for the cloud; see that the network resolves names of the internet`,
			Reference: refClouds,
		}},
	},
	{
		ID: "L2", With: "L1", Says: "lookup: server misbehaving, i/o timeout",
		Means: "DNS does not answer", Do: "check the network, then try again",
		Class: Temporary, Reference: "RFC 1035",
		When: []Match{{Local: []LocalKind{DNSFailed}}},
	},
	{
		ID: "L3", Says: "connection refused; network is unreachable; no route to host",
		Means: "nothing listens at this address, or a firewall refuses the connection",
		Do:    "check host and port (IMAP 993, POP3 995, SMTP 587), and let the firewall pass them",
		Class: Temporary, Reference: refPersonal,
		When: []Match{{Local: []LocalKind{Refused, Unreachable}}},
	},
	{
		ID: "L4", With: "L3", Says: "i/o timeout; context deadline exceeded",
		Means: "no answer in time: usually a firewall that drops the packets, or the wrong port",
		Do:    "let the firewall pass the port; SMTP is 587 at Microsoft, never 465",
		Class: Temporary, Reference: refClouds,
		When: []Match{{Local: []LocalKind{TimedOut}}},
	},
	{
		ID: "L5", Says: "EOF, connection reset by peer (at AUTH)",
		Means: "the server hung up: token too long for it (POP3 at Exchange: 4,096 characters; Dovecot: 8,192), or too many connections",
		Do:    "shorten the token, use IMAP, or connect less often",
		Class: Temporary, Reference: refOAuth,
		When: []Match{{Local: []LocalKind{Closed}}},
		Causes: []Cause{
			{
				If: longForPOP3, Class: Configuration,
				Problem: tooLongForPOP3.Problem, Remedy: tooLongForPOP3.Remedy, Reference: refOAuth,
			},
			{
				If: all(longForDovecot, not(longForPOP3)), Class: Configuration,
				Problem:   `The server hung up on a token of {payload} bytes: Dovecot, for one, takes no more than 8,192 octets of base64`,
				Remedy:    `Raise the server's limit, or have fewer permissions and groups in the token`,
				Reference: "RFC 4954, section 4",
			},
			{
				If:        not(longForPOP3),
				Problem:   `The server, or something on the way, closed the connection without a word: an outage, too many connections, a firewall, or a port that expects other traffic`,
				Remedy:    `Try again later, with fewer connections at once; check host and port`,
				Reference: refLimits,
			},
		},
	},
	{
		ID: "L6", Says: "certificate is valid for …, not …",
		Means: "the certificate is another host's: wrong name or address, or a proxy in the way",
		Do:    "connect by the provider's host name",
		When:  []Match{{Local: []LocalKind{WrongName}}},
		Causes: []Cause{{
			Problem:   `The certificate is not one of {host}; its issuer is {detail}`,
			Remedy:    `Connect by the provider's own host name, not by an alias or IP address; if the issuer is your organization, its proxy inspects the connection and should not`,
			Reference: "RFC 9525, section 6",
		}},
	},
	{
		ID: "L7", With: "L6", Says: "certificate has expired or is not yet valid",
		Means: "the certificate, or this machine's clock, is out of date",
		Do:    "check the clock first",
		When:  []Match{{Local: []LocalKind{WrongTime}}},
		Causes: []Cause{{
			Problem:   `The certificate is valid from {detail}, and this machine's clock says otherwise`,
			Remedy:    `Check the clock first; if it is right, the server's certificate has expired`,
			Reference: "RFC 5280, section 4.1.2.5",
		}},
	},
	{
		ID: "L8", With: "L6", Says: "certificate signed by unknown authority",
		Means: "usually a proxy or virus scanner that inspects TLS; or old root certificates",
		Do:    "exempt the mail host from inspection, or trust the proxy's authority in TLSConfig.RootCAs",
		When:  []Match{{Local: []LocalKind{WrongIssuer}}},
		Causes: []Cause{{
			Problem:   `The certificate was issued by {detail}, which this machine does not trust: usually a proxy or virus scanner that inspects TLS`,
			Remedy:    `Exempt the host from inspection; or, if your organization wants it, add its authority to DialOptions.TLSConfig.RootCAs; on a bare machine, install the root certificates`,
			Reference: "RFC 5280, section 6",
		}},
	},
	{
		ID: "L9", Says: "first record does not look like a TLS handshake",
		Means: "the port speaks plaintext first",
		Do:    "set Service.StartTLS for 587, and leave it off for 465, 993 and 995", Reference: "RFC 8314, section 3",
		When: []Match{{Local: []LocalKind{NotTLS}}},
	},
	{
		ID: "L10", With: "L9", Says: "tls: handshake failure; protocol version not supported",
		Means: "the server, or a proxy before it, does not speak TLS 1.2 or newer as we do",
		Do:    "update it, or go around the proxy", Reference: "RFC 8446, section 6.2",
		When: []Match{{Local: []LocalKind{NoHandshake}}},
	},
	{
		ID: "L11", With: "L9", Says: "the server does not offer STARTTLS; plaintext after STARTTLS",
		Means: "something on the way removes TLS or tampers with the connection, or the port is wrong",
		Do:    "go around the mail gateway or virus scanner; never log in without TLS", Reference: "RFC 3207, section 6",
		When: []Match{{Local: []LocalKind{NoSTARTTLS, Tampered}}},
	},
	{
		ID: "L12", Says: "the server offers neither XOAUTH2 nor OAUTHBEARER",
		Means: "the server takes no OAuth tokens, or not at this port, or a gateway hides it",
		Do:    "check host and port; switch OAuth on at your own server", Reference: "RFC 7628",
		When: []Match{{Local: []LocalKind{NotAdvertised}}},
	},
	{
		ID: "L13", Says: "sign-in required",
		Means: "nobody has signed in, or the sign-in is gone from the store",
		Do:    "let the user sign in (BrowserLogin, DeviceLogin, AuthCodeURL)", Reference: "RFC 6749, section 4.1",
		When: []Match{{Local: []LocalKind{NoAccount}}},
	},
	{
		ID: "L14", With: "L9", Says: "the server greets with PREAUTH",
		Means: "the server, or somebody on the way, claims a login that nobody made",
		Do:    "check host and port; do not use the connection",
		Class: Configuration, Reference: "RFC 9051, section 7.1.4",
		When: []Match{{Step: "greeting", Text: []string{"greets with preauth"}}},
	},
	{
		ID: "L15", With: "L9", Says: "the connection is not protected by TLS",
		Means: "this package sends no token in the clear",
		Do:    "use the dialers, or give AuthenticateX a client that speaks TLS",
		Class: Configuration, Reference: "RFC 6750, section 5.3",
		When: []Match{{Text: []string{"connection is not protected", "connection that is not tls"}}},
	},
}
