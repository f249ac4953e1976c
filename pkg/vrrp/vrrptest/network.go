package vrrptest

import (
	"math/rand/v2"
	"time"
)

const (
	wire  = 300 * time.Microsecond // the longest way of a packet through a quiet network
	never = time.Duration(1<<63 - 1)
)

// network is what happens to packets, for each LAN and each way.
type network struct {
	ways    [][]way // by LAN, then by from*n+to
	n       int
	faults  int           // in force
	faultAt time.Duration // when the last one began or ended
}

type way struct {
	loss  float64
	delay time.Duration // beyond the wire's, at most
}

func quiet(nodes, lans int) network {
	n := network{n: nodes, faultAt: -never / 4}
	for range lans {
		n.ways = append(n.ways, make([]way, nodes*nodes))
	}
	return n
}

// pass tells how long a packet takes, or that it is lost.
func (n *network) pass(r *rand.Rand, from, to, lan int) (delay time.Duration, lost bool) {
	w := n.ways[lan][from*n.n+to]
	if w.loss > 0 && r.Float64() < w.loss {
		return 0, true
	}
	return wire/3 + time.Duration(r.Int64N(int64(2*wire/3+w.delay))), false
}

// impair makes ways of a LAN bad for as long as d, and good again after.
func (w *World) impair(lan int, d time.Duration, bad way, which func(from, to int) bool) {
	w.net.faults++
	w.net.faultAt = w.now
	var changed []int
	for from := range w.nodes {
		for to := range w.nodes {
			if from != to && which(from, to) {
				changed = append(changed, from*w.net.n+to)
				w.net.ways[lan][from*w.net.n+to] = bad
			}
		}
	}
	w.after(d, func() {
		for _, i := range changed {
			w.net.ways[lan][i] = way{}
		}
		w.net.faults--
		w.net.faultAt = w.now
	})
}

// clean tells whether every packet has arrived for so long.
func (w *World) clean(d time.Duration) bool { return w.net.faults == 0 && w.now-w.net.faultAt >= d }
