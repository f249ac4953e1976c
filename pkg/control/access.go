package control

import (
	"fmt"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"
)

// Access is who may do what. Each is the name or number of a user, or of a group with "@" before it. Names are looked up
// in /etc/passwd and /etc/group at every request, so that a later change counts; users and groups from a directory
// service are given as numbers.
type Access struct {
	Read  []string // may see
	Admin []string // may see and act
}

// right is what a request needs.
type right uint8

const (
	toRead right = iota
	toAct
)

// privileged tells whether a caller may do everything without being listed.
func (c Caller) privileged() bool { return c.UID == 0 || c.UID == uint32(os.Geteuid()) }

// check returns nil if a caller may, or the words to refuse it with.
func (a Access) check(c Caller, need right) error {
	switch {
	case c.privileged(), listed(a.Admin, c):
		return nil
	case need == toRead && listed(a.Read, c):
		return nil
	case need == toRead:
		return fmt.Errorf("uid %d may not read: neither [control] read nor admin lists it or a group of its session", c.UID)
	default:
		return fmt.Errorf("uid %d may not do this: [control] admin lists neither it nor a group of its session", c.UID)
	}
}

func listed(list []string, c Caller) bool {
	return slices.ContainsFunc(list, func(name string) bool {
		group, isGroup := strings.CutPrefix(name, "@")
		if isGroup {
			gid, ok := number(group, groupID)
			return ok && slices.Contains(c.GIDs, gid)
		}
		uid, ok := number(name, userID)
		return ok && uid == c.UID
	})
}

// number reads a user or group given by number, or has its name looked up. One that does not exist is nobody.
func number(name string, lookup func(string) (string, error)) (uint32, bool) {
	n, err := strconv.ParseUint(name, 10, 32)
	if err == nil {
		return uint32(n), true
	}
	id, err := lookup(name)
	if err != nil {
		return 0, false
	}
	n, err = strconv.ParseUint(id, 10, 32)
	return uint32(n), err == nil
}

func userID(name string) (string, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return "", err
	}
	return u.Uid, nil
}

func groupID(name string) (string, error) {
	g, err := user.LookupGroup(name)
	if err != nil {
		return "", err
	}
	return g.Gid, nil
}
