package app

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/openccsp/gateway/core/config"
	"github.com/openccsp/gateway/core/durable"
)

const (
	keyEnv    = "GATEWAY_KEY" // instead of key_file
	keyIDFile = "key.id"      // in data_dir: tells a wrong key before it does harm
	tokenFile = "admin.token" // in data_dir
	keyBytes  = 32
)

func (a *App) openData(context.Context) error {
	if err := os.MkdirAll(a.config.DataDir, 0o700); err != nil {
		return fmt.Errorf("data_dir: %w", err)
	}
	return nil
}

// openKey reads the key that encrypts secrets in the store, and makes it at the
// first start. data_dir remembers which key it was: with another one, or with
// a new one because the file was lost, no secret could be read.
func (a *App) openKey(context.Context) error {
	idFile := filepath.Join(a.config.DataDir, keyIDFile)
	id, err := os.ReadFile(idFile)
	first := errors.Is(err, fs.ErrNotExist)
	if err != nil && !first {
		return fmt.Errorf("key: %w", err)
	}
	key, from, err := readKey(a.config.KeyFile, first)
	if err != nil {
		return err
	}
	if first {
		if err := durable.Create(idFile, []byte(keyID(key)), 0o600); err != nil {
			return fmt.Errorf("key: %w", err)
		}
	} else if subtle.ConstantTimeCompare(id, []byte(keyID(key))) == 0 {
		return fmt.Errorf("key: %s is not the key that %s was made with; put the old one back", from, a.config.DataDir)
	}
	a.key = key
	return nil
}

func readKey(file string, mayMake bool) (key []byte, from string, err error) {
	from = "$" + keyEnv
	text := os.Getenv(keyEnv)
	if text == "" {
		from = file
		text, err = readOrMake(file, mayMake)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, from, fmt.Errorf("key: %s is missing, and secrets in the store need it; put it back, or set $%s", file, keyEnv)
		}
		if err != nil {
			return nil, from, fmt.Errorf("key: %w", err)
		}
	}
	key, err = hex.DecodeString(text)
	if err != nil || len(key) != keyBytes {
		return nil, from, fmt.Errorf("key: %s is not %d hex digits", from, 2*keyBytes)
	}
	return key, from, nil
}

// keyID tells keys apart and gives nothing of them away.
func keyID(key []byte) string {
	sum := sha256.Sum256(append([]byte("gateway key id"), key...))
	return hex.EncodeToString(sum[:8]) + "\n"
}

// openToken reads the first token of the admin API, and makes it at the first
// start.
func (a *App) openToken(context.Context) error {
	text, err := readOrMake(filepath.Join(a.config.DataDir, tokenFile), true)
	if err != nil {
		return fmt.Errorf("admin token: %w", err)
	}
	if len(text) < keyBytes {
		return fmt.Errorf("admin token: %s is too short; delete it to get a new one", tokenFile)
	}
	a.token = config.NewSecret(text)
	return nil
}

// readOrMake returns the text of a file that only its owner may read. If there
// is none and mayMake, it makes one of 32 random bytes in hex.
func readOrMake(file string, mayMake bool) (string, error) {
	info, err := os.Stat(file)
	if errors.Is(err, fs.ErrNotExist) && mayMake {
		b := make([]byte, keyBytes)
		_, _ = rand.Read(b) // never fails
		text := hex.EncodeToString(b)
		return text, durable.Create(file, []byte(text+"\n"), 0o600)
	}
	if err != nil {
		return "", err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return "", fmt.Errorf("%s may be read by others (%v); run chmod 600 on it", file, info.Mode().Perm())
	}
	b, err := os.ReadFile(file)
	return strings.TrimSpace(string(b)), err
}
