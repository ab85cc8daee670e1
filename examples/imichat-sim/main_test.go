package main

import (
	"testing"

	"github.com/openccsp/gateway/examples/internal/desk/desktest"
)

func TestRun(t *testing.T) {
	desktest.Program(t, run, []string{"-script", "bot.txt"}, []string{"-hook-auth", "md5"})
}
