// Package pair is the loop of `lvsd vrrp run`: it joins the VRRP machines of pkg/vrrp with their sockets, the addresses of
// pkg/vip and what `lvsd run` says over pkg/link. One thread owns all of it; core decides, and does no I/O but through the
// ports it is given. Nothing on the way of an advert allocates, logs, forks or touches a disk.
package pair
