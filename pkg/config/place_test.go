package config

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write testdata/positions.golden anew")

// The lines come from an API that promises nothing, so every form of TOML that can hold a value is here.
func TestPositions(t *testing.T) {
	text, err := os.ReadFile("testdata/positions.toml")
	if err != nil {
		t.Fatal(err)
	}
	r := newReport()
	root := decode(&document{name: "positions.toml", report: r}, text)
	if root == nil {
		t.Fatal(r.problems)
	}
	var got bytes.Buffer
	lines(&got, root)
	if *update {
		if err := os.WriteFile("testdata/positions.golden", got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/positions.golden")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Errorf("got\n%swant\n%s", got.Bytes(), want)
	}
	// Each line of the file that says where it is must be believed by the index.
	for i, l := range strings.Split(string(text), "\n") {
		if _, path, ok := strings.Cut(l, "#@ "); ok && !strings.Contains(got.String(), fmt.Sprintf("%d %s =", i+1, path)) {
			t.Errorf("%s is not on line %d", path, i+1)
		}
	}
}

// lines prints every value with its line.
func lines(b *bytes.Buffer, v *value) {
	fmt.Fprintf(b, "%d %s = %s\n", v.line, v.path(), v.shown())
	for _, k := range slices.Sorted(maps.Keys(v.table)) {
		lines(b, v.table[k])
	}
	for _, inner := range v.list {
		lines(b, inner)
	}
}

// large is a configuration of many services with ten servers each.
func large(services int) []byte {
	var b bytes.Buffer
	b.WriteString("[check.alive]\ntype = \"http\"\nport = 80\n")
	for i := range services {
		fmt.Fprintf(&b, "[[service]]\nname = \"s%d\"\nvips = [\"10.1.%d.%d\"]\nports = [80]\nchecks = [\"alive\"]\nservers = [\n", i, i/250, i%250+1)
		for j := range 10 {
			fmt.Fprintf(&b, "  { address = \"10.%d.%d.%d\", weight = %d },\n", 10+j, i/250, i%250+1, j+1)
		}
		b.WriteString("]\n")
	}
	return b.Bytes()
}

// Reading must not take the square of the size. The bound is wide: ten times the text may take forty times as long.
func TestTimeGrowsWithSize(t *testing.T) {
	took := func(services int) time.Duration {
		text := large(services)
		best := time.Hour
		for range 3 {
			began := time.Now()
			c, err := Parse(Source{"lvsd.toml", text})
			if err != nil {
				t.Fatal(err)
			}
			if len(c.Director.Services) != services || len(c.Director.Checks) != 10*services {
				t.Fatalf("%d services, %d probes", len(c.Director.Services), len(c.Director.Checks))
			}
			best = min(best, time.Since(began))
		}
		return best
	}
	if small, big := took(100), took(1000); big > 40*small {
		t.Errorf("100 services took %v, 1000 took %v", small, big)
	}
}

func BenchmarkParse1000x10(b *testing.B) {
	text := large(1000)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, err := Parse(Source{"lvsd.toml", text}); err != nil {
			b.Fatal(err)
		}
	}
}
