package filestore_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"testing"

	"github.com/xoauth2/go-xoauth2/internal/filestore"
)

func TestRecordRoundTrip(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, key string
		value     []byte
	}{
		{"plain", "client|tenant|object", []byte(`{"refresh_token":"x"}`)},
		{"empty", "", []byte{}},
		{"binary", "\x00\xff\n", []byte{0, 1, 2, 255}},
		{"large", "k", make([]byte, 1<<20)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			key, value, err := filestore.Decode(filestore.Encode(tt.key, tt.value))
			if err != nil || key != tt.key || !bytes.Equal(value, tt.value) || value == nil {
				t.Errorf("got key %q, %d bytes, error %v; want key %q, %d bytes", key, len(value), err, tt.key, len(tt.value))
			}
		})
	}
}

// TestRecordFormat: what version 1 wrote, later versions have to read.
func TestRecordFormat(t *testing.T) {
	t.Parallel()
	const want = "584f41555448320100000001000000056176616c75657745b1aee0e5ff49f8c383d418dd46a0e93b10ebe284c36cc0f5ba31be3d3e79"
	if got := hex.EncodeToString(filestore.Encode("a", []byte("value"))); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestRecordTruncated(t *testing.T) {
	t.Parallel()
	file := filestore.Encode("account", []byte("a value of some length"))
	for n := range len(file) {
		if _, _, err := filestore.Decode(file[:n]); !errors.Is(err, filestore.ErrCorrupt) {
			t.Errorf("cut to %d of %d bytes: got error %v, want %v", n, len(file), err, filestore.ErrCorrupt)
		}
	}
	if _, _, err := filestore.Decode(append(file, 0)); !errors.Is(err, filestore.ErrCorrupt) {
		t.Errorf("a byte too many: got error %v, want %v", err, filestore.ErrCorrupt)
	}
}

func TestRecordBitFlips(t *testing.T) {
	t.Parallel()
	file := filestore.Encode("account", []byte("a value of some length"))
	for bit := range 8 * len(file) {
		flipped := bytes.Clone(file)
		flipped[bit/8] ^= 1 << (bit % 8)
		_, _, err := filestore.Decode(flipped)
		if !errors.Is(err, filestore.ErrCorrupt) && !errors.Is(err, filestore.ErrVersion) {
			t.Errorf("bit %d flipped: got error %v, want %v", bit, err, filestore.ErrCorrupt)
		}
	}
}

func TestRecordVersions(t *testing.T) {
	t.Parallel()
	for version, want := range map[byte]error{0: filestore.ErrCorrupt, 1: nil, 2: filestore.ErrVersion, 255: filestore.ErrVersion} {
		file := filestore.Encode("account", nil)
		file[len("XOAUTH2")] = version
		if _, _, err := filestore.Decode(file); !errors.Is(err, want) {
			t.Errorf("version %d: got error %v, want %v", version, err, want)
		}
	}
}

// FuzzFileRecord: whatever a stranger wrote either is refused with one of the
// two errors, or is byte for byte the record that Encode makes of it.
func FuzzFileRecord(f *testing.F) {
	whole := filestore.Encode("account", []byte("value"))
	newer := bytes.Clone(whole)
	newer[len("XOAUTH2")] = 2
	huge := bytes.Clone(whole)
	copy(huge[len("XOAUTH2")+1:], bytes.Repeat([]byte{0xff}, 8))
	seeds := [][]byte{whole, filestore.Encode("", nil), newer, huge, whole[:20], []byte("XOAUTH2"), nil}
	for _, seed := range seeds {
		f.Add(seed)
	}
	if len(seeds) == 0 {
		f.Fatal("no seeds")
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		key, value, err := filestore.Decode(file)
		switch {
		case err == nil && !bytes.Equal(filestore.Encode(key, value), file):
			t.Errorf("accepted %q, which is not a record of its own content", file)
		case err != nil && !errors.Is(err, filestore.ErrCorrupt) && !errors.Is(err, filestore.ErrVersion):
			t.Errorf("got error %v, want a corrupt record or an unknown version", err)
		}
	})
}
