package app

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/openccsp/gateway/core/config"
)

func TestDurationsInTheLogAreReadable(t *testing.T) {
	for _, format := range []string{"json", "text"} {
		var b bytes.Buffer
		newLogger(&b, config.Log{Format: format, Level: slog.LevelInfo}).Info("done", "took", 1500*time.Millisecond)
		if !strings.Contains(b.String(), "1.5s") {
			t.Errorf("%s: %s", format, b.String())
		}
	}
}

// What a far side has sent fills no log.
func TestLongTextsInTheLogAreCut(t *testing.T) {
	long := strings.Repeat("é", 64<<10)
	for _, format := range []string{"json", "text"} {
		var b bytes.Buffer
		newLogger(&b, config.Log{Format: format, Level: slog.LevelInfo}).Info("done", "err", errors.New(long), "text", long, "short", "kept", "stack", strings.Repeat("s", 5000))
		if n := b.Len(); n > 2*5000+5000+500 || !strings.Contains(b.String(), "éé…") || !strings.Contains(b.String(), "kept") ||
			strings.Count(b.String(), "s") < 5000 {
			t.Errorf("%s: %d bytes", format, n)
		}
	}
}
