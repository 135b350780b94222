package diagnosis

// entraUserRows are the numbers that concern the user, the grant, and the
// request.
var entraUserRows = []Row{
	{
		ID: "E15", Says: "AADSTS50020; AADSTS500208; AADSTS16000",
		Means: "the account does not belong to this authority",
		Do:    "sign in with an account of the tenant, or change App.Tenant",
		When:  []Match{{AADSTS: []int{50020, 500200, 500207, 500208, 16000, 16003, 50014, 90072, 50177, 51001}}},
		Causes: []Cause{{
			Problem:   `The account that signed in does not belong to {tenant}: a personal account where a work account is due, or one of another organization`,
			Remedy:    `Sign in with the other account (a private browser window shows all choices), or set App.Tenant to where the account is`,
			Reference: refEntra,
		}},
	},
	{
		ID: "E16", Says: "AADSTS50074; AADSTS50076; AADSTS50078; AADSTS50079",
		Means: "multi-factor authentication is needed",
		Do:    "let the user sign in again, in a browser", Reference: refEntra,
		When: []Match{{AADSTS: []int{50074, 50076, 50078, 50079, 50072, 500121, 53004, 50203}}},
	},
	{
		ID: "E17", Says: "AADSTS53000; AADSTS53003; AADSTS530032; AADSTS530034; AADSTS50097; AADSTS50158",
		Means: "Conditional Access blocks the sign-in; it often blocks the device code",
		Do:    "sign in by the browser (BrowserLogin) on a managed device, or have the policy changed",
		When: []Match{{AADSTS: []int{
			53000, 53003, 530032, 530034, 50097, 50158, 53001, 53002, 53011, 530003, 530004, 530033, 530035, 50131, 50005, 530036, 530084,
			50129, 50155, 50187, 135011, 700003, 50002, 500021, 500022, 500212, 500213,
		}}},
		Causes: []Cause{
			{
				If:        number(50129, 50155, 50187, 135011, 700003),
				Problem:   `The organization does not know the device, or has deleted or disabled it there`,
				Remedy:    `Sign in on a registered device, or have the administrator register this one again`,
				Reference: refEntra,
			},
			{
				If:        number(50002, 500021, 500022, 500212, 500213),
				Problem:   `A tenant restriction or cross-tenant access policy keeps this user or network out of the tenant {tenant}`,
				Remedy:    `Have the administrator allow the tenant, or sign in with an account of the tenant that is allowed`,
				Reference: refEntra,
			},
			{
				If:        number(530035),
				Problem:   `The organization's security defaults block the sign-in`,
				Remedy:    `Sign in by the browser (BrowserLogin); or replace security defaults by policies that let it pass`,
				Reference: refEntra,
			},
			{
				If:        not(number(50129, 50155, 50187, 135011, 700003, 50002, 500021, 500022, 500212, 500213, 530035)),
				Problem:   `Conditional Access blocks the sign-in; it often blocks the device code`,
				Remedy:    `Sign in by the browser (BrowserLogin) on a managed device, or have the policy changed; the sign-in log of Entra names it`,
				Reference: refEntra,
			},
		},
	},
	{
		ID: "E18", With: "E16", Says: "AADSTS50132; AADSTS50133; AADSTS50173",
		Means: "the password was changed, or the sessions were revoked",
		Do:    "let the user sign in again", Reference: refTokens,
		When: []Match{{AADSTS: []int{50132, 50133, 50173, 50089, 70046}}},
	},
	{
		ID: "E19", With: "E16", Says: "AADSTS70008; AADSTS70043; AADSTS700082; AADSTS700084",
		Means: "the refresh token has ended: 90 days without use, a sign-in frequency policy, or 24 hours for a single-page application",
		Do:    "let the user sign in again",
		When:  []Match{{AADSTS: []int{70008, 70043, 700082, 700084, 700081, 50085}}},
		Causes: []Cause{
			{
				If:        number(700084),
				Problem:   `The refresh token was issued to a single-page application and ends after 24 hours`,
				Remedy:    `Register the redirect URI under the web or desktop platform, and let the user sign in again`,
				Reference: refTokens,
			},
			{
				If:        number(70043, 700081),
				Problem:   `The refresh token has ended, since a sign-in frequency policy wants a new sign-in`,
				Remedy:    `Let the user sign in again; exempt the application from the policy if it runs alone`,
				Reference: refTokens,
			},
			{
				Problem:   `The refresh token has ended: it was not used for 90 days, or an authorization code was redeemed too late`,
				Remedy:    `Let the user sign in again, and renew the token at least every few weeks`,
				Reference: refTokens,
			},
		},
	},
	{
		ID: "E20", Says: "AADSTS54005; AADSTS70000",
		Means: "the code was used twice, the grant is not valid for these scopes, or the account is locked",
		Do:    "redeem a code once; sign in again for the scopes",
		When:  []Match{{AADSTS: []int{54005, 70000, 700005}}},
		Causes: []Cause{
			{
				If:        number(54005),
				Problem:   `The authorization code was redeemed before: a page was loaded twice, or a request repeated`,
				Remedy:    `Redeem a code once, and begin a new sign-in`,
				Reference: refEntra,
			},
			{
				If:        said("abuse", "account is locked", "compromised"),
				Problem:   `Microsoft has locked the account, for suspected abuse`,
				Remedy:    `Let its owner sign in on the web and unlock it`,
				Reference: refEntra,
			},
			{
				If:        said("scopes requested are unauthorized", "unauthorized or expired"),
				Problem:   `The sign-in did not cover the scopes that are asked for now`,
				Remedy:    `Sign in again and consent to all of them; keep Graph's scopes out of mail requests`,
				Reference: refEntra,
			},
			{
				If:        number(70000, 700005),
				Problem:   `The refresh token or code is not valid: revoked, damaged, of another client id, or ended`,
				Remedy:    `Let the user sign in again`,
				Reference: refTokens,
			},
		},
	},
	{
		ID: "E21", Says: "AADSTS900144",
		Means: "the request lacks a parameter, often scope in a renewal",
		Do:    "send the one that the message names", Reference: refEntra,
		When: []Match{{AADSTS: []int{900144, 90014}}},
	},
	{
		ID: "E22", With: "E21", Says: "AADSTS900561",
		Means: "a GET came where a POST was due: a proxy or redirect rewrote the request, or a browser loaded a page of the sign-in again",
		Do:    "connect to the endpoint without the proxy; in a browser, begin the sign-in anew", Reference: refEntra,
		When: []Match{{AADSTS: []int{900561, 90056}}},
	},
	{
		ID: "E23", With: "E21", Says: "AADSTS9002313",
		Means: "the request is malformed, often by a secret or code that was not escaped or was cut short",
		Do:    "compare what is sent with the endpoint's documentation",
		When:  []Match{{AADSTS: []int{9002313, 90004, 90013, 90023, 90100, 901002}}},
		Causes: []Cause{
			{
				If:        number(9002313),
				Problem:   `The request is malformed, often by a secret or code that was not escaped or was cut short`,
				Remedy:    `Compare what is sent with the endpoint's documentation`,
				Reference: refEntra,
			},
			{
				If:        number(901002),
				Problem:   `The request names a "resource", as version 1.0 of the endpoint took it`,
				Remedy:    `Name scopes instead: {scope}, or {appscope} for an application`,
				Reference: refOAuth,
			},
			{
				If:        not(number(9002313, 901002)),
				Problem:   `Entra does not take the request as it is, for the reason that its words name: often the wrong tenant or endpoint for this kind of account, or a value that was damaged`,
				Remedy:    `Read the endpoint's words; compare App.Tenant, client id and what is sent with its documentation`,
				Reference: refEntra,
			},
		},
	},
	{
		ID: "E24", With: "E29", Says: "AADSTS50196",
		Means: "the same request came too often: a loop",
		Do:    "stop, wait some minutes, and keep tokens instead of asking anew", Reference: refEntra,
		When: []Match{{AADSTS: []int{50196}}},
	},
	{
		ID: "E25", Says: "AADSTS500011; AADSTS650052; AADSTS650056; AADSTS650057; AADSTS65006",
		Means: "the app registration lacks the permission, or the tenant lacks the resource (Exchange Online)",
		Do:    `add the permission of "Office 365 Exchange Online"; consent; check the scope's host`,
		When:  []Match{{AADSTS: []int{500011, 50001, 650052, 650056, 650057, 65006, 65005, 500014, 650054}}},
		Causes: []Cause{
			{
				If:        number(500014),
				Problem:   `The resource (Exchange Online) is disabled in the tenant, or its subscription has ended`,
				Remedy:    `Enable sign-in for "Office 365 Exchange Online" under Enterprise applications, and check the tenant's subscription`,
				Reference: refEntra,
			},
			{
				If:        number(500011, 50001, 650052, 650054),
				Problem:   `The tenant does not have the resource that the scope names: the scope's host is misspelt, the tenant or the cloud is the wrong one, or it has no Exchange Online`,
				Remedy:    `Ask for {scope}, or {appscope} as an application; check App.Tenant, and the tenant's subscription`,
				Commands:  []string{"{consent}"},
				Reference: refEntra,
			},
			{
				If:        not(number(500014, 500011, 50001, 650052, 650054)),
				Problem:   `The app registration lacks the permission that was asked for, or nobody has consented to it`,
				Remedy:    `Add the permission of "Office 365 Exchange Online" under "API permissions", and have an administrator consent`,
				Commands:  []string{"{consent}"},
				Reference: refEntra,
			},
		},
	},
	{
		ID: "E26", With: "E20", Says: "AADSTS501481",
		Means: "the PKCE verifier is not that of the sign-in",
		Do:    "keep one verifier for each sign-in, from AuthCodeURL to Exchange", Reference: "RFC 7636, section 4.6",
		When: []Match{{AADSTS: []int{501481, 50148, 50147, 501491}}},
	},
	{
		ID: "E27", Says: "AADSTS70016; AADSTS70018; AADSTS70019",
		Means: "the device code waits for the user, is wrong, or has expired",
		Do:    "enter the code shown; begin again after fifteen minutes",
		When:  []Match{{AADSTS: []int{70016, 70018, 70019, 70020}}},
		Causes: []Cause{
			{
				If:        number(70016),
				Problem:   `The user has not entered the device code yet`,
				Remedy:    `Go on polling`,
				Reference: "RFC 8628, section 3.5",
			},
			{
				If:        number(70018),
				Problem:   `The device code is wrong`,
				Remedy:    `Begin a new device login, and enter the code as it is shown`,
				Reference: "RFC 8628, section 3.5",
			},
			{
				If:        number(70019, 70020),
				Problem:   `The device code has expired before the user entered it`,
				Remedy:    `Begin a new device login`,
				Reference: "RFC 8628, section 3.5",
			},
		},
	},
	{
		ID: "E28", Says: "AADSTS50053; AADSTS50055; AADSTS50057",
		Means: "the account is locked, its password has expired, or it is disabled",
		Do:    "have the administrator look at the account",
		When:  []Match{{AADSTS: []int{50053, 50055, 50057, 50144, 50135, 50126, 50056, 50064}}},
		Causes: []Cause{
			{
				If:        number(50053),
				Problem:   `The account is locked after too many failed sign-ins, or the sign-in came from a suspicious address`,
				Remedy:    `Wait, or have the administrator unblock it; the sign-in log of Entra names the reason`,
				Reference: refEntra,
			},
			{
				If:        number(50055, 50144, 50135),
				Problem:   `The account's password has expired, or must be changed`,
				Remedy:    `Let the user set a new one, and sign in again`,
				Reference: refEntra,
			},
			{
				If:        number(50057),
				Problem:   `The account is disabled`,
				Remedy:    `Have the administrator enable it`,
				Reference: refEntra,
			},
			{
				If:        number(50126, 50056, 50064),
				Problem:   `The user name or password is wrong`,
				Remedy:    `Sign in with a browser or device code instead of sending passwords`,
				Reference: refEntra,
			},
		},
	},
	{
		ID: "E29", Says: "AADSTS90055; HTTP 429; HTTP 5xx",
		Means: "throttled, or an outage",
		Do:    "wait as Retry-After says; a new sign-in does not help", Reference: refEntra,
		When: []Match{
			{AADSTS: []int{90055, 90006, 90012, 90024, 90033, 90090, 50033, 50087, 50166, 70012}},
			{If: busyEndpoint},
		},
	},
	{
		ID: "E30", With: "E15", Says: "AADSTS50034; AADSTS51004",
		Means: "the user is not in this tenant",
		Do:    "check the user name; set App.Tenant to the user's tenant", Reference: refEntra,
		When: []Match{{AADSTS: []int{50034, 51004}}},
	},
	{
		ID: "E31", With: "E15", Says: "AADSTS50105; AADSTS7000112",
		Means: "the user is not assigned to the application, or the application is disabled",
		Do:    "assign the user, or enable it, under Enterprise applications", Reference: refEntra,
		When: []Match{{AADSTS: []int{50105, 7000112, 1000031}}},
	},
}

// busyEndpoint: the token endpoint is throttling or failing, whatever code it
// gives.
func busyEndpoint(f *Facts) bool {
	return f.OAuth != nil && (f.OAuth.Status == 429 || f.OAuth.Status/100 == 5)
}
