package notify

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func router(state string, epoch uint64) notice {
	return notice{Event: Event{
		Subject: Subject{"vrrp", "VI_1"}, Title: "INSTANCE", State: state, Previous: "BACKUP", Priority: 100,
		Reason: "check app: exit 1", Peer: "198.51.100.102", At: epoch0.UTC(), Mono: 5 * time.Second,
	}, Epoch: epoch}
}

func sample() kept {
	server := notice{Event: Event{Subject: Subject{"server", "news/[2001:db8::1]:80"}, State: "DOWN", At: epoch0.UTC()}, Epoch: 3}
	config := notice{Event: Event{Subject: Subject{Kind: "config"}, State: "LOADED", At: epoch0.UTC()}, Epoch: 4}
	master, backup := router("MASTER", 1), router("BACKUP", 2)
	return kept{Format: stateFormat, Epoch: 9, Lines: []keptLine{
		{Notifier: "app", Subject: master.Subject, Confirmed: &master, At: epoch0.UTC(), Unsure: true, Current: &backup, Tries: 2, Again: 1, Waiting: []notice{router("FAULT", 5)}},
		{Notifier: "ops", Subject: server.Subject, Unsure: true, Current: &server, Tries: 3, Again: againAfterCut},
		{Notifier: "ops", Subject: config.Subject, Confirmed: &config, At: epoch0.UTC()},
	}}
}

func TestStateSurvives(t *testing.T) {
	path := filepath.Join(t.TempDir(), stateFile)
	if got, err := readKept(path); err != nil || got.Epoch != 0 || got.Lines != nil {
		t.Fatalf("a missing file: %v, %v", got, err)
	}
	if err := writeKept(path, sample()); err != nil {
		t.Fatal(err)
	}
	got, err := readKept(path)
	if diff := cmp.Diff(sample(), got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	// A line that is restored and kept again is the same, but that a role tells nothing of an earlier life, and that what
	// was under way may have been cut.
	for _, k := range got.Lines {
		again := k.restore(epoch0).keep(lineID{k.Notifier, k.Subject})
		if k.Subject.isRole() {
			k.Current, k.Tries, k.Again = nil, 0, againAfterCut
		}
		if diff := cmp.Diff(k, again); diff != "" {
			t.Error(diff)
		}
	}
}

// A state file cut short at any byte is an error and no state.
func TestTornState(t *testing.T) {
	b, err := json.Marshal(sample())
	if err != nil {
		t.Fatal(err)
	}
	for n := range b {
		if got, err := parseKept(b[:n]); err == nil || got.Lines != nil || got.Epoch != 0 {
			t.Fatalf("%d of %d bytes: %v, %v", n, len(b), got, err)
		}
	}
}

func TestStateThatNobodyWrote(t *testing.T) {
	tests := []struct {
		name, was, is, want string
	}{
		{"another format", `"format":1`, `"format":2`, "format 2, this lvsd knows 1"},
		{"an epoch above all", `"epoch":9`, `"epoch":9223372036854775808`, "numbers out of range"},
		{"an event above the epoch", `"epoch":9`, `"epoch":4`, "an event that is not its own"},
		{"another one's event", `"notifier":"app","subject":"vrrp:VI_1"`, `"notifier":"app","subject":"vrrp:VI_2"`, "an event that is not its own"},
		{"an unknown kind", `"subject":"config"`, `"subject":"gateway"`, "no such kind of subject"},
		{"no notifier", `"notifier":"app"`, `"notifier":""`, "without a name, or twice"},
		{"twice", `"subject":"config","confirmed"`, `"subject":"server:news/[2001:db8::1]:80","confirmed"`, "without a name, or twice"},
		{"tries", `"tries":2`, `"tries":-2`, "numbers out of range"},
		{"again", `"again":1`, `"again":1000000`, "numbers out of range"},
		{"confirmed at no time", `"confirmed_at":"2027-01-15T08:00:00Z","unsure"`, `"unsure"`, "confirmed at no time"},
	}
	whole, err := json.Marshal(sample())
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if !strings.Contains(string(whole), tt.was) {
				t.Fatalf("%s is not in %s", tt.was, whole)
			}
			got, err := parseKept([]byte(strings.Replace(string(whole), tt.was, tt.is, 1)))
			if err == nil || !strings.Contains(err.Error(), tt.want) || got.Lines != nil {
				t.Errorf("%v, want %s", err, tt.want)
			}
		})
	}
}

func TestStateCannotBeWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), stateFile)
	if err := writeKept(path, sample()); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path+".new", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := writeKept(path, kept{Format: stateFormat}); err == nil {
		t.Error("no error for a state file that cannot be written")
	}
	if got, err := readKept(path); err != nil || len(got.Lines) != 3 {
		t.Errorf("the old state is gone: %v, %v", got, err)
	}
}

// What is read is what would be written, and can be worked with.
func FuzzState(f *testing.F) {
	b, err := json.Marshal(sample())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(`{"format":1,"epoch":1,"lines":[{"notifier":"a","subject":"config"}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		k, err := parseKept(b)
		if err != nil {
			if k.Lines != nil {
				t.Errorf("error %v, yet lines %v", err, k.Lines)
			}
			return
		}
		for _, l := range k.Lines {
			line := l.restore(epoch0)
			line.add(notice{Event: Event{Subject: l.Subject, State: "A"}, Epoch: k.Epoch + 1}, true, func(notice, What, int, time.Duration, string) {})
			if len(line.waiting) != 1 {
				t.Errorf("%d wait", len(line.waiting))
			}
		}
		out, err := json.Marshal(k)
		if err != nil {
			t.Fatalf("cannot be written again: %v", err)
		}
		again, err := parseKept(out)
		if diff := cmp.Diff(k, again); err != nil || diff != "" {
			t.Errorf("%v\n%s", err, diff)
		}
	})
}

func TestFirstEpoch(t *testing.T) {
	now := time.UnixMilli(1_800_000_000_000)
	wall := uint64(1_800_000_000_000) << 20
	tests := []struct {
		name string
		now  time.Time
		kept uint64
		want uint64
	}{
		{"no file", now, 0, wall},
		{"a start in the same millisecond", now, wall - 10, wall - 10 + 1<<32},
		{"a file, and the clock went on", now, wall - 1<<40, wall},
		{"the clock was set back", now.Add(-time.Hour), wall, wall + 1<<32},
		{"the clock stands at nothing", time.UnixMilli(-5), wall, wall + 1<<32},
		{"a start in the same second as many events", now, wall + 10, wall + 10 + 1<<32},
	}
	for _, tt := range tests {
		if got := firstEpoch(tt.now, tt.kept); got != tt.want {
			t.Errorf("%s: got %d, want %d", tt.name, got, tt.want)
		}
	}
}
