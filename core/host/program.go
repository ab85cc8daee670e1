package host

import (
	"cmp"
	"slices"
	"time"

	"github.com/openccsp/gateway/core/host/stage"
)

// program is the content of a plugin file, as it may run.
type program struct {
	Path    string // of the file, for people
	Digest  string
	Command []string // of the copy in the store
	Dir     string   // of the copy
	ModTime time.Time

	attached bool // a process that somebody else runs
	claim    stage.Claim
	sidecar  stage.Sidecar
}

func programOf(f stage.File) program {
	return program{Path: f.Path, Digest: f.Digest, Command: f.Command, Dir: f.Dir, ModTime: f.ModTime,
		claim: f.Claim, sidecar: f.Sidecar}
}

// offer is a program that is known to be the slot's plugin.
type offer struct {
	program
	mf *manifest
}

// compareOffers puts the better one first: what a debugger runs, the higher
// version, the newer file.
func compareOffers(a, b *offer) int {
	if a.attached != b.attached {
		if a.attached {
			return -1
		}
		return 1
	}
	if c := b.mf.semver.compare(a.mf.semver); c != 0 {
		return c
	}
	if c := b.ModTime.Compare(a.ModTime); c != 0 {
		return c
	}
	return cmp.Compare(a.Path, b.Path)
}

// shelf are the offers of one slot. The caller guards it.
type shelf struct {
	paths map[string][]*offer // what lies at a path, then what ran from there before
}

// put makes o what lies at its path. What was the best of the path stays
// behind it: o may be broken.
func (sh *shelf) put(o *offer, fit func(*offer) bool) {
	list := []*offer{o}
	for _, old := range sh.paths[o.Path] {
		if old.Digest != o.Digest && fit(old) {
			list = append(list, old)
			break
		}
	}
	if sh.paths == nil {
		sh.paths = make(map[string][]*offer)
	}
	sh.paths[o.Path] = list
}

func (sh *shelf) remove(path string) { delete(sh.paths, path) }

// best returns the best offer that is fit, nil if there is none: of each path
// what lies there, or else what ran before.
func (sh *shelf) best(fit func(*offer) bool) *offer {
	var all []*offer
	for _, list := range sh.paths {
		if n := slices.IndexFunc(list, fit); n >= 0 {
			all = append(all, list[n])
		}
	}
	if len(all) == 0 {
		return nil
	}
	return slices.MinFunc(all, compareOffers)
}

// find returns the offer of that content, nil if there is none.
func (sh *shelf) find(digest string) *offer {
	for _, list := range sh.paths {
		for _, o := range list {
			if o.Digest == digest {
				return o
			}
		}
	}
	return nil
}
