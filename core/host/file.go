package host

import (
	"context"
	"sync"
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

const (
	fileCalls   = 64               // of one process, under way at once
	fileTimeout = 40 * time.Second // a fetch has its own limit, which is shorter
	mostOfFile  = 1 << 20          // bytes in one reply
	someOfFile  = 256 << 10        // if the plugin does not say how many
)

// isFileCall says whether a call is about files. Those may wait for a far side or
// the disk, so they have slots of their own.
func isFileCall(c *pluginv1.HostCall) bool {
	switch c.Op.(type) {
	case *pluginv1.HostCall_MediaFetch, *pluginv1.HostCall_MediaPut, *pluginv1.HostCall_MediaGet:
		return true
	}
	return false
}

// isRefusal says whether trying again is of no use.
func isRefusal(err error) bool {
	switch core.CodeOf(err) {
	case core.Invalid, core.NotFound, core.TooLarge, core.Unauthorized:
		return true
	}
	return false
}

// fetch has a file fetched for as long as the plugin lives.
func (g *generation) fetch(ctx context.Context, instance string, f *pluginv1.MediaFetch) (*pluginv1.Attachment, error) {
	ctx, cancel := context.WithCancel(ctx)
	var watch sync.WaitGroup
	defer watch.Wait()
	defer cancel()
	watch.Go(func() {
		select {
		case <-g.broke:
			cancel()
		case <-ctx.Done():
		}
	})
	return g.h.cfg.Core.FetchMedia(ctx, instance, f)
}

func (g *generation) performFile(ctx context.Context, instance string, call *pluginv1.HostCall, r *pluginv1.HostReply) (err error) {
	c := g.h.cfg.Core
	switch op := call.Op.(type) {
	case *pluginv1.HostCall_MediaFetch:
		r.Attachment, err = g.fetch(ctx, instance, op.MediaFetch)
	case *pluginv1.HostCall_MediaPut:
		var upload string
		upload, r.Attachment, err = c.PutMedia(ctx, instance, op.MediaPut)
		r.Value = []byte(upload)
	case *pluginv1.HostCall_MediaGet:
		get := op.MediaGet.CloneVT()
		if get.Limit == 0 {
			get.Limit = someOfFile
		}
		get.Limit = min(get.Limit, mostOfFile)
		r.Value, r.Attachment, err = c.GetMedia(ctx, instance, get)
	}
	return err
}
