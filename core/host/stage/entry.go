package stage

import (
	"context"
	"errors"
	"os"
	"slices"
	"time"
)

// entry is a path while it is followed.
type entry struct {
	dir      *directory
	file     File      // as published
	seen     *sighting // the last one
	first    time.Time // since when it changes
	since    time.Time // since when it has not changed
	atOnce   bool      // it was quiet when the stager came
	judged   string    // print of what file is the verdict on; "": none yet
	working  bool      // it is being judged
	retry    time.Time // not before
	gone     time.Time // since when no plugin is there; zero: one is
	leftover string    // what is there instead
}

// sighted takes in what a look found. It reports whether the published file
// changed.
func (e *entry) sighted(s *sighting, now time.Time) bool {
	if e.seen != nil && e.seen.print == s.print && e.gone.IsZero() {
		e.seen = s
		return false
	}
	settled := e.seen == nil || e.judged == e.seen.print
	if settled {
		e.first = now
	}
	e.seen, e.since, e.gone, e.leftover = s, now, time.Time{}, ""
	e.judged, e.retry = "", time.Time{}
	was := e.file.State
	e.file.State, e.file.Reason = Settling, "it was changed a moment ago"
	if was != Settling {
		e.file.Since = now
	}
	return was != Settling
}

// missed takes in that no plugin is at the path. It reports whether that
// counts by now. What is there but is no plugin may become one: a copy that
// has not got its exec bit yet.
func (e *entry) missed(now time.Time, absent time.Duration) bool {
	leftover := ""
	if info, err := os.Lstat(e.file.Path); err == nil {
		leftover = stampOf(info)
	}
	if e.gone.IsZero() || leftover != e.leftover {
		e.gone, e.leftover = now, leftover
		return e.file.Digest == "" && leftover == "" && e.judged == ""
	}
	return now.Sub(e.gone) >= absent
}

// due is when the entry needs a look, zero if it needs none.
func (e *entry) due(c *Config) time.Time {
	switch {
	case !e.gone.IsZero():
		return e.gone.Add(c.Absent)
	case e.working || e.judged == e.seen.print:
		return time.Time{}
	case e.atOnce:
		return e.since
	case e.seen.gone:
		return e.since.Add(c.Absent)
	}
	at := e.since.Add(min(max(c.Quiet, e.since.Sub(e.first)), c.MaxQuiet))
	if e.retry.After(at) {
		return e.retry
	}
	return at
}

// verdict is the end of a judgement.
type verdict struct {
	path string
	view *view
	seen *sighting
	file File
	err  error
}

// judge runs on a goroutine of its own.
func (s *Stager) judge(ctx context.Context, v *view, seen *sighting) {
	select {
	case s.slots <- struct{}{}:
	case <-ctx.Done():
		return
	}
	f, err := v.judge(ctx, seen, s.store, s.c.Rescan)
	<-s.slots
	select {
	case s.verdicts <- verdict{seen.path, v, seen, f, err}:
	case <-ctx.Done():
	}
}

// conclude takes in a verdict. It reports whether the published file changed.
func (e *entry) conclude(v verdict, now time.Time, quiet, longest time.Duration) bool {
	e.working, e.atOnce = false, false
	if e.seen != v.seen && e.seen.print != v.seen.print {
		return false // of what was there before
	}
	if errors.Is(v.err, errChanged) {
		e.since = now
		return false
	}
	old := e.file
	e.file = v.file
	e.file.Since = old.Since
	if later, ok := errors.AsType[*laterError](v.err); ok {
		after := later.after
		if after == 0 {
			after = min(max(quiet, now.Sub(e.first)), longest)
		}
		e.retry = now.Add(after)
	} else {
		e.judged = v.seen.print
	}
	e.file.State, e.file.Reason = Ready, ""
	if v.err != nil {
		e.file.State, e.file.Reason = stateOf(v.err), lines(v.err)
		e.file.Digest, e.file.Command, e.file.Dir, e.file.Claim = "", nil, "", Claim{}
		// What is gone for long was removed.
		if !v.seen.gone && there(old) && v.view.stillTrusted(old, e.file.Sidecar, v.err) {
			e.file.Digest, e.file.Command, e.file.Dir, e.file.Claim = old.Digest, old.Command, old.Dir, old.Claim
		}
	}
	if e.file.State != old.State || e.file.Digest != old.Digest {
		e.file.Since = now
	}
	return !e.file.equal(old)
}

// stateOf says whether err may pass.
func stateOf(err error) State {
	if _, ok := errors.AsType[*laterError](err); ok || errors.Is(err, errIncomplete) || errors.Is(err, errUnfinished) {
		return Settling
	}
	return Refused
}

func (f File) equal(g File) bool {
	return f.State == g.State && f.Reason == g.Reason && f.Digest == g.Digest && f.ModTime.Equal(g.ModTime) &&
		f.Claim == g.Claim && f.Sidecar == g.Sidecar &&
		slices.Equal(f.Command, g.Command) && slices.Equal(f.Warnings, g.Warnings)
}

// clone is a copy that its reader may keep.
func (f File) clone() File {
	f.Command, f.Warnings = slices.Clone(f.Command), slices.Clone(f.Warnings)
	return f
}

// lost reports whether the copy of e is not in the store any more.
func (e *entry) lost() bool { return e.file.Digest != "" && !e.working && !there(e.file) }

// there reports whether the copy of f is in the store.
func there(f File) bool {
	_, err := os.Lstat(f.Dir)
	return err == nil
}
