package badger

import (
	"fmt"
	"log/slog"
	"strings"
)

// badgerLog hands Badger's own log to slog, one level lower: what it calls
// info is of interest only to who looks for a fault.
type badgerLog struct{ log *slog.Logger }

func (l badgerLog) Errorf(f string, a ...any)   { l.log.Error("badger", "detail", text(f, a)) }
func (l badgerLog) Warningf(f string, a ...any) { l.log.Warn("badger", "detail", text(f, a)) }
func (l badgerLog) Infof(f string, a ...any)    { l.log.Debug("badger", "detail", text(f, a)) }
func (l badgerLog) Debugf(string, ...any)       {}

func text(f string, a []any) string { return strings.TrimSpace(fmt.Sprintf(f, a...)) }
