package httpd

import (
	"context"
	"encoding/json"
	"path/filepath"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/openccsp/gateway/core"
)

// Plugins are the files in the plugin directories and their processes.
type Plugins interface {
	Plugins() PluginList
	// Plugin returns what is known of a plugin. Of a file that has never said
	// which plugin it is, id is its path.
	Plugin(id string) (PluginDetail, error)
	// PluginLogs calls emit for the last lines that a plugin wrote, and if
	// follow for each new one until ctx ends or emit fails.
	PluginLogs(ctx context.Context, id string, follow bool, emit func(PluginLine) error) error
	RollbackPlugin(id string) error
	QuarantinePlugin(id string) error
	ReleasePlugin(id string) error
	ApprovePlugin(ctx context.Context, r Approve) (Approved, error)
	// AttachPlugin takes the JSON that a plugin printed when it was started
	// with --debug.
	AttachPlugin(ctx context.Context, reattach string) error
}

// PluginList is what lies in the plugin directories.
type PluginList struct {
	Items  []Plugin      `json:"items"`
	Trust  string        `json:"trust"`  // open, pinned, signed
	Alarms []PluginAlarm `json:"alarms"` // what came of these directories before stays in force
}

// PluginAlarm is trouble with a plugin directory, or with the lock file.
type PluginAlarm struct {
	Path    string    `json:"path"`
	Message string    `json:"message"`
	Since   time.Time `json:"since,omitzero"`
}

// Plugin is a plugin file, and its process if it has one.
type Plugin struct {
	ID         string           `json:"id"` // "" until it has said so
	Version    string           `json:"version"`
	SDK        string           `json:"sdk,omitempty"`
	Path       string           `json:"path"`
	Digest     string           `json:"digest,omitempty"` // of what runs or would run: SHA-256, hex
	File       string           `json:"file,omitempty"`   // what lies at Path: settling, ready, refused, attached, gone
	FileReason string           `json:"file_reason,omitempty"`
	Warnings   []string         `json:"warnings,omitempty"`
	Claim      *PluginClaim     `json:"claim,omitempty"`
	Drivers    []string         `json:"drivers,omitempty"`
	Clashes    []string         `json:"clashes,omitempty"` // drivers that another plugin has
	Handover   string           `json:"handover,omitempty"`
	State      string           `json:"state"`
	Since      time.Time        `json:"since,omitzero"` // of State
	Problem    string           `json:"problem,omitempty"`
	Generation uint64           `json:"generation"`
	PID        int              `json:"pid,omitempty"`
	Memory     int64            `json:"memory,omitempty"` // bytes
	Restarts   int              `json:"restarts"`         // after ends that nobody asked for; a new version's start is none
	Crashes    int              `json:"crashes"`          // in the last 10 minutes
	Rejected   string           `json:"rejected,omitempty"`
	RejectedAt time.Time        `json:"rejected_at,omitzero"`
	Quarantine time.Time        `json:"quarantine_until,omitzero"`
	Operator   bool             `json:"operator,omitempty"` // quarantined until it is released
	Probation  time.Time        `json:"probation_until,omitzero"`
	Instances  []PluginInstance `json:"instances"`
}

// PluginClaim is what a signature or the lock file vouches for.
type PluginClaim struct {
	ID      string `json:"id"`
	Version string `json:"version"`
}

// PluginInstance is an instance of one of a plugin's drivers.
type PluginInstance struct {
	Name    string `json:"name"`
	Driver  string `json:"driver"`
	State   string `json:"state"` // waiting, opening, open, failed
	OK      bool   `json:"ok"`
	Problem string `json:"problem,omitempty"`
}

// PluginDetail is everything about one plugin.
type PluginDetail struct {
	Files   []Plugin     `json:"files"`   // the active one first
	Swaps   []PluginSwap `json:"swaps"`   // the last ones, oldest first
	Sandbox []Restricted `json:"sandbox"` // of the running process
	Log     []string     `json:"log"`     // the last lines
}

