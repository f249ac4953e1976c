package daemon

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/lvsd/lvsd/pkg/config"
	"github.com/lvsd/lvsd/pkg/link"
)

// acceptedFile keeps in the vrrp process' directory the configuration that it works by, for a start while the file of the
// operator is bad and for those who speak for a dead process. It has passwords in it and is for lvsd's user alone.
const acceptedFile = "accepted.json"

type accepted struct {
	Format int          `json:"format"`
	Config *link.Config `json:"config"`
}

func writeAccepted(dir string, c *link.Config) error {
	b, err := json.Marshal(accepted{stateFormat, c})
	if err != nil {
		return fmt.Errorf("keep configuration: %w", err)
	}
	path := filepath.Join(dir, acceptedFile)
	if err := os.WriteFile(path+".new", b, 0o600); err != nil {
		return fmt.Errorf("keep configuration: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("keep configuration: %w", err)
	}
	return nil
}

// readAccepted gives the configuration that was kept, nil if there is none.
func readAccepted(dir string) (*link.Config, error) {
	var kept accepted
	if err := readState(filepath.Join(dir, acceptedFile), &kept); err != nil {
		return nil, err
	}
	return kept.Config, nil
}

// loadPair reads the operator's file. Without [[vrrp]] in it there are no routers.
func loadPair(file string) (*link.Config, []string, error) {
	c, err := config.Load(file)
	if err != nil {
		return nil, nil, err
	}
	if c.Pair == nil {
		return &link.Config{Node: c.Name}, c.Warnings, nil
	}
	return c.Pair, c.Warnings, nil
}

// startConfig gives what a start goes by: the operator's file, or what was accepted last while that is bad. trouble is then
// what is wrong with the file.
func startConfig(file, dir string) (c *link.Config, trouble string, err error) {
	c, _, bad := loadPair(file)
	if bad == nil {
		return c, "", nil
	}
	kept, err := readAccepted(dir)
	if err != nil || kept == nil {
		return nil, "", errors.Join(bad, err)
	}
	return kept, bad.Error(), nil
}

// makeDir makes the directory of the vrrp process, which everybody may look into.
func makeDir(dir string) error {
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("make directory of the vrrp process: %w", err)
	}
	return nil
}
