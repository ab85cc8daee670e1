// Command gateway connects customers on any channel with agents in the
// contact-center software they already have.
package main

import (
	"embed"
	"os"

	"github.com/openccsp/gateway/core/app"
)

// defaults is what `gateway init` writes.
//
//go:embed gateway.hcl rules.d
var defaults embed.FS

func main() { os.Exit(app.Main(os.Args[1:], defaults)) }
