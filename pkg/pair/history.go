package pair

import (
	"slices"

	"github.com/lvsd/lvsd/pkg/link"
)

// remembered is how many of each are kept for those who follow.
const remembered = 1024

// history is what is told: transitions and notices, numbered together.
type history struct {
	seq         uint64
	transitions []link.Transition
	notices     []link.Notice
}

func (h *history) transition(t link.Transition) {
	h.seq++
	t.Seq = h.seq
	h.transitions = push(h.transitions, t)
}

func (h *history) notice(n link.Notice) {
	h.seq++
	n.Seq = h.seq
	h.notices = push(h.notices, n)
}

// push appends, and forgets the oldest; the copying is rare.
func push[T any](list []T, v T) []T {
	if len(list) >= 2*remembered {
		list = append(list[:0], list[len(list)-remembered+1:]...)
	}
	return append(list, v)
}

// since gives what is remembered after seq.
func (h *history) since(seq uint64) ([]link.Transition, []link.Notice) {
	return after(h.transitions, func(t link.Transition) bool { return t.Seq > seq }),
		after(h.notices, func(n link.Notice) bool { return n.Seq > seq })
}

func after[T any](list []T, later func(T) bool) []T {
	list = list[max(0, len(list)-remembered):]
	if i := slices.IndexFunc(list, later); i >= 0 {
		return slices.Clone(list[i:])
	}
	return nil
}
