package plugintest

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/openccsp/gateway/sdk"
)

// Row is a channel's line in the README's table of channels. Its cells are made
// from the capabilities, but for those that only say by which way messages come
// and go.
type Row struct {
	Channel string // as the table names it, such as "sms over SMPP"
	Caps    sdk.Capabilities
	Takes   string // files from customers: "in", or "" for none
	In, Out string // the ways
}

// Check compares the row with the one in the README of the repository, whose
// folder is dir.
func (r Row) Check(t testing.TB, dir string) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	want := r.String()
	for line := range strings.Lines(string(b)) {
		if !strings.HasPrefix(line, "| "+r.Channel+" |") {
			continue
		}
		if got := strings.TrimSpace(line); got != want {
			t.Errorf("README.md says\n%s\nthe channel is\n%s", got, want)
		}
		return
	}
	t.Errorf("the table of channels in README.md lacks\n%s", want)
}

// String is the line.
func (r Row) String() string {
	c := r.Caps
	cells := []string{r.Channel, text(c.Text), r.files(), buttons(c), typing(c), receipts(c), window(c.Window), rate(c.Rate), r.In, r.Out}
	return "| " + strings.Join(cells, " | ") + " |"
}

func text(l sdk.TextLimit) string {
	units := map[sdk.TextUnit]string{
		sdk.UTF16: "UTF-16 units", sdk.Rune: "characters", sdk.Byte: "bytes", sdk.Grapheme: "characters", sdk.GSM7: "septets",
	}
	if l.Limit == 0 {
		return "any"
	}
	return strconv.Itoa(l.Limit) + " " + units[l.Unit]
}

func (r Row) files() string {
	var kinds []string
	for _, mime := range r.Caps.MediaTypes {
		class, kind, _ := strings.Cut(mime, "/")
		switch {
		case mime == "*/*":
			kind = "all"
		case kind == "*":
			kind = class
		}
		kinds = append(kinds, kind)
	}
	out := strings.Join(kinds, ", ")
	if out != "" {
		out = "out: " + out
	}
	if mb := r.Caps.MaxAttachment >> 20; out != "" && mb > 0 {
		out += fmt.Sprintf(", %d MB", mb)
	}
	if all := strings.Trim(r.Takes+"; "+out, "; "); all != "" {
		return all
	}
	return "none"
}

func buttons(c sdk.Capabilities) string {
	switch {
	case !c.QuickReplies:
		return "as text"
	case c.MaxQuickReplies > 0 && c.MaxQuickReplyTitle > 0:
		return fmt.Sprintf("%d of %d characters", c.MaxQuickReplies, c.MaxQuickReplyTitle)
	case c.MaxQuickReplies > 0:
		return strconv.Itoa(c.MaxQuickReplies)
	}
	return "yes"
}

func typing(c sdk.Capabilities) string {
	return map[[2]bool]string{{true, true}: "both ways", {true, false}: "in", {false, true}: "out", {}: "none"}[[2]bool{c.TypingIn, c.TypingOut}]
}

func receipts(c sdk.Capabilities) string {
	if c.Receipts || c.ReceiptsByRef {
		return "yes"
	}
	return "none"
}

func window(w sdk.ReplyWindow) string {
	if w == (sdk.ReplyWindow{}) {
		return "none"
	}
	s := hours(w.Open)
	if w.Messages > 0 {
		s += fmt.Sprintf(", %d messages", w.Messages)
	}
	if w.Agent > 0 {
		s += "; agents " + hours(w.Agent)
	}
	return s
}

func hours(d time.Duration) string {
	if d > 48*time.Hour {
		return fmt.Sprintf("%d days", d/(24*time.Hour))
	}
	return fmt.Sprintf("%d h", d/time.Hour)
}

func rate(perSecond float64) string {
	if perSecond == 0 {
		return "the platform's"
	}
	return strconv.FormatFloat(perSecond, 'g', -1, 64) + "/s"
}
