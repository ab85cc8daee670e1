package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

// web is for short calls.
var web = http.Client{Timeout: 30 * time.Second}

// StepLimit bounds each wait. None takes more than seconds, but machines are
// busy at times.
const StepLimit = time.Minute

// Refusal is an answer that is not 2xx.
type Refusal struct {
	Status int
	what   string
}

func (r *Refusal) Error() string { return r.what }

// Call sends body as JSON, if there is one, and reads JSON into answer.
func Call(ctx context.Context, method, url string, header http.Header, body, answer any) error {
	var b bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&b).Encode(body); err != nil {
			return err
		}
	}
	r, err := http.NewRequestWithContext(ctx, method, url, &b)
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	for name, values := range header {
		r.Header[name] = values
	}
	resp, err := web.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	got, err := io.ReadAll(io.LimitReader(resp.Body, 16<<20))
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, url, err)
	}
	if resp.StatusCode/100 != 2 {
		return &Refusal{resp.StatusCode, fmt.Sprintf("%s %s: %s: %.200s", method, url, resp.Status, got)}
	}
	if answer == nil {
		return nil
	}
	if err := json.Unmarshal(got, answer); err != nil {
		return fmt.Errorf("%s %s: %w", method, url, err)
	}
	return nil
}

// Pause waits between two attempts at what another process has to do first. It
// returns false once ctx has ended.
func Pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// Until asks f again and again until it is true, or fails after StepLimit with
// what was awaited.
func Until(ctx context.Context, what string, f func(context.Context) (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, StepLimit)
	defer cancel()
	for {
		ok, err := f(ctx)
		if ok {
			return nil
		}
		if !Pause(ctx, 5*time.Millisecond) {
			if err != nil {
				return fmt.Errorf("%s: not within %v: %w", what, StepLimit, err)
			}
			return fmt.Errorf("%s: not within %v", what, StepLimit)
		}
	}
}
