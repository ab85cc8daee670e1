package app

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/diag"
	"github.com/openccsp/gateway/core/httpd"
)

// pluginList is what there is to choose from.
type pluginList httpd.PluginList

// file returns what is known of a path, nil if nothing is.
func (l pluginList) file(path string) *httpd.Plugin {
	for i := range l.Items {
		if l.Items[i].Path == path && l.Items[i].File != "" {
			return &l.Items[i]
		}
	}
	return nil
}

// of returns all entries of the plugin that p is one of.
func (l pluginList) of(p *httpd.Plugin) (all []httpd.Plugin) {
	for _, q := range l.Items {
		if keyOf(&q) == keyOf(p) {
			all = append(all, q)
		}
	}
	return all
}

// keyOf is what the API calls a plugin.
func keyOf(p *httpd.Plugin) string {
	if p.ID == "" {
		return p.Path
	}
	return p.ID
}

// find returns the first entry of the one plugin that name means: its id, the
// end of one ("enghouse"), or the path of a file, or the end of that.
func (l pluginList) find(name string) (*httpd.Plugin, error) {
	if name == "" {
		return nil, core.Errorf(core.Invalid, "a plugin's name is empty")
	}
	path, err := filepath.Abs(name)
	if err != nil {
		return nil, err
	}
	for _, fits := range []func(p *httpd.Plugin) bool{
		func(p *httpd.Plugin) bool { return p.ID == name },
		func(p *httpd.Plugin) bool { return p.Path == path },
		func(p *httpd.Plugin) bool { return strings.HasSuffix(p.ID, "."+name) },
		func(p *httpd.Plugin) bool { return p.ID == "" && filepath.Base(p.Path) == name },
	} {
		var found []*httpd.Plugin
		for i := range l.Items {
			p := &l.Items[i]
			if fits(p) && !slices.ContainsFunc(found, func(q *httpd.Plugin) bool { return keyOf(q) == keyOf(p) }) {
				found = append(found, p)
			}
		}
		switch len(found) {
		case 0:
		case 1:
			return found[0], nil
		default:
			var keys []string
			for _, p := range found {
				keys = append(keys, printable(keyOf(p)))
			}
			return nil, core.Errorf(core.Invalid, "%q is one of %s; write more of it", clip(name), strings.Join(keys, ", "))
		}
	}
	return nil, l.unknown(name)
}

func (l pluginList) unknown(name string) error {
	var known, ends []string
	whole := map[string]string{} // by end
	for _, p := range l.Items {
		key := keyOf(&p)
		if slices.Contains(known, key) {
			continue
		}
		known = append(known, key)
		for end := key; ; end = end[strings.IndexAny(end, "./")+1:] {
			ends, whole[end] = append(ends, end), key
			if !strings.ContainsAny(end, "./") {
				break
			}
		}
	}
	hint := diag.DidYouMean(name, known)
	if near := diag.Suggest(name, ends); near != "" {
		hint = fmt.Sprintf("did you mean %q?", whole[near])
	}
	if hint == "" {
		return core.Errorf(core.NotFound, "no plugin %q", clip(name))
	}
	return core.Errorf(core.NotFound, "no plugin %q; %s", clip(name), printable(hint))
}
