package main

import (
	"bytes"
	"compress/gzip"
	"io"
	"io/fs"
	"regexp"
	"strings"
	"testing"
)

func TestWidgetScript(t *testing.T) {
	r := newRig(t, nil)
	resp := r.call("GET", "/widget.js", "", "Origin: https://anywhere.example")
	body := string(resp.Body)
	for _, want := range []string{"The MIT License", "MQTT.js", `["webshop",`, "customElements.define"} {
		if !strings.Contains(body, want) {
			t.Errorf("no %q in the script", want)
		}
	}
	if resp.Status != 200 || resp.Header.Get("Content-Type") != "text/javascript; charset=utf-8" || resp.Header.Get("Content-Encoding") != "" {
		t.Errorf("%d %v", resp.Status, resp.Header)
	}
	packed := r.call("GET", "/widget.js", "", "Accept-Encoding: br, gzip")
	z, err := gzip.NewReader(bytes.NewReader(packed.Body))
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := io.ReadAll(z); err != nil || string(plain) != body || packed.Header.Get("Content-Encoding") != "gzip" {
		t.Errorf("the compressed script is another one: %v", err)
	}
	if again := r.call("GET", "/widget.js", "", "If-None-Match: "+resp.Header.Get("ETag")); again.Status != 304 || len(again.Body) != 0 {
		t.Errorf("again: %d, %d bytes; want 304", again.Status, len(again.Body))
	}
}

// What people write is shown as text, and no page needs a weaker policy for it.
func TestWidgetNeedsNoUnsafeCode(t *testing.T) {
	unsafe := regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|<style|setAttribute\("(style|on)`)
	names, err := fs.Glob(widgetFiles, "widget/*.js")
	if err != nil || len(names) != len(widgetParts)+1 {
		t.Fatalf("%v %v, want the parts and MQTT.js", names, err)
	}
	for _, part := range widgetParts {
		b, err := fs.ReadFile(widgetFiles, "widget/"+part)
		if err != nil {
			t.Fatal(err)
		}
		if found := unsafe.Find(b); found != nil {
			t.Errorf("%s contains %q", part, found)
		}
	}
}

// Every language says everything.
func TestWidgetWords(t *testing.T) {
	b, err := fs.ReadFile(widgetFiles, "widget/words.js")
	if err != nil {
		t.Fatal(err)
	}
	en, de, found := strings.Cut(string(b), "\n  de: {")
	de, _, _ = strings.Cut(de, "\n  },")
	key := regexp.MustCompile(`[ {]([a-zA-Z]+): "`)
	keys := func(s string) (list []string) {
		for _, m := range key.FindAllStringSubmatch(s, -1) {
			list = append(list, m[1])
		}
		return list
	}
	if a, b := strings.Join(keys(en), " "), strings.Join(keys(de), " "); !found || a != b || len(a) < 100 {
		t.Errorf("en has %s\nde has %s", a, b)
	}
}
