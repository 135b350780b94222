package filestore_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/xoauth2/go-xoauth2/internal/filestore"
)

// The goal is 100,000: go test -run '^$' -bench . ./internal/filestore -args -records 100000
var records = flag.Int("records", 1000, "records beside the one that the benchmarks use")

const benchKey = "11111111-2222-3333-4444-555555555555|66666666-7777-8888-9999-aaaaaaaaaaaa|bbbbbbbb-cccc-dddd-eeee-ffffffffffff"

// BenchmarkUpdate measures each Update beside the least that makes a file
// change whole or not at all, in turns, since what a disk takes varies more
// than what there is to compare. The goal for the ratio of the medians is 1.5.
func BenchmarkUpdate(b *testing.B) {
	for _, n := range []int{1, *records} {
		b.Run(fmt.Sprintf("records=%d", n), func(b *testing.B) {
			s, least := crowded(b, n), filepath.Join(b.TempDir(), "record")
			var updates, floors []time.Duration
			for i := 0; b.Loop(); i++ {
				value := make([]byte, 2048)
				value[0] = byte(i)
				start := time.Now()
				floor(b, least, value)
				between := time.Now()
				set(b, s, benchKey, value)
				floors = append(floors, between.Sub(start))
				updates = append(updates, time.Since(between))
			}
			slices.Sort(floors)
			slices.Sort(updates)
			update, floor := updates[len(updates)/2], floors[len(floors)/2]
			b.ReportMetric(float64(update), "update-ns")
			b.ReportMetric(float64(floor), "floor-ns")
			b.ReportMetric(float64(update)/float64(floor), "x/floor")
		})
	}
}

// floor writes, flushes and renames.
func floor(b *testing.B, path string, value []byte) {
	f, err := os.OpenFile(path+".tmp", os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		b.Fatal(err)
	}
	_, writeErr := f.Write(value)
	for _, err := range []error{writeErr, f.Sync(), f.Close(), os.Rename(path+".tmp", path)} {
		if err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkLoad(b *testing.B) {
	for _, n := range []int{1, *records} {
		b.Run(fmt.Sprintf("records=%d", n), func(b *testing.B) {
			s := crowded(b, n)
			for b.Loop() {
				if _, err := s.Load(context.Background(), benchKey); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// crowded returns a store of n records, benchKey among them. The others are
// made without a flush each.
func crowded(b *testing.B, n int) *filestore.Store {
	dir := filepath.Join(b.TempDir(), "store")
	s := filestore.New(dir)
	set(b, s, benchKey, make([]byte, 2048))
	for i := range n - 1 {
		key := fmt.Sprint("account-", i)
		file := filestore.Encode(key, make([]byte, 2048))
		if err := os.WriteFile(filepath.Join(dir, "key-"+key+".token"), file, 0o600); err != nil {
			b.Fatal(err)
		}
	}
	return s
}

// set stores a value or ends the test.
func set(tb testing.TB, s *filestore.Store, key string, value []byte) {
	tb.Helper()
	if err := s.Update(context.Background(), key, func([]byte) ([]byte, error) { return value, nil }); err != nil {
		tb.Fatalf("Update(%q): %v", key, err)
	}
}
