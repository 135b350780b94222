package tokencache

import (
	"math"
	"time"
)

// MoveClock makes s see the wall clock as if it had been moved by d, which
// synctest cannot do without its monotonic clock.
func (s *Source) MoveClock(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	moved := *s.entry.Load()
	for _, at := range []*int64{&moved.obtained, &moved.start, &moved.renew, &moved.end} {
		if *at != math.MinInt64 && *at != math.MaxInt64 {
			*at -= int64(d)
		}
	}
	s.entry.Store(&moved)
}

// IsQuiet reports whether a caller would get the token without a lock.
func (s *Source) IsQuiet() bool { return s.entry.Load().isQuiet(time.Now().UnixNano()) }
