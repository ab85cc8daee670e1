package config

import (
	"testing"
	"time"
)

func TestParseDuration(t *testing.T) {
	const day = 24 * time.Hour
	tests := []struct {
		in   string
		want time.Duration // 0: refused
	}{
		{"90s", 90 * time.Second}, {"30d", 30 * day}, {"1d12h", 36 * time.Hour}, {"0.5d", 12 * time.Hour},
		{"36500d", longest}, {"36500d1s", 0}, {"1e9d", 0}, {"NaNd", 0}, {"-1d", 0}, {"2d-1h", 0},
		{"", 0}, {"0", 0}, {"0s", 0}, {"0d", 0}, {"10", 0}, {"d", 0}, {"1d1d", 0}, {"1 day", 0}, {"2562047h", 0},
	}
	for _, tt := range tests {
		if got, ok := parseDuration(tt.in); ok != (tt.want > 0) || ok && got != tt.want {
			t.Errorf("parseDuration(%q) = %v, %v; want %v", tt.in, got, ok, tt.want)
		}
	}
}

func TestParseSize(t *testing.T) {
	tests := []struct {
		in   string
		want int64 // 0: refused
	}{
		{"16KiB", 16 << 10}, {"1.5MiB", 3 << 19}, {"2 GiB", 2 << 30}, {"1TiB", 1 << 40}, {"5MB", 5e6}, {"7B", 7}, {"4096", 4096},
		{"", 0}, {"0", 0}, {"-1MiB", 0}, {"NaN", 0}, {"Inf", 0}, {"1e30", 0}, {"MiB", 0}, {"1Mib", 0}, {"0.5B", 0},
	}
	for _, tt := range tests {
		if got, ok := parseSize(tt.in); ok != (tt.want > 0) || ok && got != tt.want {
			t.Errorf("parseSize(%q) = %v, %v; want %v", tt.in, got, ok, tt.want)
		}
	}
}
