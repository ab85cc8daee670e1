package sdk

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/openccsp/gateway/sdk/pluginv1"
)

// TestCodeOfARetry: what waits says why, in a word that can be shown.
func TestCodeOfARetry(t *testing.T) {
	err := fmt.Errorf("file: %w", &RetryError{Err: errors.New("its host does not answer"), Code: "media_unreachable", After: time.Second})
	got := &pluginv1.Result{}
	settle(got, err)
	want := &pluginv1.Result{
		Outcome: pluginv1.Outcome_RETRY, Code: "media_unreachable", Detail: "file: its host does not answer", AfterMs: 1000,
	}
	if d := cmp.Diff(want, got, protocmp.Transform()); d != "" {
		t.Errorf("result (-want +got):\n%s", d)
	}
}
