// Package lab is what the benchmarks share: contests between a floor, this
// library and its peers, links with a round-trip time, and the servers at their
// ends.
package lab

import (
	"runtime"
	"slices"
	"sync"
	"testing"
)

// Contestant is one of several ways to do the same.
type Contestant struct {
	Name    string
	Measure func() float64 // one measurement, in the unit of the contest
}

// Contest lets contestants take turns, so that what else the machine does
// troubles all alike. Of each it reports the median of its measurements as
// NAME-UNIT, and the ratio to the first one's as NAME/FIRST.
func Contest(b *testing.B, unit string, contestants ...Contestant) {
	b.Helper()
	for _, c := range contestants {
		c.Measure() // whatever is made once
	}
	results := make([][]float64, len(contestants))
	for first := 0; b.Loop(); first++ {
		for i := range contestants {
			i = (i + first) % len(contestants)
			results[i] = append(results[i], contestants[i].Measure())
		}
	}
	b.ReportMetric(0, "ns/op") // which would be that of a whole round
	floor := Median(results[0])
	for i, c := range contestants {
		median := Median(results[i])
		b.ReportMetric(median, c.Name+"-"+unit)
		if i > 0 && floor > 0 {
			b.ReportMetric(median/floor, c.Name+"/"+contestants[0].Name)
		}
	}
}

// Median returns the middle of values.
func Median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}

// Timed measures the nanoseconds of a call of f, over n calls: those of the
// processor, since the clock on the wall tells what else the machine does.
func Timed(name string, n int, f func()) Contestant {
	return TimedBy(1, name, n, f)
}

// TimedBy is Timed with n calls by each of so many goroutines at once.
func TimedBy(goroutines int, name string, n int, f func()) Contestant {
	return Contestant{name, func() float64 {
		runtime.GC() // or the garbage of one is collected at the cost of the next
		took := CPU(func() {
			Together(goroutines, func(int) {
				for range n {
					f()
				}
			})
		})
		return float64(took) / float64(n*goroutines)
	}}
}

// Together runs f in n goroutines at once.
func Together(n int, f func(i int)) {
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() { f(i) })
	}
	group.Wait()
}
