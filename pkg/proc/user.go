package proc

import (
	"fmt"
	"math"
	"os"
	"os/user"
	"strconv"

	"golang.org/x/sys/unix"
)

// User is who runs a program, as looked up once when the configuration is read.
type User struct {
	Name     string
	Home     string
	UID, GID uint32
	Groups   []uint32 // supplementary
}

// LookupUser finds a user and his groups by name.
func LookupUser(name string) (*User, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return nil, fmt.Errorf("look up user: %w", err)
	}
	found := &User{Name: u.Username, Home: u.HomeDir}
	if found.UID, err = id(u.Uid); err != nil {
		return nil, err
	}
	if found.GID, err = id(u.Gid); err != nil {
		return nil, err
	}
	groups, err := u.GroupIds()
	if err != nil {
		return nil, fmt.Errorf("look up groups of %s: %w", name, err)
	}
	for _, g := range groups {
		n, err := id(g)
		if err != nil {
			return nil, err
		}
		found.Groups = append(found.Groups, n)
	}
	return found, nil
}

func id(s string) (uint32, error) {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil || n == math.MaxUint32 {
		return 0, fmt.Errorf("%q is not a user or group number", s)
	}
	return uint32(n), nil
}

// isSelf reports whether u is the user that this process has anyway. Root's groups may differ, so root is set anew.
func (u *User) isSelf() bool { return u.UID != 0 && int(u.UID) == os.Getuid() }

// keepsCapabilities reports whether a program of u is to have this process's capabilities: root, and only where the
// configuration names him.
func (u *User) keepsCapabilities() bool { return u.UID == 0 }

// MayRunAs says why this process cannot run programs as u; nil is that it can. SETUID and SETGID are for the change,
// KILL is for ending what then belongs to another user.
func MayRunAs(u *User) error {
	if u.isSelf() {
		return nil
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData
	if err := unix.Capget(&header, &sets[0]); err != nil {
		return fmt.Errorf("read capabilities: %w", err)
	}
	const need = 1<<unix.CAP_SETUID | 1<<unix.CAP_SETGID | 1<<unix.CAP_KILL
	if sets[0].Effective&need != need {
		return &MissingCapabilitiesError{User: u.Name}
	}
	return nil
}

// MissingCapabilitiesError is that this process may not run programs as another user.
type MissingCapabilitiesError struct{ User string }

func (e *MissingCapabilitiesError) Error() string {
	return fmt.Sprintf("run as %s: needs CAP_SETUID, CAP_SETGID and CAP_KILL", e.User)
}
