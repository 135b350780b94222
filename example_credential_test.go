package xoauth2_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/xoauth2/go-xoauth2"
	"github.com/xoauth2/go-xoauth2/exchangetest"
)

// The key and its certificate come from a file. A key in a key management
// service does as well: any crypto.Signer will do.
func ExampleClientCertificate() {
	data, err := os.ReadFile("daemon.pem")
	if err != nil {
		log.Fatal(err)
	}
	key, chain, err := xoauth2.LoadCertificate(data, "")
	if err != nil {
		log.Fatal(err)
	}
	app := &xoauth2.App{
		Tenant:     os.Getenv("TENANT_ID"),
		ClientID:   os.Getenv("CLIENT_ID"),
		Credential: xoauth2.ClientCertificate(key, chain...),
	}
	client, err := xoauth2.DialIMAP(context.Background(), "alice@contoso.com", app.ClientCredentials(), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
}

// PKCS #12 files, which end in .pfx or .p12, have a password.
func ExampleLoadCertificate() {
	data, err := os.ReadFile("daemon.pfx")
	if err != nil {
		log.Fatal(err)
	}
	key, chain, err := xoauth2.LoadCertificate(data, os.Getenv("CERTIFICATE_PASSWORD"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(chain[0].Subject, "until", chain[0].NotAfter)
	credential := xoauth2.ClientCertificate(key, chain[0]) // without its issuers, which few applications need
	_ = credential
}

// A workload in Kubernetes proves itself by the token of its service account,
// which the cluster projects into a file and renews there (Microsoft's "Workload
// identity federation").
func ExampleClientAssertion_kubernetes() {
	srv := exchangetest.NewServer() // in place of Microsoft's Entra, and of a cluster
	defer srv.Close()
	app := srv.App(&exchangetest.AppOptions{WorkloadIdentity: true})
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	tokenFile := filepath.Join(dir, "azure-identity-token") // os.Getenv("AZURE_FEDERATED_TOKEN_FILE")
	if err := os.WriteFile(tokenFile, []byte(srv.WorkloadToken()), 0o600); err != nil {
		log.Fatal(err)
	}

	app.Credential = xoauth2.ClientAssertion(func(context.Context) (string, error) {
		token, err := os.ReadFile(tokenFile)
		return string(token), err
	})
	token, err := app.ClientCredentials().Token()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(xoauth2.InspectToken(token.AccessToken).Roles)
	// Output: [IMAP.AccessAsApp POP.AccessAsApp SMTP.SendAsApp]
}

// A job of a CI system, here GitHub's, asks that for a token that says which
// job it is, and Entra trusts it as far as the federated credential of the
// application says.
func ExampleClientAssertion_ci() {
	fetch := func(ctx context.Context) (string, error) {
		address := os.Getenv("ACTIONS_ID_TOKEN_REQUEST_URL") + "&audience=" + url.QueryEscape("api://AzureADTokenExchange")
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
		if err != nil {
			return "", err
		}
		request.Header.Set("Authorization", "Bearer "+os.Getenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN"))
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return "", err
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return "", fmt.Errorf("the CI system gives no token: %s", response.Status)
		}
		var reply struct{ Value string }
		err = json.NewDecoder(response.Body).Decode(&reply)
		return reply.Value, err
	}
	app := &xoauth2.App{
		Tenant:     os.Getenv("TENANT_ID"),
		ClientID:   os.Getenv("CLIENT_ID"),
		Credential: xoauth2.ClientAssertion(fetch),
	}
	client, err := xoauth2.DialSMTP(context.Background(), "builds@contoso.com", app.ClientCredentials(), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	report := strings.NewReader("From: builds@contoso.com\r\nSubject: The build is done\r\n\r\n")
	if err := client.SendMail("builds@contoso.com", []string{"alice@contoso.com"}, report); err != nil {
		log.Fatal(err)
	}
}