// PluginSwap is a replacement of a version by another one, or a try.
type PluginSwap struct {
	At         time.Time `json:"at"`
	From       string    `json:"from"`
	To         string    `json:"to"`
	FromDigest string    `json:"from_digest"`
	ToDigest   string    `json:"to_digest"`
	Exclusive  bool      `json:"exclusive,omitempty"`
	Gap        float64   `json:"gap_seconds"`  // while callers found nobody
	Took       float64   `json:"took_seconds"` // from the start of the process until it served
	Problem    string    `json:"problem,omitempty"`
}

// Restricted is something that the sandbox keeps a process from, or why not.
type Restricted struct {
	Name   string `json:"name"`
	On     bool   `json:"on"`
	Detail string `json:"detail,omitempty"`
}

// PluginLine is a line that a plugin wrote.
type PluginLine struct {
	At         time.Time `json:"at"`
	Level      string    `json:"level"` // DEBUG, INFO, WARN, ERROR
	Text       string    `json:"text"`
	Generation uint64    `json:"generation,omitempty"`
	PID        int       `json:"pid,omitempty"`
}

// Approve asks for the content of a plugin file to be put into the lock file.
type Approve struct {
	Path    string `json:"path"`              // as Plugin has it
	Digest  string `json:"digest,omitempty"`  // what it must be; "": what it is
	ID      string `json:"id,omitempty"`      // without both, the program is
	Version string `json:"version,omitempty"` // started once, and asked
}

// Approved is a line of the lock file.
type Approved struct {
	ID       string   `json:"id"`
	Version  string   `json:"version"`
	Platform string   `json:"platform"`
	Digest   string   `json:"digest"`
	Replaced string   `json:"replaced,omitempty"` // digest that the line had before
	LockFile string   `json:"lock_file"`
	Warnings []string `json:"warnings,omitempty"`
}

// listPlugins answers GET /v1/plugins.
//
//	200 {"items":[{"id":"org.example.acme","version":"1.2.0","path":"plugins/acme","state":"running",…}],
//	     "trust":"open","alarms":[{"path":"plugins","message":"…","since":"…"}]}
func (a *Admin) listPlugins(_ context.Context, r *fasthttp.RequestCtx) error {
	list := a.gateway.Plugins()
	if list.Items == nil {
		list.Items = []Plugin{}
	}
	if list.Alarms == nil {
		list.Alarms = []PluginAlarm{}
	}
	fillPlugins(list.Items)
	writeJSON(r, fasthttp.StatusOK, list)
	return nil
}

// fillPlugins makes lists of what is nil.
func fillPlugins(all []Plugin) {
	for i := range all {
		if all[i].Instances == nil {
			all[i].Instances = []PluginInstance{}
		}
	}
}

// getPlugin answers GET /v1/plugins/{id}.
//
//	200 {"files":[{"id":"org.example.acme",…}],"swaps":[…],"sandbox":[{"name":"no_new_privs","on":true}],"log":["…"]}
func (a *Admin) getPlugin(_ context.Context, r *fasthttp.RequestCtx) error {
	id, err := param(r, "id")
	if err != nil {
		return err
	}
	d, err := a.gateway.Plugin(id)
	if err != nil {
		return err
	}
	fillPlugins(d.Files)
	if d.Swaps == nil {
		d.Swaps = []PluginSwap{}
	}
	if d.Sandbox == nil {
		d.Sandbox = []Restricted{}
	}
	if d.Log == nil {
		d.Log = []string{}
	}
	writeJSON(r, fasthttp.StatusOK, d)
	return nil
}

