//go:build !failpoint

package app

import (
	"github.com/openccsp/gateway/core/engine"
	"github.com/openccsp/gateway/core/store"
)

// What a build with the tag failpoint has more; see there. These are nothing.

const failReload = ""

func failpoint(string) {}

func failHook() func(string) { return nil }

func failStore(s store.Store) store.Store { return s }

func failDrivers(d engine.Drivers) engine.Drivers { return d }
