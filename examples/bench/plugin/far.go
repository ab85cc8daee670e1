package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/openccsp/gateway/sdk"
)

// far posts to the far side.
type far struct {
	url     string
	timeout time.Duration
	client  *http.Client
	by      string
}

func (p process) newFar(s settings, h sdk.Host) far { return far{s.URL, timeout(s), h.HTTP(), p.by} }

// delivery is the body of a request to the far side.
type delivery struct {
	Key          string `json:"key"`
	To           string `json:"to,omitempty"`           // a customer's address
	Conversation string `json:"conversation,omitempty"` // the gateway's
	Chat         string `json:"chat,omitempty"`
	Op           string `json:"op"` // open, send, close
	Text         string `json:"text"`
	Resent       bool   `json:"resent,omitempty"`
	By           string `json:"by,omitempty"` // process, of a variant
}

// post sends d. An error before anything was written is tried again, one after
// that is ambiguous: the SDK tells them apart.
func (f far) post(ctx context.Context, d delivery) error {
	if f.url == "" {
		return nil
	}
	d.By = f.by
	body, err := json.Marshal(d)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, f.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, f.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	// The key is in the body: with a header Idempotency-Key net/http itself
	// would repeat a request whose connection broke, and not say so.
	req.Header.Set("Content-Type", "application/json")
	resp, err := f.client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 4<<10)) // so that the connection is used again
	switch code := resp.StatusCode; {
	case code < 300:
		return nil
	case code == http.StatusTooManyRequests:
		seconds, _ := strconv.Atoi(resp.Header.Get("Retry-After"))
		return sdk.Throttled(fmt.Errorf("answer %s", resp.Status), time.Duration(seconds)*time.Second)
	case code >= 500:
		return sdk.Retry(fmt.Errorf("answer %s", resp.Status), 0)
	default:
		return sdk.Rejected(strconv.Itoa(code), resp.Status)
	}
}
