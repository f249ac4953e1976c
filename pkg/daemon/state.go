package daemon

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/lvsd/lvsd/pkg/director"
	"github.com/lvsd/lvsd/pkg/lvs"
)

// The files in the state directory. Each has one writer, is replaced whole, and may be missing: without them a start
// takes over what the kernel holds of the configured services and knows nothing else.
const (
	ownedFile    = "owned.json"    // the virtual services that lvsd put into the kernel
	verdictsFile = "verdicts.json" // the last verdict of every check
	stateFormat  = 1
	maxState     = 64 << 20 // bytes of a state file that are read
)

type ownedState struct {
	Format   int       `json:"format"`
	Services []lvs.Key `json:"services"`
}

type verdictsState struct {
	Format   int           `json:"format"`
	Verdicts []keptVerdict `json:"verdicts"`
}

type keptVerdict struct {
	Check   string         `json:"check"`
	Addr    netip.AddrPort `json:"address"`
	Verdict string         `json:"verdict"`
	Since   time.Time      `json:"since,omitzero"`
}

// ReadOwned gives the virtual services that an lvsd with this state directory put into the kernel, and may therefore
// remove. A missing file is an empty set.
func ReadOwned(dir string) (map[lvs.Key]bool, error) {
	var state ownedState
	owned := map[lvs.Key]bool{}
	if err := readState(filepath.Join(dir, ownedFile), &state); err != nil {
		return owned, err
	}
	for _, k := range state.Services {
		owned[k] = true
	}
	return owned, nil
}

func writeOwned(dir string, owned map[lvs.Key]bool) error {
	keys := slices.SortedFunc(maps.Keys(owned), lvs.Key.Compare)
	return writeState(filepath.Join(dir, ownedFile), ownedState{Format: stateFormat, Services: keys})
}

// readVerdicts gives the verdicts that were kept. A missing file is an empty map.
func readVerdicts(dir string) (map[lvs.CheckID]lvs.Verdict, error) {
	var state verdictsState
	known := map[lvs.CheckID]lvs.Verdict{}
	if err := readState(filepath.Join(dir, verdictsFile), &state); err != nil {
		return known, err
	}
	for _, k := range state.Verdicts {
		for _, v := range []lvs.Verdict{lvs.Up, lvs.Down} {
			if k.Verdict == v.String() {
				known[lvs.CheckID{Check: k.Check, Addr: k.Addr}] = v
			}
		}
	}
	return known, nil
}

func writeVerdicts(dir string, known map[lvs.CheckID]director.Known) error {
	state := verdictsState{Format: stateFormat, Verdicts: make([]keptVerdict, 0, len(known))}
	for id, k := range known {
		state.Verdicts = append(state.Verdicts, keptVerdict{Check: id.Check, Addr: id.Addr, Verdict: k.Verdict.String(), Since: k.Since})
	}
	slices.SortFunc(state.Verdicts, func(a, b keptVerdict) int {
		return cmp.Or(a.Addr.Compare(b.Addr), cmp.Compare(a.Check, b.Check))
	})
	return writeState(filepath.Join(dir, verdictsFile), state)
}

// readState decodes a state file. One that is missing is no error; one that is torn, of another format or too long is.
func readState(path string, into any) error {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read state: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxState+1))
	switch {
	case err != nil:
		return fmt.Errorf("read state: %w", err)
	case len(b) > maxState:
		return fmt.Errorf("read state %s: longer than %d bytes", path, maxState)
	}
	var head struct {
		Format int `json:"format"`
	}
	// The format first: the shape of another one is not to be understood.
	if err := json.NewDecoder(bytes.NewReader(b)).Decode(&head); err != nil {
		return fmt.Errorf("read state %s: %w", path, err)
	}
	if head.Format != stateFormat {
		return fmt.Errorf("read state %s: format %d, this lvsd knows %d", path, head.Format, stateFormat)
	}
	if err := json.NewDecoder(bytes.NewReader(b)).Decode(into); err != nil {
		return fmt.Errorf("read state %s: %w", path, err)
	}
	return nil
}

// writeState replaces a state file whole: after a crash at any moment it is the old one or the new one.
func writeState(path string, state any) error {
	b, err := json.Marshal(state)
	if err != nil {
		return fmt.Errorf("write state %s: %w", path, err)
	}
	next := path + ".new" // a state file has one writer, so one name is enough and a crash leaves no litter behind
	f, err := os.OpenFile(next, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o640)
	if err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	_, err = f.Write(append(b, '\n'))
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(next, path)
	}
	if err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	return nil
}
