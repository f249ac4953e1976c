package checks

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// statusSet is a set of HTTP status codes, in the order written.
type statusSet []statusRange

// statusRange is all codes from first to last.
type statusRange struct{ first, last int }

// parseStatus reads "200-399" or "200,204,300-399". Codes are 100 to 599 (RFC 9110 section 15).
func parseStatus(s string) (statusSet, error) {
	if strings.TrimSpace(s) == "" {
		return nil, errors.New(`is empty; write codes such as "200-399" or "200,204"`)
	}
	var set statusSet
	for part := range strings.SplitSeq(s, ",") {
		from, to, isRange := strings.Cut(part, "-")
		if !isRange {
			to = from
		}
		first, err := statusCode(from)
		if err != nil {
			return nil, err
		}
		last, err := statusCode(to)
		if err != nil {
			return nil, err
		}
		if last < first {
			return nil, fmt.Errorf("range %d-%d runs backwards", first, last)
		}
		set = append(set, statusRange{first, last})
	}
	return set, nil
}

func statusCode(s string) (int, error) {
	s = strings.TrimSpace(s)
	n, err := strconv.Atoi(s)
	if err != nil || len(s) != 3 || n < 100 || n > 599 {
		return 0, fmt.Errorf("%q is not a status code from 100 to 599", clip(s, 40))
	}
	return n, nil
}

// has reports whether code is in the set.
func (s statusSet) has(code int) bool {
	for _, r := range s {
		if r.first <= code && code <= r.last {
			return true
		}
	}
	return false
}
