package checks_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/BurntSushi/toml"
	"github.com/google/go-cmp/cmp"

	"github.com/lvsd/lvsd/checks"
)

// Each kind's keys, and that a table with all of them is decoded, none left over.
func TestKinds(t *testing.T) {
	const ofHTTP = "host = 'a.example'\npath = '/x'\nmethod = 'HEAD'\nheaders = { A = 'b' }\nstatus = '200'\nmax_body = '1KB'\nbody = ''\n"
	const ofTLS = "verify = false\nca = ''\ncert = ''\nkey = ''\nserver_name = 'b.example'\nalpn = ['http/1.1']\nwarn_expiry = '14d'\n"
	tables := map[string]string{
		"http":   ofHTTP,
		"https":  ofHTTP + ofTLS,
		"tcp":    "send = 'x'\nexpect = 'y'\n",
		"tls":    ofTLS,
		"script": "command = ['/bin/true']\nuser = ''\nweight_from_exit = true\n",
	}
	if want := []string{"http", "https", "script", "tcp", "tls"}; !slices.Equal(checks.Kinds(), want) {
		t.Errorf("kinds %v, want %v", checks.Kinds(), want)
	}
	for _, kind := range checks.Kinds() {
		c, _ := checks.New(kind)
		md, err := toml.Decode(tables[kind], c)
		if err != nil || len(md.Undecoded()) > 0 {
			t.Errorf("%s: %v, left over %v", kind, err, md.Undecoded())
		}
		var keys []string
		for line := range strings.Lines(tables[kind]) {
			key, _, _ := strings.Cut(line, " ")
			keys = append(keys, key)
		}
		slices.Sort(keys)
		if diff := cmp.Diff(keys, checks.Keys(c)); diff != "" {
			t.Errorf("%s: %s", kind, diff)
		}
		if errs := c.(checks.Validator).Validate(); errs != nil {
			t.Errorf("%s: %v", kind, errs)
		}
	}
	if c, ok := checks.New("gopher"); ok || c != nil {
		t.Errorf("gopher is %v", c)
	}
}

func TestDefaults(t *testing.T) {
	c, _ := checks.New("https")
	h := c.(*checks.HTTPS)
	if h.Path != "/" || h.Method != "GET" || h.Status != "200-399" || h.MaxBody != "64KB" || !h.Verify {
		t.Errorf("%+v", h)
	}
	for _, kind := range []string{"http", "https", "tcp", "tls"} {
		c, _ := checks.New(kind)
		ready(t, c)
	}
}

func TestOutcomeText(t *testing.T) {
	for _, o := range []checks.Outcome{checks.NotAsked, checks.Good, checks.BadAnswer, checks.Refused, checks.NoAnswer} {
		b, err := json.Marshal(o)
		var back checks.Outcome
		if err != nil || json.Unmarshal(b, &back) != nil || back != o {
			t.Errorf("%v as %s is %v again: %v", o, b, back, err)
		}
	}
	var o checks.Outcome
	if err := o.UnmarshalText([]byte("well")); err == nil {
		t.Error("\"well\" is an outcome")
	}
	if s := checks.Outcome(9).String(); s != "outcome 9" {
		t.Error(s)
	}
}

func TestParseStatus(t *testing.T) {
	for in, want := range map[string]string{
		"200-399":          "[{200 399}]",
		"200,204, 300-399": "[{200 200} {204 204} {300 399}]",
		"599":              "[{599 599}]",
		"":                 `is empty; write codes such as "200-399" or "200,204"`,
		"200,":             `"" is not a status code from 100 to 599`,
		"99":               `"99" is not a status code from 100 to 599`,
		"600":              `"600" is not a status code from 100 to 599`,
		"+20":              `"+20" is not a status code from 100 to 599`,
		"399-200":          "range 399-200 runs backwards",
		"200-300-400":      `"300-400" is not a status code from 100 to 599`,
	} {
		set, err := checks.ParseStatus(in)
		got := fmt.Sprint(set)
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
}

func TestParseUnits(t *testing.T) {
	for in, want := range map[string]string{
		"300ms": "300ms", "5s": "5s", "10m": "10m0s", "30d": "720h0m0s", "1d12h": "36h0m0s", "0s": "0s", "0d": "0s", "1h30m": "1h30m0s", "106751d": "2562024h0m0s",
		"": "?", "5": "?", "0": "?", "-5s": "?", "d": "?", "1.5d": "?", "-1d": "?", "1d-1h": "?", "1d1d": "?", "1h1d": "?", "106752d": "?", "106751d24h": "?", "5 s": "?", "9999999h": "?",
	} {
		got := "?"
		if d, err := checks.ParseDuration(in); err == nil {
			got = d.String()
		}
		if got != want {
			t.Errorf("duration %q: %s, want %s", in, got, want)
		}
	}
	for in, want := range map[string]int64{
		"64KB": 65536, "1B": 1, "0B": 0, "50MB": 50 << 20, "2GB": 2 << 30,
		"": -1, "64": -1, "KB": -1, "-1KB": -1, "+1KB": -1, "1.5KB": -1, "64kb": -1, "64 KB": -1, "9223372036854775807GB": -1, "99999999999999999999B": -1,
	} {
		got := int64(-1)
		if n, err := checks.ParseSize(in); err == nil {
			got = n
		}
		if got != want {
			t.Errorf("size %q: %d, want %d", in, got, want)
		}
	}
}

func TestShort(t *testing.T) {
	for in, want := range map[time.Duration]string{
		1999999321: "2s", 299_998_000: "300ms", 1_249_999_999: "1.25s", time.Minute: "1m0s", 9_999_990: "10ms", 5: "5ns", 0: "0s",
	} {
		if got := checks.Short(in).String(); got != want {
			t.Errorf("%d: %s, want %s", in, got, want)
		}
	}
}

func TestOneLine(t *testing.T) {
	for in, want := range map[string]string{
		"":                       "",
		"plain words":            "plain words",
		"  a \r\n\t b\x00\x7f  ": "a b",
		"\x1b[2Jgone":            "[2Jgone",
		"\xff\xfeü":              "ü",
		"right\u202eleft":        "right left",
	} {
		if got := checks.OneLine(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	if got := checks.OneLine(strings.Repeat("ü", 500)); got != strings.Repeat("ü", 98)+"…" {
		t.Errorf("%d bytes: %q", len(got), got)
	}
}
