package lvs

import "strings"

// Before gives what a change finds, as ipvsadm's arguments without the addresses: "-g -w 1". Empty is: not there.
func (c Change) Before() string {
	switch c.Op {
	case EditService, DelService:
		return strings.TrimSpace(c.WasService.arguments(c.Key))
	case EditServer, DelServer:
		return strings.TrimSpace(c.WasServer.arguments() + c.WasServer.thresholds())
	default:
		return ""
	}
}

// After gives what a change leaves, as Before does.
func (c Change) After() string {
	switch c.Op {
	case AddService, EditService:
		return strings.TrimSpace(c.Service.arguments(c.Key))
	case AddServer, EditServer:
		return strings.TrimSpace(c.Server.arguments() + c.Server.thresholds())
	default:
		return ""
	}
}
