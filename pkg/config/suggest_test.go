package config

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// wrongNames is a file of many checks, and of a service that asks for as many others, one letter off.
func wrongNames(checks, wrong int) string {
	var b strings.Builder
	for i := range checks {
		fmt.Fprintf(&b, "[check.alive-of-the-web-server-%d]\ntype = \"tcp\"\n", i)
	}
	b.WriteString("[[service]]\nname = \"web\"\nvips = [\"192.0.2.1\"]\nports = [80]\nservers = [\"10.0.0.1\"]\nchecks = [\n")
	for i := range wrong {
		fmt.Fprintf(&b, "\"alife-of-the-web-server-%d\",\n", i)
	}
	return b.String() + "]\n"
}

// Suggestions are bounded: a file that a machine wrote wrongly is refused as fast as another.
func TestSuggestionsAreBounded(t *testing.T) {
	for _, tt := range []struct{ checks, wrong, want int }{
		{10, 5, 5}, {mostWords, 3, 3}, {mostWords + 1, 3, 0}, {30, 30, mostSuggestions}, {20000, 2000, 0},
	} {
		began := time.Now()
		_, err := Parse(Source{"lvsd.toml", []byte(wrongNames(tt.checks, tt.wrong))})
		many, ok := errors.AsType[*Errors](err)
		if !ok || len(many.List) != tt.wrong {
			t.Fatalf("%+v: %.200v", tt, err)
		}
		if n := strings.Count(err.Error(), "did you mean"); n != tt.want {
			t.Errorf("%+v: %d suggestions", tt, n)
		}
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("%+v: took %v", tt, took)
		}
	}
}

// Some editors put a byte order mark before the text. Lines and keys are what they are without it.
func TestByteOrderMark(t *testing.T) {
	path := write(t, map[string]string{"lvsd.toml": "\ufeffname = \"a\"\ninclude = [\"b.toml\"]\n", "b.toml": "\ufeff# nothing\n"})
	c, err := Load(path)
	if err != nil || c.Name != "a" {
		t.Errorf("%+v, %v", c, err)
	}
	if _, err := Parse(Source{"lvsd.toml", []byte("\ufeffnmae = 1\n")}); err == nil || !strings.HasPrefix(err.Error(), "lvsd.toml:1: nmae: unknown key") {
		t.Errorf("got %v", err)
	}
	if _, err := Load(write(t, map[string]string{"lvsd.toml": "\ufeff\n"})); err == nil || !strings.Contains(err.Error(), "empty") {
		t.Errorf("got %v", err)
	}
}
