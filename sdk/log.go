package sdk

import (
	"encoding/json"
	"io"
	"log/slog"
	"strings"
	"time"
)

const (
	maxLogValue = 16 << 10 // bytes of one text in a log line
	maxLogLine  = 48 << 10 // bytes of a line; the gateway cuts at 64 KiB
)

// newLogger writes JSON lines with the keys of hclog, which go-plugin's hosts
// read.
func newLogger(w io.Writer) *slog.Logger {
	return slog.New(slog.NewJSONHandler(&lineWriter{w}, &slog.HandlerOptions{
		Level: slog.LevelDebug, // the gateway chooses
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) == 0 {
				a = hclogAttr(a)
			}
			switch v := a.Value.Any().(type) {
			case string:
				a.Value = slog.StringValue(clip(v, maxLogValue))
			case error:
				a.Value = slog.StringValue(clip(v.Error(), maxLogValue))
			}
			return a
		},
	}))
}

func hclogAttr(a slog.Attr) slog.Attr {
	switch a.Key {
	case slog.TimeKey:
		if a.Value.Kind() == slog.KindTime {
			return slog.String("@timestamp", a.Value.Time().Format("2006-01-02T15:04:05.000000Z07:00"))
		}
	case slog.LevelKey:
		if l, ok := a.Value.Any().(slog.Level); ok {
			return slog.String("@level", strings.ToLower(l.String()))
		}
	case slog.MessageKey:
		a.Key = "@message"
	}
	return a
}

// lineWriter replaces lines that are too long by one that says so.
type lineWriter struct{ w io.Writer }

func (l *lineWriter) Write(line []byte) (int, error) {
	if len(line) <= maxLogLine {
		return l.w.Write(line)
	}
	var head struct {
		Time    string `json:"@timestamp"`
		Level   string `json:"@level"`
		Message string `json:"@message"`
		Bytes   int    `json:"cut_from_bytes"`
	}
	if json.Unmarshal(line, &head) != nil || head.Level == "" {
		head.Time, head.Level = time.Now().Format("2006-01-02T15:04:05.000000Z07:00"), "warn"
		head.Message = "log line too long"
	}
	head.Bytes = len(line)
	short, err := json.Marshal(head)
	if err != nil {
		return 0, err
	}
	if _, err := l.w.Write(append(short, '\n')); err != nil {
		return 0, err
	}
	return len(line), nil
}
