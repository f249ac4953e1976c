package checks

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// mostPEM bounds a file of certificates or of a key.
const mostPEM = 1 << 20

// readFile reads a regular file of at most mostPEM bytes: a pipe could keep its reader waiting for ever, and a device
// could fill the memory.
func readFile(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	refuse := func(why error) ([]byte, error) { return nil, &fs.PathError{Op: "read", Path: path, Err: why} }
	if !info.Mode().IsRegular() {
		return refuse(errors.New("not a regular file"))
	}
	text, err := io.ReadAll(io.LimitReader(f, mostPEM+1))
	if err != nil {
		return nil, err
	}
	if len(text) > mostPEM {
		return refuse(fmt.Errorf("longer than %d MB", mostPEM>>20))
	}
	return text, nil
}
