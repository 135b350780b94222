package lab

import (
	"runtime"
	"syscall"
	"time"
)

// HeapOf returns how much more memory is in use after f, with keep alive.
func HeapOf(f func(), keep ...any) int {
	before := Memory()
	f()
	after := Memory()
	runtime.KeepAlive(keep)
	return after - before
}

// Memory returns the octets in use on the heap and by stacks.
func Memory() int {
	for range 3 { // what a sync.Pool holds survives the first
		runtime.GC()
	}
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int(stats.HeapAlloc + stats.StackInuse)
}

// CPU returns the processor time that f takes, in the kernel too.
func CPU(f func()) time.Duration {
	before := used()
	f()
	return used() - before
}

func used() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
