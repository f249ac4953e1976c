package config

import (
	"fmt"
	"iter"
	"slices"
	"strings"
)

// Suggestions cost time in the square of a file that a machine wrote wrongly, and nobody reads that many.
const (
	mostWords       = 1000 // to choose from
	mostSuggestions = 20   // that one configuration gets
)

// didYouMean gives ` (did you mean "alive"?)` when one of the words is near to what was written, and nothing otherwise, nor
// where there are too many words or there were enough suggestions.
func (r *report) didYouMean(written string, words iter.Seq[string]) string {
	if r.suggested >= mostSuggestions {
		return ""
	}
	var list []string
	for w := range words {
		if len(list) == mostWords {
			return ""
		}
		list = append(list, w)
	}
	best, least := "", len(written)/3+2 // nearer than this
	slices.Sort(list)
	for _, w := range list {
		if d := distance(strings.ToLower(written), strings.ToLower(w), least); d < least {
			best, least = w, d
		}
	}
	if best == "" {
		return ""
	}
	r.suggested++
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
