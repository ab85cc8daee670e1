package config

import (
	"log/slog"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
)

// inner are the schemas of the blocks that occur at most once.
var inner = map[string]*hcl.BodySchema{
	"plugins": {Attributes: optional("trust", "lock_file", "keys", "sandbox", "read", "memory"),
		Blocks: []hcl.BlockHeaderSchema{{Type: "plugin", LabelNames: []string{"id"}}}},
	"admin": {Attributes: optional("listen")},
	"log":   {Attributes: optional("format", "level")},
	"store": {Attributes: optional("retention", "watermark", "ballast")},
	"limits": {Attributes: optional("body", "header", "connections", "connections_per_ip", "read_timeout",
		"write_timeout", "idle_timeout", "queue", "instance_queue", "memory")},
	"dispatch": {Attributes: optional("ambiguous", "max_parts", "lane_age", "text_limit", "text_unit", "overflow", "rate", "burst")},
}

// Admin is the block of the administrators' listener:
//
//	admin {
//	  listen = "127.0.0.1:8081"   # this is the default
//	}
type Admin struct {
	Listen string
}

func (c *Config) readAdmin(b *block) {
	c.Admin.Listen, c.adminAt = b.address("listen", "127.0.0.1:8081")
	if c.Admin.Listen == c.Listen && !strings.HasSuffix(c.Listen, ":0") {
		b.r.problem(c.adminAt, `admin listens at %s, like "listen"; give it a port of its own`, c.Listen)
	}
}

// Log is the block of the gateway's own log, which goes to standard error:
//
//	log {
//	  format = "json"   # or "text"; default: text on a terminal, json elsewhere
//	  level  = "info"   # or debug, warn, error; this is the default
//	}
type Log struct {
	Format string // "text", "json", or "" for the default
	Level  slog.Level
}

var levels = map[string]slog.Level{
	"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError,
}

func readLog(b *block) Log {
	return Log{
		Format: b.oneOf("format", "", "text", "json"),
		Level:  levels[b.oneOf("level", "info", "debug", "info", "warn", "error")],
	}
}

// Limits is the block of everything that bounds the gateway's use of memory
// and sockets. Sizes are bytes:
//
//	limits {
//	  body               = "1MiB"     # of a request
//	  header             = "16KiB"    # of a request, all of its header lines
//	  connections        = 10000      # open at once, per listener
//	  connections_per_ip = 1000       # behind a proxy all have the proxy's
//	  read_timeout       = "5s"       # for one whole request
//	  write_timeout      = "10s"      # for one response
//	  idle_timeout       = "60s"      # between two requests
//	  queue              = 100000     # events that are not durable yet; over it: 503
//	  instance_queue     = 20000      # the same of one instance; over it: 429
//	  memory             = "512MiB"   # soft limit of the heap, unless $GOMEMLIMIT is set
//	}
//
// The values shown are the defaults.
type Limits struct {
	Body, Header                           int64
	Connections, ConnectionsPerIP          int
	ReadTimeout, WriteTimeout, IdleTimeout time.Duration
	Queue, InstanceQueue                   int
	Memory                                 int64
}

func readLimits(b *block) Limits {
	return Limits{
		Body:             b.size("body", 1<<20),
		Header:           b.size("header", 16<<10),
		Connections:      b.count("connections", 10_000),
		ConnectionsPerIP: b.count("connections_per_ip", 1_000),
		ReadTimeout:      b.duration("read_timeout", 5*time.Second),
		WriteTimeout:     b.duration("write_timeout", 10*time.Second),
		IdleTimeout:      b.duration("idle_timeout", time.Minute),
		Queue:            b.count("queue", 100_000),
		InstanceQueue:    b.count("instance_queue", 20_000),
		Memory:           b.size("memory", 512<<20),
	}
}

// Store is the block of the store:
//
//	store "badger" {        # the only engine
//	  retention = "30d"     # of history, from when all of an event's commands have ended
//	  watermark = "1GiB"    # with less free space nothing new is accepted
//	  ballast   = "256MiB"  # a file to delete by hand when the disk is full
//	}
//
// The values shown are the defaults; the block may be left out.
type Store struct {
	Engine             string
	Retention          time.Duration
	Watermark, Ballast int64 // bytes
}

func readStore(b *block) Store {
	s := Store{
		Engine:    "badger",
		Retention: b.duration("retention", 30*24*time.Hour),
		Watermark: b.size("watermark", 1<<30),
		Ballast:   b.size("ballast", 256<<20),
	}
	if len(b.labels) > 0 && b.labels[0].value != s.Engine {
		b.r.problem(b.labels[0].pos, `store engine %q is not known; this version has "badger" only`, b.labels[0].value)
	}
	return s
}
