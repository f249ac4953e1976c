package config

import "bytes"

// mostDepth is how deep lists, tables and dotted keys may stand in one another. Ours need five; both parsers recurse,
// and what BurntSushi/toml needs for inline tables grows with the cube of their depth.
const mostDepth = 64

// tooDeep gives the line on which brackets stand deeper in one another than mostDepth; 0 if none do. It knows strings
// and comments and leaves all other mistakes to the parsers.
func tooDeep(text []byte) int {
	depth := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '#':
			n := bytes.IndexByte(text[i:], '\n')
			if n < 0 {
				return 0
			}
			i += n
		case '"', '\'':
			i += stringLen(text[i:]) - 1
		case '[', '{':
			if depth++; depth > mostDepth {
				return 1 + bytes.Count(text[:i], []byte{'\n'})
			}
		case ']', '}':
			depth = max(0, depth-1)
		}
	}
	return 0
}

// stringLen gives how many bytes the string takes that text begins with, quotes included. One that does not end takes
// its line, or all of the text if it is of many lines.
func stringLen(text []byte) int {
	quote := text[:1]
	if triple := bytes.Repeat(quote, 3); bytes.HasPrefix(text, triple) {
		quote = triple
	}
	for i := len(quote); i < len(text); i++ {
		switch {
		case text[i] == '\\' && quote[0] == '"':
			i++
		case text[i] == '\n' && len(quote) == 1:
			return i
		case bytes.HasPrefix(text[i:], quote):
			i += len(quote)
			for extra := 0; len(quote) == 3 && extra < 2 && i < len(text) && text[i] == quote[0]; extra++ {
				i++ // a string of many lines may end in two quotes of its own
			}
			return i
		}
	}
	return len(text)
}
