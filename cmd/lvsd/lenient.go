package main

import (
	"bufio"
	"errors"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"

	"github.com/lvsd/lvsd/pkg/config"
)

// mostScanned bounds what of a configuration with errors is looked at.
const mostScanned = 16 << 20

var tableLine = regexp.MustCompile(`^\s*\[+\s*([^\]]*?)\s*\]+`)

// scanSetting finds one string of a configuration that has errors, or gives "". It goes by lines and needs no valid TOML:
// it knows key = "..." in [table], table.key = "..." and table = { key = "..." }, not what is in an included file.
func scanSetting(file, table, key string) string {
	f, err := os.Open(file)
	if err != nil {
		return ""
	}
	defer f.Close()
	text := `\s*=\s*("(?:[^"\\]|\\.)*"|'[^']*')`
	inside := regexp.MustCompile(`^\s*` + key + text)
	outside := regexp.MustCompile(`^\s*` + table + `\s*(?:\.|=\s*\{(?:[^#]*,)?)\s*` + key + text)
	within := ""
	for lines := bufio.NewScanner(io.LimitReader(f, mostScanned)); lines.Scan(); {
		if head := tableLine.FindStringSubmatch(lines.Text()); head != nil {
			within = head[1]
			continue
		}
		var found []string
		switch within {
		case table:
			found = inside.FindStringSubmatch(lines.Text())
		case "":
			found = outside.FindStringSubmatch(lines.Text())
		}
		if found == nil {
			continue
		}
		if literal, ok := strings.CutPrefix(found[1], "'"); ok {
			return strings.TrimSuffix(literal, "'")
		}
		if plain, err := strconv.Unquote(found[1]); err == nil {
			return plain
		}
	}
	return ""
}

// faultOf says in few words what is wrong with a configuration that was not loaded.
func faultOf(err error) string {
	if _, ok := errors.AsType[*config.Errors](err); ok {
		return "the configuration has errors"
	}
	return "the configuration cannot be read"
}
