package diagnosis_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xoauth2/go-xoauth2/internal/diagnosis"
)

func TestRowsAreComplete(t *testing.T) {
	t.Parallel()
	seen := make(map[string]bool)
	for _, row := range diagnosis.Table() {
		t.Run(row.ID, func(t *testing.T) {
			if row.ID == "" || seen[row.ID] {
				t.Errorf("ID %q is empty or taken", row.ID)
			}
			seen[row.ID] = true
			if row.Says == "" || row.Means == "" || row.Do == "" || len(row.When) == 0 {
				t.Error("Says, Means, Do and When must be there")
			}
			if len(row.Causes) == 0 && row.Reference == "" {
				t.Error("no reference")
			}
			for _, c := range row.Causes {
				if c.Problem == "" || c.Remedy == "" || c.Reference == "" {
					t.Errorf("incomplete cause %q", c.Problem)
				}
			}
			for _, m := range row.When {
				for _, phrase := range m.Text {
					if phrase != strings.ToLower(phrase) || len(phrase) < 4 {
						t.Errorf("phrase %q is not in lower case, or says nothing", phrase)
					}
				}
			}
		})
	}
}

// TestWithNamesALine checks that rows which share a line of the README name one
// that has it.
func TestWithNamesALine(t *testing.T) {
	t.Parallel()
	rows := diagnosis.Table()
	for _, row := range rows {
		if row.With == "" {
			continue
		}
		if !slices.ContainsFunc(rows, func(r diagnosis.Row) bool { return r.ID == row.With && r.With == "" }) {
			t.Errorf("%s: no row %s with a line of its own", row.ID, row.With)
		}
		if !strings.Contains(diagnosis.Markdown(), strings.Split(row.Says, "; ")[0]) {
			t.Errorf("%s: %q is not in the README", row.ID, row.Says)
		}
	}
}

// TestEveryFactHasARow has all entries of the project's list of facts.
func TestEveryFactHasARow(t *testing.T) {
	t.Parallel()
	for n := range 19 {
		id := fmt.Sprintf("M%d", n+1)
		if !slices.ContainsFunc(diagnosis.Table(), func(r diagnosis.Row) bool { return r.ID == id }) {
			t.Errorf("no row %s", id)
		}
	}
	for _, number := range entraNumbers {
		f := diagnosis.Facts{OAuth: &diagnosis.OAuth{AADSTS: number, Error: "invalid_grant"}}
		if d := diagnosis.Explain(f); !strings.HasPrefix(d.Row, "E") || len(d.Causes) == 0 {
			t.Errorf("AADSTS%d: got row %q with %d causes, want one of Entra's", number, d.Row, len(d.Causes))
		}
	}
}

var entraNumbers = []int{
	65001, 65004, 90094, 90095, 70011, 28000, 28002, 28003, 700022, 1002012, 9001023, 50194, 9002331, 9002332,
	700016, 90002, 90038, 900382, 900432, 7000215, 7000222, 7000218, 700025, 700027, 50012, 700024,
	70021, 700211, 700212, 700213, 50011, 900971, 500113, 50020, 500208, 16000, 50074, 50076, 50078, 50079,
	53000, 53003, 530032, 530034, 50097, 50158, 50132, 50133, 50173, 70008, 70043, 700082, 700084,
	54005, 70000, 900144, 900561, 9002313, 50196, 500011, 650052, 650056, 650057, 65006, 501481,
	70016, 70018, 70019, 50053, 50055, 50057, 90055, 50034, 51004,
}

// TestNumbersAreUnambiguous checks that no AADSTS number is in two rows, but
// for those that a phrase tells apart.
func TestNumbersAreUnambiguous(t *testing.T) {
	t.Parallel()
	owner := make(map[int]string)
	for _, row := range diagnosis.Table() {
		for _, m := range row.When {
			for _, number := range m.AADSTS {
				if len(m.Text) > 0 {
					continue
				}
				if other := owner[number]; other != "" {
					t.Errorf("AADSTS%d is in %s and %s", number, other, row.ID)
				}
				owner[number] = row.ID
			}
		}
	}
}

// TestNoClassFromWords checks where a row sets the class itself: only with a
// code beside it, but for the documented exceptions.
func TestNoClassFromWords(t *testing.T) {
	t.Parallel()
	exceptions := []string{
		"M8",  // permanent, whatever the code says
		"M10", // Exchange gives throttled IMAP commands no code
		"M11", // the session is over
		"M18", // the quota comes back, whatever the code says
		"L15", // our own words
	}
	for _, row := range diagnosis.Table() {
		for _, m := range row.When {
			coded := len(m.Code)+len(m.Status)+len(m.Document)+len(m.Error)+len(m.HTTP)+len(m.Local)+len(m.Step) > 0
			if row.Class != diagnosis.Unknown && !coded && !slices.Contains(exceptions, row.ID) {
				t.Errorf("%s has a class of its own by words alone: %q", row.ID, m.Text)
			}
			if row.Class != diagnosis.Unknown && len(m.AADSTS) > 0 {
				t.Errorf("%s has a class by an AADSTS number", row.ID)
			}
		}
	}
}

// TestEveryWordIsKnown fills in every text and command of the table, of empty
// and of full facts: unknown words in braces panic, and none may be left.
func TestEveryWordIsKnown(t *testing.T) {
	t.Parallel()
	full := diagnosis.Facts{
		Protocol: "SMTP", Addr: "smtp.office365.com:587", Username: "ann@contoso.com",
		Token: diagnosis.Token{
			Audience: "https://outlook.office365.com", TenantID: "t", AppID: "a", ObjectID: "o",
			Username: "bob@contoso.com", Scopes: []string{"x"}, Roles: []string{"y"}, Expiry: time.Unix(1, 0), Length: 2000,
		},
		OAuth: &diagnosis.OAuth{Tenant: "t", ClientID: "c", RedirectURL: "r", Thumbprint: "p", ClockSkew: time.Hour},
	}
	for _, f := range []diagnosis.Facts{{}, full} {
		for _, row := range diagnosis.Table() {
			for _, e := range diagnosis.FillAll(row, f) {
				for _, text := range append(e.Commands, e.Problem, e.Remedy) {
					if strings.ContainsAny(text, "{}") {
						t.Errorf("%s: %q has a word that was not filled in", row.ID, text)
					}
				}
			}
		}
	}
}

// TestLocalRows reaches every row of this side.
func TestLocalRows(t *testing.T) {
	t.Parallel()
	for _, row := range diagnosis.Table() {
		for _, m := range row.When {
			for _, kind := range m.Local {
				d := diagnosis.Explain(diagnosis.Facts{Local: diagnosis.Local{Kind: kind}})
				if d.Row != row.ID || len(d.Causes) == 0 || d.Class == diagnosis.Unknown {
					t.Errorf("%s: got row %q, class %d, %d causes, want row %s", kind, d.Row, d.Class, len(d.Causes), row.ID)
				}
			}
		}
	}
}
