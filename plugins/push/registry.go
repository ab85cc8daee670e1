package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/openccsp/gateway/sdk"
)

// stateSchema is the version of what the registry keeps.
const stateSchema = 1

// registry keeps which apps a customer has, in the gateway's state: a list by
// customer, and the owner by app. Several processes may write it, so each change
// is a compare-and-set. An app belongs to one customer: who signs in on a phone
// gets the notices there, and who did before gets them no longer.
type registry struct {
	host sdk.Host
	most int // apps of one customer
}

// app is one app of a customer.
type app struct {
	Token string    `json:"token"` // with its platform, as in fcm:dQw4…
	At    time.Time `json:"at"`    // when it was registered last
}

// maxAttempts bounds how often a change is tried that others get in the way of.
const maxAttempts = 20

// The keys hold hashes: what comes from outside is no key.
func listKey(address string) string { return "apps." + hash(address) }
func ownerKey(token string) string  { return "owner." + hash(token) }

func hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// apps returns the apps of a customer, the one that was registered last at the end.
func (r *registry) apps(ctx context.Context, address string) ([]app, error) {
	raw, err := r.host.State(ctx, listKey(address))
	if err != nil {
		return nil, err
	}
	return readApps(raw), nil
}

// readApps reads a list. One that cannot be read is empty: apps register each time
// they start.
func readApps(raw []byte) (all []app) {
	if json.Unmarshal(raw, &all) != nil {
		return nil
	}
	return slices.DeleteFunc(all, func(a app) bool {
		_, _, err := parseToken(a.Token)
		return err != nil
	})
}

// add registers an app, or notes that it is still there.
func (r *registry) add(ctx context.Context, address, token string) error {
	for range maxAttempts {
		if err := r.own(ctx, address, token); err != nil {
			return err
		}
		var over []app
		err := r.change(ctx, listKey(address), func(raw []byte) []byte {
			all := append(without(readApps(raw), token), app{token, r.host.Now().UTC()})
			n := max(0, len(all)-r.most)
			over = all[:n]
			return encode(all[n:])
		})
		if err == nil {
			err = r.disownAll(ctx, hash(address), over)
		}
		if err != nil {
			return err
		}
		owner, err := r.host.State(ctx, ownerKey(token))
		switch {
		case err == nil && string(owner) == hash(address):
			return nil
		case err == nil && len(owner) == 0: // it was retired or unregistered meanwhile
			continue
		}
		// Somebody else has signed in on the same phone meanwhile.
		return errors.Join(err, r.leave(ctx, listKey(address), token))
	}
	return errBusy
}

// own makes a customer the owner of an app, and takes it from who was: before, in
// case this ends half way, and after, in case that one is registering it just now.
func (r *registry) own(ctx context.Context, address, token string) error {
	own := hash(address)
	for range maxAttempts {
		before, err := r.host.State(ctx, ownerKey(token))
		if err != nil || string(before) == own {
			return err
		}
		if err := r.leaveOwner(ctx, before, token); err != nil {
			return err
		}
		switch err = r.host.SetState(ctx, ownerKey(token), before, []byte(own)); {
		case err == nil:
			return r.leaveOwner(ctx, before, token)
		case !errors.Is(err, sdk.ErrConflict):
			return err
		}
	}
	return errBusy
}

// leaveOwner takes an app out of the list of its owner, if it has one.
func (r *registry) leaveOwner(ctx context.Context, owner []byte, token string) error {
	if len(owner) == 0 {
		return nil
	}
	return r.leave(ctx, "apps."+string(owner), token)
}

// remove unregisters an app of a customer.
func (r *registry) remove(ctx context.Context, address, token string) error {
	owner := hash(address)
	if err := r.leave(ctx, "apps."+owner, token); err != nil {
		return err
	}
	return r.disown(ctx, owner, token)
}

// retire unregisters an app that its platform no longer knows, whosever it is, and
// reports whether it did: one that was registered again after the platform saw it
// go stays.
func (r *registry) retire(ctx context.Context, token string, since time.Time) (bool, error) {
	owner, err := r.host.State(ctx, ownerKey(token))
	if err != nil || len(owner) == 0 {
		return err == nil, err
	}
	stays := false
	err = r.change(ctx, "apps."+string(owner), func(raw []byte) []byte {
		all := readApps(raw)
		i := slices.IndexFunc(all, func(a app) bool { return a.Token == token })
		if stays = i >= 0 && all[i].At.After(since); stays || i < 0 {
			return raw
		}
		return encode(without(all, token))
	})
	if err != nil || stays {
		return false, err
	}
	return true, r.disown(ctx, string(owner), token)
}

// disownAll forgets the owner of apps that had to go: who registers one after the
// other must not fill the state.
func (r *registry) disownAll(ctx context.Context, owner string, apps []app) error {
	for _, a := range apps {
		if err := r.disown(ctx, owner, a.Token); err != nil {
			return err
		}
	}
	return nil
}

// disown forgets the owner of an app. It may be somebody else's by now, or the owner
// may have registered it again: an app in a list must have an owner, or who signs in
// on the phone later would not get it out of there.
func (r *registry) disown(ctx context.Context, owner, token string) error {
	err := r.host.SetState(ctx, ownerKey(token), []byte(owner), nil)
	if errors.Is(err, sdk.ErrConflict) {
		return nil
	}
	if err != nil {
		return err
	}
	list := "apps." + owner
	raw, err := r.host.State(ctx, list)
	if err != nil || !slices.ContainsFunc(readApps(raw), func(a app) bool { return a.Token == token }) {
		return err
	}
	if err = r.host.SetState(ctx, ownerKey(token), nil, []byte(owner)); !errors.Is(err, sdk.ErrConflict) {
		return err
	}
	now, err := r.host.State(ctx, ownerKey(token))
	if err != nil || string(now) == owner {
		return err
	}
	return r.leave(ctx, list, token)
}

// leave takes an app out of the list that is kept under key.
func (r *registry) leave(ctx context.Context, key, token string) error {
	return r.change(ctx, key, func(raw []byte) []byte { return encode(without(readApps(raw), token)) })
}

var errBusy = sdk.Retry(errors.New("others change the customer's apps all the time"), time.Second)

// change replaces the value under key by what f makes of it.
func (r *registry) change(ctx context.Context, key string, f func([]byte) []byte) error {
	for range maxAttempts {
		before, err := r.host.State(ctx, key)
		if err != nil {
			return err
		}
		after := f(before)
		if bytes.Equal(before, after) {
			return nil
		}
		if err = r.host.SetState(ctx, key, before, after); !errors.Is(err, sdk.ErrConflict) {
			return err
		}
	}
	return errBusy
}

func without(all []app, token string) []app {
	return slices.DeleteFunc(all, func(a app) bool { return a.Token == token })
}

// encode writes a list; an empty one is no value.
func encode(all []app) []byte {
	if len(all) == 0 {
		return nil
	}
	b, err := json.Marshal(all)
	if err != nil {
		panic(fmt.Sprintf("apps cannot be encoded: %v", err)) // they are texts and times
	}
	return b
}
