package config

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// want is a line of a file in testdata/invalid: the line, then the path and the beginning of the message.
var want = regexp.MustCompile(`(?m)^# want: (\d+): (.*)$`)

// Each file has the errors that its first lines want, all of them and no others, each on its line.
func TestInvalid(t *testing.T) {
	files, err := filepath.Glob("testdata/invalid/*.toml")
	if err != nil || len(files) < 60 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".toml"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			wants := want.FindAllStringSubmatch(string(text), -1)
			if len(wants) == 0 {
				t.Fatal("wants nothing")
			}
			c, err := Load(file)
			many, ok := errors.AsType[*Errors](err)
			if !ok {
				t.Fatalf("got %+v, %v", c, err)
			}
			for _, w := range wants {
				if i := find(many.List, w[1], w[2]); i >= 0 {
					many.List = append(many.List[:i], many.List[i+1:]...)
				} else {
					t.Errorf("missing: line %s: %s", w[1], w[2])
				}
			}
			for _, e := range many.List {
				t.Errorf("not wanted: %v", e)
			}
		})
	}
}

// find gives the error on a line that begins with words, as the path and the message are printed.
func find(list []Error, line, words string) int {
	for i, e := range list {
		said := strings.TrimPrefix(e.Error(), e.File+":"+line+": ")
		said = strings.ReplaceAll(said, "testdata/invalid/", "")
		if strconv.Itoa(e.Line) == line && strings.HasPrefix(said, strings.ReplaceAll(words, "testdata/invalid/", "")) {
			return i
		}
	}
	return -1
}
