// Lvsd keeps an IPVS director's table as its configuration says and the health of the real servers allows. One file here
// is one subcommand; what they do lives in the packages below.
package main

import (
	"os"
)

func main() { os.Exit(execute(os.Args[1:], os.Stdout, os.Stderr)) }
