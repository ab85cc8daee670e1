package config

import (
	"crypto/ed25519"
	"encoding/base64"
	"strings"
)

// Trust says which plugin files may run.
type Trust string

// The modes of trust. In all but TrustOpen, files and folders that others than
// the gateway's user and root may write to are refused.
const (
	TrustOpen   Trust = "open"   // all in plugin_dirs
	TrustPinned Trust = "pinned" // those in the lock file
	TrustSigned Trust = "signed" // those with a signature by one of the keys
)

// Plugins is the block of the plugins that may run:
//
//	plugins {
//	  trust     = "open"                # this is the default; or "pinned", "signed"
//	  lock_file = "plugins.lock"        # of "pinned"; written by `gateway plugin approve`
//	  keys      = ["q83v…"]             # of "signed": public keys, as `gateway plugin keygen` prints them
//	  sandbox   = true                  # they may not do more than they need; this is the default
//	  read      = ["certs"]             # files and folders that plugins may read in the sandbox, beside their own
//	  memory    = "1GiB"                # a plugin that uses more is ended; default no ceiling
//	  plugin "<id>" { … }               # narrower limits for one of them, see Plugin
//	}
type Plugins struct {
	Trust    Trust
	LockFile string
	Keys     []ed25519.PublicKey
	Sandbox  bool
	Read     []string
	Memory   int64 // bytes, 0: no ceiling
	Each     []Plugin
}

func readPlugins(b *block) Plugins {
	p := Plugins{
		Trust:    Trust(b.oneOf("trust", string(TrustOpen), string(TrustOpen), string(TrustPinned), string(TrustSigned))),
		LockFile: b.r.path(b.text("lock_file", "plugins.lock")),
		Sandbox:  !b.has("sandbox") || b.flag("sandbox"),
		Memory:   b.size("memory", 0),
	}
	for _, t := range b.texts("read") {
		p.Read = append(p.Read, b.r.path(t.value))
	}
	wrong := len(b.r.problems)
	for _, t := range b.texts("keys") {
		p.Keys = append(p.Keys, b.r.publicKey(t)...)
	}
	switch {
	case p.Trust == TrustSigned && len(p.Keys) == 0 && len(b.r.problems) == wrong:
		b.r.problem(b.at("trust"), `trust "signed" needs keys; add the public key that "gateway plugin keygen" printed`)
	case p.Trust != TrustSigned && len(p.Keys) > 0:
		b.r.warn(b.at("keys"), `keys are not used with trust %q; write trust = "signed"`, p.Trust)
	}
	return p
}

// publicKey returns no key if t is none.
func (r *reader) publicKey(t text) []ed25519.PublicKey {
	key, err := base64.StdEncoding.Strict().DecodeString(strings.TrimSpace(t.value))
	if err != nil || len(key) != ed25519.PublicKeySize {
		r.problem(t.pos, `a key is not the base64 of %d bytes; write what "gateway plugin keygen" printed`, ed25519.PublicKeySize)
		return nil
	}
	return []ed25519.PublicKey{key}
}
