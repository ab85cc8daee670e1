package host

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Limits on what a plugin may write to the log.
const (
	maxLine       = 64 << 10 // bytes; the rest of a line is thrown away
	maxLines      = 1000     // per second and plugin; the others are counted
	maxAttrs      = 32       // of one line
	maxAttr       = 4 << 10  // bytes of one value
	reservedAttrs = " time level msg source plugin pid generation "
)

// eachLine calls do for each line of r, without its end, until r ends. cut
// says that the line was longer than maxLine. The bytes are valid during the
// call only.
func eachLine(r io.Reader, do func(line []byte, cut bool)) {
	b := bufio.NewReaderSize(r, maxLine)
	for {
		line, err := b.ReadSlice('\n')
		cut := errors.Is(err, bufio.ErrBufferFull)
		if line = bytes.TrimRight(line, "\r\n"); len(line) > 0 {
			do(line, cut)
		}
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = b.ReadSlice('\n')
		}
		if err != nil {
			return
		}
	}
}

// lineLog turns the lines that a plugin process writes into log records. Its
// methods may be called from several goroutines.
type lineLog struct {
	log     atomic.Pointer[slog.Logger]
	plugin  atomic.Pointer[string] // its id, or the name of its file until that is known
	tail    atomic.Pointer[tail]
	dropped *prometheus.CounterVec
	number  uint64 // of the generation
	pid     atomic.Int64

	mu      sync.Mutex
	words   LastWords
	second  int64
	count   int
	skipped int
}

func newLineLog(log *slog.Logger, plugin string, number uint64, t *tail, dropped *prometheus.CounterVec) *lineLog {
	l := &lineLog{dropped: dropped, number: number}
	l.tail.Store(t)
	l.become(log, plugin)
	return l
}

// become makes the lines that follow those of plugin, with log's attributes.
func (l *lineLog) become(log *slog.Logger, plugin string) {
	l.log.Store(log)
	l.plugin.Store(&plugin)
}

// into has the lines kept in t, those so far, too.
func (l *lineLog) into(t *tail) {
	old := l.tail.Swap(t)
	if old == t {
		return
	}
	for _, line := range old.last(maxTailLines) {
		t.add(line)
	}
}

func (l *lineLog) started(pid int) {
	l.pid.Store(int64(pid))
	l.log.Store(l.log.Load().With("pid", pid))
}

// ended reports what was dropped in the last second.
func (l *lineLog) ended() {
	l.mu.Lock()
	n := l.skipped
	l.skipped = 0
	l.mu.Unlock()
	l.reportSkipped(n)
}

func (l *lineLog) reportSkipped(n int) {
	if n == 0 {
		return
	}
	l.log.Load().Warn("plugin wrote too many log lines, some were dropped", "lines", n)
	l.dropped.WithLabelValues(*l.plugin.Load()).Add(float64(n))
}

// last returns what may tell why the process ended. Log records do not.
func (l *lineLog) last() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.words.String()
}

// allow counts a line against the second's limit.
func (l *lineLog) allow() bool {
	now := time.Now().Unix()
	l.mu.Lock()
	n := 0
	if now != l.second {
		n, l.second, l.count, l.skipped = l.skipped, now, 0, 0
	}
	l.count++
	ok := l.count <= maxLines
	if !ok {
		l.skipped++
	}
	l.mu.Unlock()
	l.reportSkipped(n)
	return ok
}

func (l *lineLog) stdout(line []byte, cut bool) {
	if l.allow() {
		l.raw(slog.LevelInfo, line, cut, slog.String("stream", "stdout"))
	}
}

func (l *lineLog) stderr(line []byte, cut bool) {
	allowed := l.allow()
	if line[0] == '{' && !cut && (!allowed || l.structured(line)) {
		return
	}
	if level := l.rawLevel(line); allowed {
		l.raw(level, line, cut, slog.String("stream", "stderr"))
	}
}

