package core_test

import (
	"testing"
	"time"

	"github.com/openccsp/gateway/core"
)

func TestLimitReached(t *testing.T) {
	const now = 1_000_000
	once := core.Limit{Times: 1}
	cooldown := core.Limit{Times: 1, Within: 10 * time.Second}
	throttle := core.Limit{Times: 3, Within: time.Minute}
	tests := []struct {
		name  string
		limit core.Limit
		at    []int64
		want  bool
	}{
		{"once, never", once, nil, false},
		{"once, long ago", once, []int64{1}, true},
		{"cooldown, never", cooldown, nil, false},
		{"cooldown, just now", cooldown, []int64{now}, true},
		{"cooldown, within", cooldown, []int64{1, now - 9_999}, true},
		{"cooldown, over", cooldown, []int64{now - 10_000}, false},
		{"throttle, two", throttle, []int64{now - 2, now - 1}, false},
		{"throttle, three", throttle, []int64{now - 59_999, now - 2, now - 1}, true},
		{"throttle, the oldest of three is out", throttle, []int64{now - 60_000, now - 2, now - 1}, false},
		{"throttle, more are known", throttle, []int64{1, 2, now - 60_000, now - 2, now - 1}, false},
		{"throttle, later ones too", throttle, []int64{now + 1, now + 2, now + 3}, true},
	}
	for _, tt := range tests {
		if got := tt.limit.Reached(tt.at, now); got != tt.want {
			t.Errorf("%s: reached %v, want %v", tt.name, got, tt.want)
		}
	}
}
