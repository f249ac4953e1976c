package pair

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// recordName is the file of the record in Options.Dir.
const recordName = "state"

// ReadRecord reads what a vrrp process left in dir. No record, or one that cannot be made out, has no entries.
func ReadRecord(dir string) (*Record, error) {
	f, err := os.Open(filepath.Join(dir, recordName))
	if errors.Is(err, fs.ErrNotExist) {
		return &Record{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read record: %w", err)
	}
	defer f.Close()
	b := make([]byte, recordSize+1)
	n, err := f.ReadAt(b, 0)
	if n == 0 && err != nil {
		return &Record{}, nil
	}
	return parseRecord(b[:n]), nil
}

// journal is the record of the process that runs: memory that is mapped to the file, so that a store is all that writing
// takes and a process that is killed leaves what it stored last. The zero journal writes nowhere.
type journal struct {
	memory []byte
	turns  [maxRouters]uint64
}

// openJournal begins a new record for this boot in place of the one before, which ReadRecord has read.
func openJournal(dir, boot string) (*journal, error) {
	path := filepath.Join(dir, recordName)
	f, err := os.OpenFile(path+".new", os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return nil, fmt.Errorf("make record: %w", err)
	}
	defer f.Close()
	if err := unix.Fallocate(int(f.Fd()), 0, 0, recordSize); err != nil { // a store into a hole of a full disk kills
		return nil, fmt.Errorf("make record %s: %w", path, err)
	}
	b, err := unix.Mmap(int(f.Fd()), 0, recordSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE)
	if err != nil {
		return nil, fmt.Errorf("map record %s: %w", path, err)
	}
	putHead(b, boot)
	return &journal{memory: b}, nil
}

// publish puts the record in the place of the one before, which until then stands for a process that dies while it starts:
// when every router has its entry.
func (j *journal) publish(dir string) error {
	path := filepath.Join(dir, recordName)
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("begin record: %w", err)
	}
	return nil
}

// write stores the entry of a place.
func (j *journal) write(place int, e *Entry) {
	if j.memory == nil || place >= maxRouters {
		return
	}
	j.turns[place]++
	putEntry(entryAt(j.memory, place, j.turns[place]), e, j.turns[place])
}

// clear takes the entries of a place away.
func (j *journal) clear(place int) {
	if j.memory == nil || place >= maxRouters {
		return
	}
	clear(entryAt(j.memory, place, 0))
	clear(entryAt(j.memory, place, 1))
}

func (j *journal) close() error {
	if j.memory == nil {
		return nil
	}
	b := j.memory
	j.memory = nil
	return unix.Munmap(b)
}

// bootID gives the id of this boot.
func bootID() (string, error) {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("read boot id: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}
