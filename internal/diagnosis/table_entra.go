package diagnosis

// entraRows are Entra's numbers. They choose the explanation and never the
// class, since Microsoft changes them: that comes from "error" and "suberror".
var entraRows = []Row{
	{
		ID: "E1", Says: "AADSTS65001; AADSTS65004; AADSTS90094; AADSTS90095",
		Means: "nobody consented, the user declined, or an administrator must approve",
		Do:    "open the consent page",
		When:  []Match{{AADSTS: []int{65001, 65004, 90094, 90095, 90008, 90099, 65002}}},
		Causes: []Cause{
			{
				If:        number(65002),
				Problem:   `The client id is that of an application of Microsoft's own, which may not have this permission`,
				Remedy:    `Register an application of your own, and use its client id`,
				Reference: refEntra,
			},
			{
				If:        number(65004),
				Problem:   `The user declined the consent`,
				Remedy:    `Let the user sign in again and accept, or an administrator consent for everybody`,
				Commands:  []string{"{consent}"},
				Reference: refConsent,
			},
			{
				If:        number(90094, 90095),
				Problem:   `In this tenant only an administrator may consent to the application`,
				Remedy:    `Have an administrator open the consent page`,
				Commands:  []string{"{consent}"},
				Reference: refConsent,
			},
			{
				If:        number(65001, 90008, 90099),
				Problem:   `Nobody has consented to the permissions that were asked for, for this user and this resource`,
				Remedy:    `Let the user sign in again and accept them, or an administrator consent for everybody; see that the app registration lists them`,
				Commands:  []string{"{consent}"},
				Reference: refConsent,
			},
		},
	},
	{
		ID: "E2", Says: "AADSTS70011; AADSTS28000; AADSTS28002; AADSTS28003; AADSTS700022; AADSTS650053",
		Means: "a scope is malformed, unknown, or there are scopes of two resources",
		Do:    "ask for mail scopes only, whole URLs",
		When: []Match{
			{AADSTS: []int{70011, 28000, 28002, 28003, 700022, 650053}},
			{AADSTS: []int{700023}, Text: []string{"scope"}},
			{AADSTS: []int{90023}, Text: []string{"no applicable permissions"}},
		},
		Causes: []Cause{
			{
				If:        said("no applicable permissions"),
				Problem:   `The scope names no permission that this user can grant: "/.default" does not serve personal accounts`,
				Remedy:    `Name the scopes: {scope}`,
				Reference: refOAuth,
			},
			{
				If:        either(number(28000, 700022), said("not compatible with each other", "more than one resource")),
				Problem:   `The scopes belong to two resources, usually Exchange and Graph; a token is for one`,
				Remedy:    `Ask for the mail scopes alone; a second token for Graph comes from the same sign-in (App.ExtraScopes)`,
				Reference: refOAuth,
			},
			{
				If:        said("/.default"),
				Problem:   `Client credentials take no named scopes`,
				Remedy:    `Ask for {appscope}`,
				Reference: refOAuth,
			},
			{
				If:        number(28003),
				Problem:   `The request names no scope`,
				Remedy:    `Name the mail scopes: {scope}`,
				Reference: refOAuth,
			},
			{
				Problem:   `A scope is misspelt, unknown to the resource, or a named one in a client-credentials request`,
				Remedy:    `Write scopes as whole URLs, as {scope}; an application asks for {appscope} and nothing else`,
				Reference: refOAuth,
			},
		},
	},
	{
		ID: "E3", With: "E2", Says: "AADSTS1002012",
		Means: "client credentials with a named scope",
		Do:    "ask for https://outlook.office365.com/.default", Reference: refOAuth,
		When: []Match{{AADSTS: []int{1002012}}},
	},
	{
		ID: "E4", Says: "AADSTS9001023; AADSTS50194; AADSTS9002331; AADSTS9002332; AADSTS9002346",
		Means: "this authority (common, organizations, consumers, a tenant) does not serve this application or grant",
		Do:    "set App.Tenant to the one that does",
		When:  []Match{{AADSTS: []int{9001023, 50194, 9002331, 9002332, 9002346, 90124, 90130, 50059, 90019, 90027, 500201}}},
		Causes: []Cause{
			{
				If:        number(90027, 500201),
				Problem:   `A personal account signed in at an endpoint of the old version 1.0, which serves work accounts only`,
				Remedy:    `Use the endpoints with /oauth2/v2.0/ in them, as the Providers have them; and register the application for personal accounts too`,
				Reference: refEntra,
			},
			{
				If:        number(50194),
				Problem:   `The application is registered for one tenant only, and was asked for under "common"`,
				Remedy:    `Set App.Tenant to the directory id, or register the application for several tenants`,
				Reference: refEntra,
			},
			{
				If:        number(9002331, 9002346),
				Problem:   `The application is registered for personal accounts only`,
				Remedy:    `Set App.Tenant to "consumers", or register the application for work accounts too`,
				Reference: refEntra,
			},
			{
				If:        number(9002332),
				Problem:   `The application is registered for work accounts only, and was asked for under "consumers"`,
				Remedy:    `Set App.Tenant to the directory id or "organizations", or register the application for personal accounts too`,
				Reference: refEntra,
			},
			{
				Problem:   `The authority {tenant} does not serve this grant`,
				Remedy:    `Set App.Tenant to the directory id; client credentials work with nothing else`,
				Reference: refEntra,
			},
		},
	},
	{
		ID: "E5", Says: "AADSTS700016",
		Means: "the application is not in this tenant: client id or tenant is wrong, the cloud is, or nobody there consented",
		Do:    "compare App.ClientID and App.Tenant with the portal; open the consent page", Commands: []string{"{consent}"}, Reference: refEntra,
		When: []Match{{AADSTS: []int{700016, 700011, 70001, 7000229}}},
	},
	{
		ID: "E6", With: "E5", Says: "AADSTS90002; AADSTS90038; AADSTS900382; AADSTS900432",
		Means: "the tenant is unknown, or in another cloud",
		Do:    "check App.Tenant; use the Provider of the tenant's cloud", Reference: refEntra,
		When: []Match{{AADSTS: []int{90002, 90038, 900382, 900432, 90051, 50128, 900023}}},
	},
	{
		ID: "E7", Says: "AADSTS7000215",
		Means: "the client secret is wrong; often it is the secret's id (a GUID) instead of its value",
		Do:    "create a secret and copy its Value, whole; it is shown once", Reference: refEntra,
		When: []Match{{AADSTS: []int{7000215, 70002}}},
	},
	{
		ID: "E8", With: "E7", Says: "AADSTS7000222",
		Means: "the client secret has expired",
		Do:    "create a new one, or use a certificate", Reference: refEntra,
		When: []Match{{AADSTS: []int{7000222}}},
	},
	{
		ID: "E9", Says: "AADSTS7000218",
		Means: "a confidential application sent no secret or certificate",
		Do:    `set App.Credential; or, for a desktop program, "Allow public client flows" and a redirect URI of the desktop platform`, Reference: refEntra,
		When: []Match{{AADSTS: []int{7000218, 7000216, 7000219}}},
	},
	{
		ID: "E10", With: "E9", Says: "AADSTS700025",
		Means: "a public client sent a secret",
		Do:    "leave App.Credential nil, or register the redirect URI under the web platform", Reference: refEntra,
		When: []Match{{AADSTS: []int{700025}}},
	},
	{
		ID: "E11", Says: "AADSTS700027; AADSTS50012",
		Means: "the certificate is not registered for the application, or the key is another one's",
		Do:    "upload the certificate with the printed thumbprint",
		When:  []Match{{AADSTS: []int{700027, 50012, 50013, 700023, 700030}}},
		Causes: []Cause{
			{
				If:        all(number(50012), said("client secret")),
				Problem:   `The client secret is wrong`,
				Remedy:    `Create a secret and copy its Value, whole; not its id`,
				Reference: refEntra,
			},
			{
				If:        number(700023),
				Problem:   `The client assertion names another audience than the token endpoint of the tenant`,
				Remedy:    `Make the assertion for the endpoint that it is sent to; a tenant other than App.Tenant is the usual reason`,
				Reference: refCerts,
			},
			{
				Problem:   `The certificate with which the request was signed is not registered for the application, or does not belong to the key. Its thumbprint (x5t#S256) is {thumbprint}`,
				Remedy:    `Upload the certificate under "Certificates & secrets" of the app registration, and compare the thumbprints`,
				Reference: refCerts,
			},
		},
	},
	{
		ID: "E12", With: "E11", Says: "AADSTS700024",
		Means: "the client assertion is outside its time: a clock is wrong",
		Do:    "set this machine's clock; the endpoint's Date header shows the difference",
		When:  []Match{{AADSTS: []int{700024, 500133}}},
		Causes: []Cause{
			{
				If:        skewed,
				Problem:   `This machine's clock is {skew}, so that the client assertion is outside its time`,
				Remedy:    `Set the clock, and keep it set (NTP)`,
				Reference: refCerts,
			},
			{
				If:        not(skewed),
				Problem:   `The client assertion was outside its time: it was kept too long, or the clock of the machine that made it is wrong`,
				Remedy:    `Read or make the assertion for every request, and check the clock; here it is {skew}`,
				Reference: refCerts,
			},
		},
	},
	{
		ID: "E13", Says: "AADSTS70021; AADSTS700211; AADSTS700212; AADSTS700213",
		Means: "no federated credential of the application matches the assertion's issuer, audience or subject",
		Do:    "compare them with the federated credential, letter by letter",
		When:  []Match{{AADSTS: []int{70021, 700211, 700212, 700213}}},
		Causes: []Cause{
			{
				If:        number(700211),
				Problem:   `No federated credential of the application has the assertion's issuer`,
				Remedy:    `Compare "iss" of the assertion with the credential's issuer, with the final slash`,
				Reference: refFederate,
			},
			{
				If:        number(700212),
				Problem:   `No federated credential of the application has the assertion's audience`,
				Remedy:    `Ask the issuer for the audience api://AzureADTokenExchange, or that of the tenant's cloud`,
				Reference: refFederate,
			},
			{
				If:        number(700213),
				Problem:   `No federated credential of the application has the assertion's subject`,
				Remedy:    `Compare "sub" of the assertion (service account, branch, environment) with the credential's subject; case matters`,
				Reference: refFederate,
			},
			{
				If:        number(70021),
				Problem:   `No federated credential of the application matches the assertion's issuer, subject and audience`,
				Remedy:    `Compare all three with the credential, letter by letter; a new credential takes some minutes`,
				Reference: refFederate,
			},
		},
	},
	{
		ID: "E14", Says: "AADSTS50011; AADSTS900971; AADSTS500113; AADSTS9002325; AADSTS9002326; AADSTS9002327",
		Means: "the redirect URI is not registered for the application, or as that of a single-page application",
		Do:    "register exactly the one that was sent, on the platform of the program",
		When:  []Match{{AADSTS: []int{50011, 900971, 500113, 70004, 500112, 9002325, 9002326, 9002327}}},
		Causes: []Cause{{
			If:        number(9002325, 9002327),
			Problem:   `The redirect URI {redirect} is registered for a single-page application, whose tokens only a browser may fetch`,
			Remedy:    `Remove it there, and register it under "Mobile and desktop applications", or under "Web" for a web application with a secret`,
			Reference: refRedirect,
		}, {
			If:        number(9002326),
			Problem:   `A browser's script asked for the token, but the redirect URI {redirect} is not registered for a single-page application`,
			Remedy:    `Let the program itself ask for tokens, without an Origin header; or register the URI under "Single-page application"`,
			Reference: refRedirect,
		}, {
			If:        not(number(9002325, 9002326, 9002327)),
			Problem:   `The redirect URI {redirect} is not registered for the application, or not for this kind of program`,
			Remedy:    `Register it, letter by letter: under "Mobile and desktop applications" for a program that signs in by a browser on its machine (http://localhost; the port does not count), under "Web" for a web application`,
			Reference: refRedirect,
		}},
	},
}
