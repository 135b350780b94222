package entra_test

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"math/big"
	"strings"
	"testing"

	"software.sslmate.com/src/go-pkcs12"

	"github.com/xoauth2/go-xoauth2/internal/entra"
)

// withMAC changes the iteration count of the MAC of a PKCS #12 file, and its salt
// unless that is nil.
func withMAC(tb testing.TB, pfx, salt []byte, n int64) []byte {
	tb.Helper()
	var file struct {
		Version  int
		AuthSafe asn1.RawValue
		MAC      struct {
			Digest     asn1.RawValue
			Salt       []byte
			Iterations *big.Int
		}
	}
	if _, err := asn1.Unmarshal(pfx, &file); err != nil {
		tb.Fatal(err)
	}
	file.MAC.Iterations = big.NewInt(n)
	if salt != nil {
		file.MAC.Salt = salt
	}
	changed, err := asn1.Marshal(file)
	if err != nil {
		tb.Fatal(err)
	}
	return changed
}

func TestIterations(t *testing.T) {
	t.Parallel()
	cert := leaf(t, ecKey())
	for name, encoder := range map[string]*pkcs12.Encoder{"3DES": pkcs12.LegacyDES, "2023": pkcs12.Modern2023, "2026": pkcs12.Modern2026} {
		data, err := encoder.WithIterations(33_000).Encode(ecKey(), cert, nil, "p")
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := entra.LoadCertificate(data, "p"); err != nil {
			t.Errorf("%s: 33,000 iterations: %v", name, err)
		}
		// The same number of bytes says 8 million instead, in each of the places.
		few, many := []byte{2, 3, 0x00, 0x80, 0xe8}, []byte{2, 3, 0x7f, 0xff, 0xff}
		places := 0
		for at := bytes.Index(data, few); at >= 0; places++ {
			hostile := bytes.Clone(data)
			copy(hostile[at:], many)
			if _, _, err := entra.LoadCertificate(hostile, "p"); err == nil || !strings.Contains(err.Error(), "too long to read") {
				t.Errorf("%s: 8 million iterations at byte %d: got error %v", name, at, err)
			}
			next := bytes.Index(data[at+1:], few)
			if next < 0 {
				at = -1
				continue
			}
			at += 1 + next
		}
		if places < 2 {
			t.Errorf("%s: found %d iteration counts, want those of MAC and encryption", name, places)
		}
	}
}

func TestHugeNumbers(t *testing.T) {
	t.Parallel()
	pfx, err := pkcs12.Passwordless.Encode(ecKey(), leaf(t, ecKey()), []*x509.Certificate{}, "")
	if err != nil {
		t.Fatal(err)
	}
	huge, err := asn1.Marshal([]any{pfx, new(big.Int).Lsh(big.NewInt(1), 1<<20)})
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"number of a million bits": huge, "100 levels": nest(t, 100)} {
		if _, _, err := entra.LoadCertificate(data, ""); err == nil || !strings.Contains(err.Error(), "too long to read") {
			t.Errorf("%s: got error %v", name, err)
		}
	}
}

func nest(tb testing.TB, levels int) []byte {
	tb.Helper()
	nested := make([]byte, 200)
	for range levels {
		var err error
		if nested, err = asn1.Marshal([]any{nested}); err != nil {
			tb.Fatal(err)
		}
	}
	return nested
}
