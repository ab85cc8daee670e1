package pluginv1

import _ "embed" // plugin.proto

// Proto is the text of plugin.proto, for plugins in other languages.
//
//go:embed plugin.proto
var Proto string
