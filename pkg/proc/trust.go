package proc

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// mostLinks bounds the symbolic links of a path, as the kernel does (MAXSYMLINKS of include/linux/namei.h).
const mostLinks = 40

// UntrustedError is that others than root and the user who runs a program can put another in its place.
type UntrustedError struct {
	Path string // of the program, or of a directory or link on the way to it
	Why  string // "is writable by everyone"
	User string // who would run it
}

func (e *UntrustedError) Error() string {
	return fmt.Sprintf("%s %s: any local user who can change it could run code as %s", e.Path, e.Why, e.User)
}

// Trusted says who but root and u could change which program an absolute path names, by an *UntrustedError; nil is that
// nobody could. u is who runs it; nil is root. It looks at the file, at each directory above it, and where links lead.
// A directory above that of the program may be writable by everyone where its sticky bit keeps its entries, as /tmp.
// What this process may not see is taken as trusted.
func Trusted(program string, u *User) error {
	if u == nil {
		u = &User{Name: "root"}
	}
	path := filepath.Clean(program)
	for range mostLinks {
		next, err := u.walk(path)
		if errors.Is(err, fs.ErrPermission) {
			return nil
		}
		if err != nil || next == "" {
			return err
		}
		path = next
	}
	return fmt.Errorf("%s: too many symbolic links", program)
}

// walk looks at each part of a path from the root down. At a link it ends and gives the path that comes of following it.
func (u *User) walk(path string) (next string, err error) {
	for at := "/"; ; {
		info, err := os.Lstat(at)
		if err != nil {
			return "", err
		}
		if why := u.distrust(info, at == filepath.Dir(path)); why != "" {
			return "", &UntrustedError{Path: at, Why: why, User: u.Name}
		}
		rest := strings.TrimPrefix(strings.TrimPrefix(path, at), "/")
		if info.Mode()&fs.ModeSymlink != 0 {
			to, err := os.Readlink(at)
			if err != nil {
				return "", err
			}
			if !filepath.IsAbs(to) {
				to = filepath.Join(filepath.Dir(at), to)
			}
			return filepath.Join(to, rest), nil
		}
		if rest == "" {
			return "", nil
		}
		part, _, _ := strings.Cut(rest, "/")
		at = filepath.Join(at, part)
	}
}

// distrust says who else can write to a file, link or directory. holds is that it is the directory of the program, where
// the sticky bit does not keep others from putting a new file in the place of one that was removed.
func (u *User) distrust(info fs.FileInfo, holds bool) string {
	owner, ok := info.Sys().(*syscall.Stat_t)
	switch mode := info.Mode(); {
	case !ok:
		return "has no owner"
	case owner.Uid != 0 && owner.Uid != u.UID:
		return fmt.Sprintf("belongs to user %d", owner.Uid)
	case mode&fs.ModeSymlink != 0 || mode&fs.ModeSticky != 0 && mode.IsDir() && !holds:
		return ""
	case mode.Perm()&0o002 != 0:
		return "is writable by everyone"
	case mode.Perm()&0o020 != 0 && owner.Gid != 0:
		return fmt.Sprintf("is writable by group %d", owner.Gid)
	}
	return ""
}
