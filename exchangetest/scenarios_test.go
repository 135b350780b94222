package exchangetest_test

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xoauth2/go-xoauth2"
	"github.com/xoauth2/go-xoauth2/exchangetest"
)

// states are the scenarios whose faults do not count what they do.
var states = []string{"foreign-certificate", "expired-certificate", "untrusted-certificate", "clock-behind", "clock-ahead"}

// endless are the scenarios against which a client tries for as long as its
// caller waits, which here is until the fault has happened.
var endless = []string{"token-throttled", "token-unavailable", "token-stalled", "token-dropped", "token-cut"}

// TestScenarios starts every scenario, and expects that it shows on its
// protocols or on the way to the token, that it does not on the others, and
// that all is well afterwards.
func TestScenarios(t *testing.T) {
	t.Parallel()
	for _, scenario := range exchangetest.Scenarios() {
		t.Run(scenario.Name, func(t *testing.T) {
			t.Parallel()
			srv := start(t)
			fault := scenario.Start(srv)
			if scenario.Protocols == nil {
				failToken(t, srv, scenario, fault)
			} else {
				failLogins(t, srv, scenario)
			}
			if fault.Count() == 0 && !slices.Contains(states, scenario.Name) {
				t.Error("the fault did not happen")
			}
			srv.Heal()
			check(t, srv, alice, srv.App(nil).ClientCredentials())
		})
	}
}

func failToken(t *testing.T, srv *exchangetest.Server, scenario exchangetest.Scenario, fault *exchangetest.Fault) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if slices.Contains(endless, scenario.Name) {
		go func() {
			defer cancel()
			for fault.Count() == 0 && ctx.Err() == nil {
				time.Sleep(10 * time.Millisecond)
			}
		}()
	}
	_, err := srv.App(nil).ClientCredentials().TokenContext(ctx)
	switch {
	case strings.HasPrefix(scenario.Name, "clock-"):
	case err == nil:
		t.Error("got a token")
	case strings.HasPrefix(scenario.Name, "aadsts-") && !strings.Contains(err.Error(), scenario.Rows[0]+":"):
		t.Errorf("got %v, want %s", err, scenario.Rows)
	}
}

func failLogins(t *testing.T, srv *exchangetest.Server, scenario exchangetest.Scenario) {
	t.Helper()
	ts := srv.App(nil).ClientCredentials()
	for _, protocol := range []xoauth2.Protocol{xoauth2.IMAP, xoauth2.POP3, xoauth2.SMTP} {
		o := srv.DialOptions()
		if scenario.Name == "greeting-stalled" {
			o.Timeout = 300 * time.Millisecond
		}
		err := tryLoginWith(t, o, protocol, alice, ts)
		if want := slices.Contains(scenario.Protocols, protocol); (err != nil) != want {
			t.Errorf("%v: got %v, want an error: %v", protocol, err, want)
		}
	}
}

func TestScenariosAreNamed(t *testing.T) {
	t.Parallel()
	name := regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	seen := make(map[string]bool)
	rows := make(map[string]bool)
	for _, scenario := range exchangetest.Scenarios() {
		if !name.MatchString(scenario.Name) || seen[scenario.Name] || scenario.Text == "" {
			t.Errorf("%+v", scenario)
		}
		seen[scenario.Name] = true
		for _, row := range scenario.Rows {
			rows[row] = true
		}
	}
	for _, row := range strings.Fields("M1 M2 M3 M4 M5 M6 M7 M8 M9 M10 M11 M12 M13 M14 M15 M16 M17 M18 M19") {
		if !rows[row] {
			t.Errorf("no scenario shows %s", row)
		}
	}
}

// TestEveryAADSTS refuses token requests with every number.
func TestEveryAADSTS(t *testing.T) {
	t.Parallel()
	srv := start(t)
	app := srv.App(nil)
	for _, number := range exchangetest.AADSTS() {
		fault := srv.FailToken(number).Times(1)
		got := post(t, srv, tokenPath(srv.Tenant()), "grant_type", "client_credentials", "client_id", app.ClientID, "scope", outlookDefault)
		if got.code() != number || got.Error == "" || got.Status < 400 || strings.Contains(got.Description, "{tenant}") || strings.Contains(got.Description, "{app}") || strings.Contains(got.Description, "graph.microsoft.com") || fault.Count() != 1 {
			t.Errorf("AADSTS%d: got %+v", number, got)
		}
	}
}

func TestUnknownAADSTSPanics(t *testing.T) {
	t.Parallel()
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	start(t).FailToken(1)
}
