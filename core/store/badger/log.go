package badger

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
)

// badgerLog hands Badger's own log to slog, one level lower: what it calls
// info is of interest only to who looks for a fault.
type badgerLog struct {
	log    *slog.Logger
	unsync func(error) error // told of a sync that failed
	hook   func(point string)
}

// Errorf implements Badger's Logger. Badger says only here that its value log
// could not be synced, and goes on. Nothing of ours is in that log, but the disk
// that reported the error is that of the others.
func (l badgerLog) Errorf(f string, a ...any) {
	l.log.Error("badger", "detail", text(f, a))
	if strings.Contains(f, "curlf sync") {
		_ = l.unsync(errors.New(text(f, a)))
	}
}

// Warningf implements Badger's Logger. What it thinks of the size of its caches
// is nothing that an operator could follow.
func (l badgerLog) Warningf(f string, a ...any) {
	if strings.Contains(f, "ache might be too small") {
		l.Infof(f, a...)
		return
	}
	l.log.Warn("badger", "detail", text(f, a))
}

// Infof implements Badger's Logger.
func (l badgerLog) Infof(f string, a ...any) { l.log.Debug("badger", "detail", text(f, a)) }

// Debugf implements Badger's Logger.
func (l badgerLog) Debugf(f string, _ ...any) {
	if strings.Contains(f, "LOG Compact. Added") {
		l.hook(PointInCompaction)
	}
}

func text(f string, a []any) string { return strings.TrimSpace(fmt.Sprintf(f, a...)) }