// getPluginLogs answers GET /v1/plugins/{id}/logs?follow=1: one JSON object per
// line. While it follows, an empty line says that there is nothing new.
//
//	200 {"at":"2026-11-22T10:00:00Z","level":"INFO","text":"connected","generation":3,"pid":4711}
func (a *Admin) getPluginLogs(_ context.Context, r *fasthttp.RequestCtx) error {
	id, err := param(r, "id")
	if err != nil {
		return err
	}
	q, err := query(r, "follow")
	if err != nil {
		return err
	}
	if f := q["follow"]; f != "" && f != "0" && f != "1" {
		return core.Errorf(core.Invalid, "follow %.20q is neither 0 nor 1", f)
	}
	if _, err := a.gateway.Plugin(id); err != nil {
		return err
	}
	follow := q["follow"] == "1"
	return a.stream(r, follow, "application/x-ndjson", func(ctx context.Context, write func([]byte) error) error {
		return a.gateway.PluginLogs(ctx, id, follow, func(l PluginLine) error {
			b, err := json.Marshal(l)
			if err != nil {
				return err
			}
			return write(append(b, '\n'))
		})
	})
}

// rollbackPlugin answers POST /v1/plugins/{id}/rollback with 202: the swap is
// under way.
func (a *Admin) rollbackPlugin(_ context.Context, r *fasthttp.RequestCtx) error {
	return order(r, a.gateway.RollbackPlugin)
}

// quarantinePlugin answers POST /v1/plugins/{id}/quarantine with 202.
func (a *Admin) quarantinePlugin(_ context.Context, r *fasthttp.RequestCtx) error {
	return order(r, a.gateway.QuarantinePlugin)
}

// releasePlugin answers POST /v1/plugins/{id}/release with 202.
func (a *Admin) releasePlugin(_ context.Context, r *fasthttp.RequestCtx) error {
	return order(r, a.gateway.ReleasePlugin)
}

func order(r *fasthttp.RequestCtx, do func(id string) error) error {
	id, err := param(r, "id")
	if err != nil {
		return err
	}
	if hasBody(r) {
		return core.Errorf(core.Invalid, "this takes no body")
	}
	if err := do(id); err != nil {
		return err
	}
	writeJSON(r, fasthttp.StatusAccepted, struct{}{})
	return nil
}

// approvePlugin answers POST /v1/plugins/approve.
//
//	{"path":"/opt/gateway/plugins/acme","digest":"9f86…"}
//	200 {"id":"org.example.acme","version":"1.2.0","platform":"linux/amd64","digest":"9f86…","lock_file":"plugins.lock"}
func (a *Admin) approvePlugin(ctx context.Context, r *fasthttp.RequestCtx) error {
	var body Approve
	if err := decode(r, &body); err != nil {
		return err
	}
	switch {
	case !filepath.IsAbs(body.Path) || len(body.Path) > 4096:
		return core.Errorf(core.Invalid, "path must be that of a plugin file, as /v1/plugins has it")
	case body.Digest != "" && !isDigest(body.Digest):
		return core.Errorf(core.Invalid, "digest is not a SHA-256 in lower-case hex")
	case (body.ID == "") != (body.Version == ""):
		return core.Errorf(core.Invalid, "id and version belong together")
	}
	approved, err := a.gateway.ApprovePlugin(ctx, body)
	if err != nil {
		return err
	}
	writeJSON(r, fasthttp.StatusOK, approved)
	return nil
}

func isDigest(s string) bool {
	for _, c := range s {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return len(s) == 64
}

type attachRequest struct {
	Reattach string `json:"reattach"`
}

// attachPlugin answers POST /v1/plugins/attach with 202.
//
//	{"reattach":"{\"org.example.acme\":{\"network\":\"unix\",\"addr\":\"…\",\"pid\":4711}}"}
func (a *Admin) attachPlugin(ctx context.Context, r *fasthttp.RequestCtx) error {
	var body attachRequest
	if err := decode(r, &body); err != nil {
		return err
	}
	if !json.Valid([]byte(body.Reattach)) || len(body.Reattach) > 16<<10 {
		return core.Errorf(core.Invalid, "reattach must be the JSON that a plugin prints when it is started with --debug")
	}
	if err := a.gateway.AttachPlugin(ctx, body.Reattach); err != nil {
		return err
	}
	writeJSON(r, fasthttp.StatusAccepted, struct{}{})
	return nil
}
