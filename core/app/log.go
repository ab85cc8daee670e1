package app

import (
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/openccsp/gateway/core/config"
)

// newLogger returns the gateway's log: lines of text on a terminal, lines of
// JSON elsewhere, unless the configuration says which.
func newLogger(w io.Writer, c config.Log) *slog.Logger {
	o := &slog.HandlerOptions{Level: c.Level, ReplaceAttr: readable}
	if c.Format == "text" || c.Format == "" && isTerminal(w) {
		return slog.New(slog.NewTextHandler(w, o))
	}
	return slog.New(slog.NewJSONHandler(w, o))
}

// maxLogged bounds one text of a line, in bytes: an error may quote all that a far
// side has sent.
const maxLogged = 4 << 10

// readable has durations written as "1.5s" in both forms of the log, not as
// nanoseconds in one of them, and cuts what is long. Stacks are the gateway's own.
func readable(_ []string, a slog.Attr) slog.Attr {
	switch v := a.Value; v.Kind() {
	case slog.KindDuration:
		a.Value = slog.StringValue(v.Duration().String())
	case slog.KindString:
		a.Value = bounded(a.Key, v.String(), v)
	case slog.KindAny:
		if err, ok := v.Any().(error); ok {
			a.Value = bounded(a.Key, err.Error(), v)
		}
	}
	return a
}

// bounded is v, whose text is s, or as much of it as a line has room for.
func bounded(key, s string, v slog.Value) slog.Value {
	if len(s) <= maxLogged || key == "stack" {
		return v
	}
	return slog.StringValue(strings.ToValidUTF8(s[:maxLogged], "") + "…")
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
