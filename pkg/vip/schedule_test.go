package vip

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestSchedule(t *testing.T) {
	const ms = time.Millisecond
	for name, c := range map[string]struct {
		s    Schedule
		want []time.Duration // the first ones
	}{
		"usual": {Schedule{Repeat: 3, Delay: 5 * time.Second, Refresh: 10 * time.Second}, []time.Duration{
			0, 5 * ms, 10 * ms, 1000 * ms, 2000 * ms, 3000 * ms, 4000 * ms, 5000 * ms, 5005 * ms, 5010 * ms, 6000 * ms,
		}},
		"delay between":   {Schedule{Repeat: 2, Delay: 100 * ms, Refresh: 5 * time.Second}, []time.Duration{0, 5 * ms, 100 * ms, 105 * ms, 1000 * ms, 2000 * ms}},
		"never refreshed": {Schedule{Repeat: 1, Delay: 2 * time.Second}, []time.Duration{0, 2 * time.Second, noWave}},
		"no delay":        {Schedule{Repeat: 2}, []time.Duration{0, 5 * ms, noWave}},
		"nothing":         {Schedule{}, []time.Duration{noWave}},
		"refresh alone":   {Schedule{Refresh: time.Hour}, []time.Duration{1000 * ms, 2000 * ms}},
	} {
		var got []time.Duration
		for at := beforeFirst; len(got) < len(c.want); {
			at = c.s.after(at)
			got = append(got, at)
			if at == noWave {
				break
			}
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestScheduleAfterTheFirstMinute(t *testing.T) {
	s := Schedule{Repeat: 5, Delay: 5 * time.Second, Refresh: 10 * time.Second}
	var count int
	at := beforeFirst
	for ; at < time.Minute; count++ {
		at = s.after(at)
	}
	if at != time.Minute || count != 5+5+60-1 {
		t.Errorf("%d announcements in the first minute, the last at %v", count, at)
	}
	for range 3 {
		next := s.after(at)
		if next != at+10*time.Second {
			t.Errorf("after %v comes %v", at, next)
		}
		at = next
	}
}
