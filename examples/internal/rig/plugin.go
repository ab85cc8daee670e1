package rig

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Plugin is what the gateway says of a plugin file and its process.
type Plugin struct {
	ID, Version, Path, File, State, Problem, Rejected string

	Since             time.Time
	PID               int
	Restarts, Crashes int
	Quarantine        time.Time `json:"quarantine_until"`
}

// Swap is what it says of a replacement.
type Swap struct {
	From, To   string
	Exclusive  bool
	GapSeconds float64 `json:"gap_seconds"`
	Problem    string
}

// Gap is how long the plugin's callers found nobody.
func (s Swap) Gap() time.Duration { return time.Duration(s.GapSeconds * float64(time.Second)) }

// PluginReport is everything the gateway says of one plugin.
type PluginReport struct {
	Files   []Plugin // the active one first
	Swaps   []Swap   // the last ones, oldest first
	Sandbox []struct {
		Name string
		On   bool
	}
}

// Restrictions says what the process may not do.
func (r PluginReport) Restrictions() string {
	var on, off []string
	for _, s := range r.Sandbox {
		if s.On {
			on = append(on, s.Name)
		} else {
			off = append(off, s.Name)
		}
	}
	return fmt.Sprintf("on: %s; off: %s", strings.Join(on, ", "), strings.Join(off, ", "))
}

// Plugin asks for a plugin.
func (h *Home) Plugin(ctx context.Context, id string) (PluginReport, error) {
	var r PluginReport
	err := h.Get(ctx, "/v1/plugins/"+url.PathEscape(id), &r)
	if err == nil && len(r.Files) == 0 {
		err = fmt.Errorf("plugin %s: no file", id)
	}
	return r, err
}

// Plugins asks for all plugin files.
func (h *Home) Plugins(ctx context.Context) ([]Plugin, error) {
	var list struct{ Items []Plugin }
	err := h.Get(ctx, "/v1/plugins", &list)
	return list.Items, err
}

// Order gives an operator's order about a plugin: rollback, quarantine or
// release.
func (h *Home) Order(ctx context.Context, id, order string) error {
	path := "/v1/plugins/" + url.PathEscape(id) + "/" + order
	_, err := h.do(ctx, http.MethodPost, path, http.StatusAccepted)
	return err
}

// Running returns the name of a running process.
func Running(pid int) (ID, error) {
	f, err := stat(pid)
	if err != nil {
		return ID{}, err
	}
	return ID{pid, f[fieldStart]}, nil
}

// From returns the processes whose program lies or lay in a folder, whoever
// started them.
func From(dir string) []ID {
	var all []ID
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	links, _ := filepath.Glob("/proc/[0-9]*/exe")
	for _, link := range links {
		program, err := os.Readlink(link)
		if err != nil || !strings.HasPrefix(program, dir+"/") {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(link)))
		if err != nil {
			continue
		}
		if id, err := Running(pid); err == nil && id.Alive() {
			all = append(all, id)
		}
	}
	return all
}

// Descriptors counts what a process has open that is not a file: sockets,
// pipes and the like.
func Descriptors(pid int) (n int) {
	links, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	for _, link := range links {
		if what, err := os.Readlink(link); err == nil && !strings.HasPrefix(what, "/") {
			n++
		}
	}
	return n
}
