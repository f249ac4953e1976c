package vrrp

// GroupOf makes a group of routers that may run already, each with what was last said of it alone. All of them are master,
// or none is: who mixes them demotes first.
func GroupOf(routers []Machine, own []Standing) *Group {
	g := NewGroup(len(routers))
	copy(g.routers, routers)
	copy(g.own, own)
	return g
}
