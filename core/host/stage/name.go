package stage

import (
	"slices"
	"strings"
)

// The files beside a plugin, by the ending of their names.
const (
	sigSuffix     = ".sig"
	sidecarSuffix = ".plugin.yaml"
)

// manifestName makes a folder a plugin.
const manifestName = "plugin.yaml"

// passing are the endings of names that are there for a moment only: what
// editors, copy tools, package managers and compilers leave.
var passing = []string{
	"~", ".tmp", ".part", ".partial", ".crdownload", ".swp", ".swo", ".bak", ".old", ".new", ".orig", ".rej",
	".dpkg-new", ".dpkg-old", ".dpkg-dist", ".dpkg-tmp", ".rpmnew", ".rpmsave", ".rpmorig",
	"-go-tmp-umask",
}

// beside are the endings of what lies beside a plugin.
var beside = []string{sigSuffix, ".sha256", ".sha512", ".asc", ".minisig", sidecarSuffix}

// ignored reports whether a name in a plugin directory is never a plugin.
func ignored(name string) bool {
	return hidden(name) || slices.ContainsFunc(beside, func(end string) bool { return strings.HasSuffix(name, end) })
}

// hidden reports whether a name in a plugin's folder is left out by itself.
func hidden(name string) bool {
	return strings.HasPrefix(name, ".") || strings.HasPrefix(name, "#") ||
		slices.ContainsFunc(passing, func(end string) bool { return strings.HasSuffix(name, end) })
}
