package checks

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// ParseDuration reads a time as the configuration writes it: what time.ParseDuration reads, and whole days before that,
// as "14d" or "1d12h". A day is 24 hours. Numbers without a unit and negative times are errors.
func ParseDuration(s string) (time.Duration, error) {
	var days time.Duration
	rest := s
	if before, after, ok := strings.Cut(s, "d"); ok {
		n, err := strconv.ParseUint(before, 10, 63)
		if err != nil || n > math.MaxInt64/uint64(24*time.Hour) {
			return 0, notDuration(s)
		}
		days, rest = time.Duration(n)*24*time.Hour, after
		if rest == "" {
			return days, nil
		}
	}
	if rest == "" || rest == "0" || rest[0] == '-' || rest[0] == '+' {
		return 0, notDuration(s)
	}
	d, err := time.ParseDuration(rest)
	if err != nil || d > math.MaxInt64-days {
		return 0, notDuration(s)
	}
	return days + d, nil
}

func notDuration(s string) error {
	return fmt.Errorf("%q is not a time such as \"300ms\", \"5s\", \"10m\", \"30d\"", clip(s, 40))
}

// ParseSize reads a number of bytes as the configuration writes it: "64KB", "50MB", "1GB", "512B"; KB is 1024 bytes.
func ParseSize(s string) (int64, error) {
	units := []struct {
		suffix string
		bytes  int64
	}{{"KB", 1 << 10}, {"MB", 1 << 20}, {"GB", 1 << 30}, {"B", 1}}
	for _, u := range units {
		number, ok := strings.CutSuffix(s, u.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(number, 10, 63)
		if err != nil {
			break
		}
		if int64(n) > math.MaxInt64/u.bytes {
			return 0, errors.New("the size is too large")
		}
		return int64(n) * u.bytes, nil
	}
	return 0, fmt.Errorf("%q is not a size such as \"512B\", \"64KB\", \"50MB\", \"1GB\"", clip(s, 40))
}