// rawLevel makes errors of a panic and of the stack that follows it. It is asked
// for all lines, also those that are not logged.
func (l *lineLog) rawLevel(line []byte) slog.Level {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.words.Add(line)
	if l.words.InStack() {
		return slog.LevelError
	}
	return slog.LevelInfo
}

func (l *lineLog) raw(level slog.Level, line []byte, cut bool, attrs ...slog.Attr) {
	text := strings.ToValidUTF8(string(line), "\uFFFD")
	if cut {
		attrs = append(attrs, slog.Bool("cut", true))
	}
	l.emit(level, text, attrs)
}

func (l *lineLog) emit(level slog.Level, text string, attrs []slog.Attr) {
	l.tail.Load().add(LogLine{At: time.Now(), Level: level, Text: text, Generation: l.number, PID: int(l.pid.Load())})
	h := l.log.Load().Handler()
	ctx := context.Background()
	if !h.Enabled(ctx, level) {
		return
	}
	r := slog.NewRecord(time.Now(), level, text, 0)
	r.AddAttrs(attrs...)
	_ = h.Handle(ctx, r) // as slog.Logger does
}

// structured logs a line that the SDK's logger, or hclog, wrote. It trusts
// neither the fields nor their types.
func (l *lineLog) structured(line []byte) bool {
	var fields map[string]json.RawMessage
	if json.Unmarshal(line, &fields) != nil {
		return false
	}
	text, ok := stringField(fields, "@message")
	if !ok {
		return false
	}
	level, _ := stringField(fields, "@level")
	delete(fields, "@timestamp")
	delete(fields, "@module")
	l.emit(levelOf(level), text, attrsOf(fields))
	return true
}

// stringField takes a string out of fields.
func stringField(fields map[string]json.RawMessage, key string) (s string, ok bool) {
	raw, ok := fields[key]
	if !ok || json.Unmarshal(raw, &s) != nil {
		return "", false
	}
	delete(fields, key)
	return s, true
}

func levelOf(s string) slog.Level {
	switch strings.ToLower(s) {
	case "trace", "debug":
		return slog.LevelDebug
	case "warn", "warning":
		return slog.LevelWarn
	case "error", "fatal", "panic":
		return slog.LevelError
	}
	return slog.LevelInfo
}

func attrsOf(fields map[string]json.RawMessage) []slog.Attr {
	keys := slices.Sorted(maps.Keys(fields))
	attrs := make([]slog.Attr, 0, min(len(keys), maxAttrs))
	for _, k := range keys {
		if len(attrs) == maxAttrs {
			break
		}
		if k == "" || len(k) > 64 || strings.Contains(reservedAttrs, " "+k+" ") {
			continue
		}
		attrs = append(attrs, slog.Attr{Key: k, Value: valueOf(fields[k])})
	}
	return attrs
}

func valueOf(raw json.RawMessage) slog.Value {
	var v any
	if json.Unmarshal(raw, &v) == nil {
		switch v := v.(type) {
		case string:
			return slog.StringValue(clip(v, maxAttr))
		case bool:
			return slog.BoolValue(v)
		case float64:
			if n := int64(v); float64(n) == v && n > -1<<53 && n < 1<<53 {
				return slog.Int64Value(n)
			}
			return slog.Float64Value(v)
		}
	}
	return slog.StringValue(clip(string(raw), maxAttr))
}

// lineWriter feeds a stream of bytes to do, line by line.
type lineWriter struct {
	do  func(line []byte, cut bool)
	buf []byte
	cut bool
}

func (w *lineWriter) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		line, rest, ended := bytes.Cut(p, []byte{'\n'})
		p = rest
		room := maxLine - len(w.buf)
		w.cut = w.cut || len(line) > room
		w.buf = append(w.buf, line[:min(len(line), room)]...)
		if ended {
			w.flush()
		}
	}
	return n, nil
}

func (w *lineWriter) flush() {
	if line := bytes.TrimRight(w.buf, "\r"); len(line) > 0 {
		w.do(line, w.cut)
	}
	w.buf, w.cut = w.buf[:0], false
}
