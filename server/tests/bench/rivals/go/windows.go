package main

import (
	"math"
	"sync"
	"time"
)

const (
	window    = 30 * time.Second
	enough    = 20
	untilThen = 10 * time.Millisecond
	// Two per cent apart, from a microsecond on.
	growth = 1.02
	steps  = 1200
)

// windows counts latencies of the present thirty seconds and of the thirty before.
type windows struct {
	mu      sync.Mutex
	since   time.Time
	counts  [2][steps]uint32
	totals  [2]uint32
	current time.Duration
	stale   int
}

func newWindows(now time.Time) *windows { return &windows{since: now, current: untilThen} }

func (s *windows) add(took time.Duration) {
	at := int(math.Log(float64(max(took.Microseconds(), 1))) / math.Log(growth))
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := time.Now(); now.Sub(s.since) > window {
		s.counts[1], s.totals[1] = s.counts[0], s.totals[0]
		s.counts[0], s.totals[0] = [steps]uint32{}, 0
		s.since = now
	}
	s.counts[0][min(at, steps-1)]++
	s.totals[0]++
	s.stale++
}

// quantile is computed anew for every twentieth latency.
func (s *windows) quantile(share float64) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stale < enough {
		return s.current
	}
	s.stale = 0
	left := uint32(share * float64(s.totals[0]+s.totals[1]))
	for at := range steps {
		seen := s.counts[0][at] + s.counts[1][at]
		if left < seen {
			s.current = time.Duration(math.Pow(growth, float64(at)+0.5)) * time.Microsecond
			break
		}
		left -= seen
	}
	s.current = max(s.current, time.Millisecond)
	return s.current
}

// bucket holds tokens for ten hedges at most.
type bucket struct {
	mu     sync.Mutex
	tokens float64
	ratio  float64
}

func newBucket(ratio float64) *bucket { return &bucket{tokens: 10, ratio: ratio} }

func (b *bucket) put() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tokens = min(b.tokens+b.ratio, 10)
}

func (b *bucket) take() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}
