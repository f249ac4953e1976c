//go:build !race

package lab

// race says whether the race detector is in this binary. It wants addresses beyond the 512 GB that a process has under a
// user-mode Linux (of three levels of page tables), and dies there before main.
const race = false
