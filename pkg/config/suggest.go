package config

import (
	"fmt"
	"slices"
	"strings"
)

// didYouMean gives ` (did you mean "alive"?)` when one of the words is near to what was written, and nothing otherwise.
func didYouMean(written string, words []string) string {
	best, least := "", len(written)/3+2 // nearer than this
	slices.Sort(words)
	for _, w := range words {
		if d := distance(strings.ToLower(written), strings.ToLower(w), least); d < least {
			best, least = w, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(" (did you mean %q?)", best)
}

// distance is how many bytes are inserted, removed or exchanged between a and b (Levenshtein); at most limit.
func distance(a, b string, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit || len(a) > 100 {
		return limit
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return min(row[len(b)], limit)
}
