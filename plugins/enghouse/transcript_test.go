package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/openccsp/gateway/plugins/internal/plugintest"
	"github.com/openccsp/gateway/sdk"
)

var update = flag.Bool("update", false, "write testdata/transcripts as the exchanges are now")

// TestTranscripts plays the exchanges in testdata/transcripts and checks every
// byte. A line without a mark is what the gateway asks of the plugin, "> " what
// the plugin sends, "< " what the contact center answers (with a status, if it
// is not 200), "= " what the gateway is told. With -update the lines with ">"
// and "=" are written anew.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/transcripts/*.txt")
	if err != nil || len(files) < 12 {
		t.Fatalf("%d transcripts, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := play(t, strings.Split(strings.TrimSuffix(string(want), "\n"), "\n"))
			if *update {
				err = os.WriteFile(file, []byte(got), 0o644)
			}
			if diff := cmp.Diff(string(want), got); err != nil || diff != "" && !*update {
				t.Errorf("%v, exchange (-want +got):\n%s", err, diff)
			}
		})
	}
}

// stage is one play: the far side reads its answers from the script.
type stage struct {
	t     *testing.T
	base  string
	files string
	host  *plugintest.Host
	set   settings
	c     *connector
	chat  sdk.Chat
	mark  []byte

	mu      sync.Mutex
	answers []string
	out     strings.Builder
}

func play(t *testing.T, lines []string) string {
	s := &stage{t: t, host: &plugintest.Host{Limit: capabilities().Text}, chat: chat}
	s.host.Set(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	s.chat.Ref = ""
	srv := httptest.NewServer(s)
	defer srv.Close()
	files := shelf(t)
	s.base, s.files = srv.URL, files.URL
	s.set = settings{BaseURL: srv.URL, Queue: "retail"}
	s.start()
	defer func() { _ = s.c.CloseInstance(context.Background()) }()
	for i, line := range lines {
		switch {
		case strings.HasPrefix(line, "> "), strings.HasPrefix(line, "= "), strings.HasPrefix(line, "< "), line == "<":
		case line == "", line[0] == '#':
			s.put(line)
		default:
			for _, next := range lines[i+1:] {
				if answer, ok := strings.CutPrefix(next, "<"); ok {
					s.answers = append(s.answers, strings.TrimPrefix(answer, " "))
				} else if next != "" && !strings.HasPrefix(next, "> ") && !strings.HasPrefix(next, "= ") {
					break
				}
			}
			s.put(line)
			s.do(line)
			if len(s.answers) > 0 {
				t.Errorf("line %d: nobody asked for %q", i+1, s.answers)
				s.answers = nil
			}
		}
	}
	return s.out.String()
}

func (s *stage) put(line string) {
	line = strings.ReplaceAll(strings.ReplaceAll(line, s.base, "http://ccsp.test"), s.files, "http://files.test")
	s.out.WriteString(line + "\n")
}

// ServeHTTP is the contact center.
func (s *stage) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.put("> " + r.Method + " " + r.URL.RequestURI())
	if ct := r.Header.Get("Content-Type"); ct != "" && ct != jsonUTF8 {
		s.put("> " + ct)
	}
	if text := string(body); strings.ContainsAny(text, "\r\n") {
		s.put("> " + strconv.Quote(text))
	} else if text != "" {
		s.put("> " + text)
	}
	answer := ""
	if len(s.answers) > 0 {
		answer, s.answers = s.answers[0], s.answers[1:]
	} else {
		s.t.Errorf("no answer to %s", r.URL.RequestURI())
	}
	s.put(strings.TrimSuffix("< "+answer, " "))
	if status, rest, _ := strings.Cut(answer, " "); len(status) == 3 {
		if n, err := strconv.Atoi(status); err == nil {
			w.WriteHeader(n)
			answer = rest
		}
	}
	_, _ = io.WriteString(w, answer)
}

// start is a new process.
func (s *stage) start() {
	c, err := open(s.t.Context(), s.set, s.host)
	if err != nil {
		s.t.Fatal(err)
	}
	s.c = c
}

func (s *stage) do(line string) {
	word, rest, _ := strings.Cut(line, " ")
	ctx := s.t.Context()
	message := func() (m sdk.Message) {
		s.read(rest, &m)
		return m
	}
	switch word {
	case "settings":
		s.read(rest, &s.set)
		s.start()
	case "chat":
		s.read(rest, &s.chat)
	case "restart":
		s.start()
	case "wait":
		d, err := time.ParseDuration(rest)
		if err != nil {
			s.t.Fatal(err)
		}
		s.host.Set(s.host.Now().Add(d))
	case "open":
		ref, err := s.c.Open(ctx, s.chat, message())
		s.chat.Ref, s.mark = ref, nil
		s.put("= " + strings.TrimSpace(plugintest.Verdict(err)+" "+string(ref)))
	case "send":
		_, err := s.c.Send(ctx, s.chat, message())
		s.put("= " + plugintest.Verdict(err))
	case "typing":
		s.put("= " + plugintest.Verdict(s.c.TypingToChat(ctx, s.chat, rest == "on")))
	case "event":
		name, params, _ := strings.Cut(rest, " ")
		var m map[string]string
		s.read(params, &m)
		s.put("= " + plugintest.Verdict(s.c.SendEvent(ctx, s.chat, name, m)))
	case "update":
		s.put("= " + plugintest.Verdict(s.c.Update(ctx, s.chat)))
	case "close":
		s.put("= " + plugintest.Verdict(s.c.Close(ctx, s.chat, rest)))
	case "poll":
		s.poll(ctx)
	default:
		s.t.Fatalf("what is %q?", line)
	}
}

func (s *stage) read(text string, to any) {
	if text == "" {
		return
	}
	text = strings.ReplaceAll(text, "http://files.test", s.files)
	if err := json.Unmarshal([]byte(text), to); err != nil {
		s.t.Fatalf("%s: %v", text, err)
	}
}

func (s *stage) poll(ctx context.Context) {
	typed := len(s.host.Typing())
	res, err := s.c.Poll(ctx, s.chat, s.mark)
	for _, on := range s.host.Typing()[typed:] {
		s.put("= typing " + map[bool]string{true: "on", false: "off"}[on.On])
	}
	if err != nil {
		s.put("= " + plugintest.Verdict(err))
		return
	}
	for _, e := range res.Events {
		s.put("= " + describe(e))
	}
	s.put("= cursor " + string(res.Cursor))
	s.mark = res.Cursor
}

// describe is an event in a line.
func describe(e sdk.Event) string {
	line := e.Type + " " + e.ID
	put := func(name, value string) {
		if value != "" {
			line += " " + name + "=" + strconv.Quote(value)
		}
	}
	put("agent", e.Agent.Name)
	put("text", e.Text)
	for _, a := range e.Attachments {
		put("file", strings.TrimSpace(a.URL+" "+a.Name+" "+a.MIME))
	}
	put("url_push", e.URLPush)
	put("queue", e.Queue)
	if e.EstWait != nil {
		put("est_wait", e.EstWait.String())
	}
	put("kind", e.Kind)
	put("from", e.From)
	put("to", e.To)
	put("status", e.Status)
	put("reason", e.Reason)
	put("reason_code", e.ReasonCode)
	put("by", e.By)
	put("event_name", e.EventName)
	put("call_id", e.CallID)
	for _, k := range slices.Sorted(maps.Keys(e.Params)) {
		put("params."+k, e.Params[k])
	}
	if e.Private {
		line += " private"
	}
	return fmt.Sprint(line)
}
