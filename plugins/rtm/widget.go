package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/openccsp/gateway/sdk"
)

//go:embed widget
var widgetFiles embed.FS

// widgetParts are joined in this order, in one scope of their own, so that a page
// gets none of their names.
var widgetParts = [...]string{"words.js", "rest.js", "kept.js", "upload.js", "talk.js", "row.js", "form.js", "element.js", "start.js"}

// script is the widget as it is served: one file, MQTT.js and all.
type script struct {
	plain, packed []byte
	etag          string
}

// newScript makes the script of one channel.
func newScript(channel string) (*script, error) {
	var b bytes.Buffer
	licence, err := widgetFiles.ReadFile("widget/mqtt.LICENSE.md")
	if err != nil {
		return nil, fmt.Errorf("widget: %w", err)
	}
	fmt.Fprintf(&b, "/*! With MQTT.js 5.16.0, unchanged:\n%s*/\n(() => {\nlet regeneratorRuntime; // which MQTT.js would make a global else\n", licence)
	mqtt, err := widgetFiles.ReadFile("widget/mqtt.min.js")
	if err != nil {
		return nil, fmt.Errorf("widget: %w", err)
	}
	b.Write(mqtt)
	css, err := widgetFiles.ReadFile("widget/widget.css")
	if err != nil {
		return nil, fmt.Errorf("widget: %w", err)
	}
	b.WriteString("\n(() => {\n\"use strict\";\n")
	given, err := json.Marshal([]string{channel, string(css)})
	if err != nil {
		return nil, fmt.Errorf("widget: %w", err)
	}
	fmt.Fprintf(&b, "const [defaultChannel, css] = %s;\n", given)
	for _, name := range widgetParts {
		part, err := widgetFiles.ReadFile("widget/" + name)
		if err != nil {
			return nil, fmt.Errorf("widget: %w", err)
		}
		b.Write(part)
	}
	b.WriteString("})();\n})();\n")
	return packScript(b.Bytes())
}

func packScript(plain []byte) (*script, error) {
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	if _, err := w.Write(plain); err != nil {
		return nil, fmt.Errorf("widget: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("widget: %w", err)
	}
	sum := sha256.Sum256(plain)
	return &script{plain, z.Bytes(), `"` + hex.EncodeToString(sum[:8]) + `"`}, nil
}

// widget serves the script that puts a chat on a page. It is the same for all
// pages: what a page may do is decided when it registers.
//
//	GET /widget.js   200 text/javascript
func (c *channel) widget(_ context.Context, r *request) (reply, error) {
	s := c.script
	answer := &sdk.WebhookResponse{Status: http.StatusOK, Body: s.plain, Header: http.Header{
		"Content-Type": {"text/javascript; charset=utf-8"}, "Cache-Control": {"public, max-age=300"},
		"Etag": {s.etag}, "Vary": {"Accept-Encoding"}, "X-Content-Type-Options": {"nosniff"},
		"Cross-Origin-Resource-Policy": {"cross-origin"}, "Access-Control-Allow-Origin": {"*"},
	}}
	switch {
	case strings.Contains(r.Header.Get("If-None-Match"), s.etag):
		answer.Status, answer.Body = http.StatusNotModified, nil
	case strings.Contains(r.Header.Get("Accept-Encoding"), "gzip"):
		answer.Body = s.packed
		answer.Header.Set("Content-Encoding", "gzip")
	}
	return reply{raw: answer}, nil
}
