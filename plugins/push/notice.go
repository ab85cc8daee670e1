package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/rivo/uniseg"

	"github.com/openccsp/gateway/plugins/internal/ccsp"
	"github.com/openccsp/gateway/sdk"
)

// Keys of the data that the driver sets itself.
const (
	keyMessage = "msg_id" // of the message: an app that shows it itself knows a repetition by it
	keyURL     = "url"    // page to open
	keyTitle   = "title"  // with background
	keyText    = "text"   // with background
)

// notice is what an app gets, whatever its platform.
type notice struct {
	id          string // of the message
	title, text string
	image       string // address
	data        map[string]string
	background  bool
}

// newNotice makes a notice of a message.
func newNotice(m sdk.Message, background bool) (notice, error) {
	n := notice{id: m.ID, title: m.Extras[sdk.PushTitle], text: m.Text, background: background, data: map[string]string{}}
	for key, value := range m.Extras {
		if key == sdk.PushTitle {
			continue
		}
		if reserved(key) {
			return n, sdk.Rejected("data_key", fmt.Sprintf("the data cannot have the key %.60q: FCM or APNs has it for itself", key))
		}
		n.data[key] = value
	}
	for key, value := range map[string]string{keyMessage: m.ID, keyURL: m.URLPush} {
		if _, set := n.data[key]; !set && value != "" {
			n.data[key] = value
		}
	}
	for _, a := range m.Attachments {
		if n.image == "" && isHTTPS(a.URL) {
			n.image = a.URL
		}
	}
	if n.title == "" && n.text == "" && len(m.Extras) == 0 && n.image == "" {
		return n, sdk.Rejected("empty", "there is nothing in the message")
	}
	return n, nil
}

// reserved reports whether a key of data means something to a platform: FCM refuses
// its own, and APNs has aps.
func reserved(key string) bool {
	return key == "" || slices.Contains([]string{"aps", "from", "message_type", "collapse_key", "notification"}, key) ||
		strings.HasPrefix(key, "gcm") || strings.HasPrefix(key, "google")
}

func isHTTPS(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Scheme == "https" && u.Host != ""
}

// shown is what the system shows of it.
func (n notice) shown() map[string]string {
	out := map[string]string{"body": n.text}
	if n.title != "" {
		out["title"] = n.title
	}
	return out
}

// inData is the data, with title and text if the app shows them itself.
func (n notice) inData() map[string]string {
	out := make(map[string]string, len(n.data)+2)
	if n.background {
		out[keyText] = n.text
		if n.title != "" {
			out[keyTitle] = n.title
		}
	}
	for key, value := range n.data {
		out[key] = value
	}
	return out
}

// uuid names a notice to one app: the same again for the same message.
func (n notice) uuid(token string) string {
	if n.id == "" {
		return ""
	}
	b := sha256.Sum256([]byte(n.id + "\n" + token))
	b[6], b[8] = b[6]&0x0f|0x80, b[8]&0x3f|0x80 // version 8: of our own making
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:16])
}

const maxCollapse = 64 // bytes of APNs' collapse id

// collapse is what a copy takes the place of the first one by.
func (n notice) collapse() string {
	if len(n.id) <= maxCollapse {
		return n.id
	}
	sum := sha256.Sum256([]byte(n.id))
	return hex.EncodeToString(sum[:])
}

// fit makes the payload of a notice, at most maxPayload bytes of it. size measures
// what counts. A text that is too long is shortened if that is wanted, at the end
// of a grapheme, and otherwise refused: nothing is cut in silence.
func fit(n notice, truncate bool, build func(notice) any) ([]byte, error) {
	whole, err := ccsp.JSON(build(n))
	if err != nil || len(whole) <= maxPayload {
		return whole, err
	}
	if !truncate || n.text == "" {
		return nil, sdk.Rejected("too_large", fmt.Sprintf("the notice has %d bytes; %d is the most", len(whole), maxPayload))
	}
	ends := graphemes(n.text)
	// The longest beginning that fits: more text is never fewer bytes.
	i, _ := slices.BinarySearchFunc(ends, 0, func(end, _ int) int {
		short := n
		short.text = n.text[:end] + "…"
		b, e := ccsp.JSON(build(short))
		if e != nil || len(b) > maxPayload {
			return 1
		}
		return -1
	})
	if i == 0 {
		return nil, sdk.Rejected("too_large", "the notice is too large even without its text")
	}
	n.text = n.text[:ends[i-1]] + "…"
	return ccsp.JSON(build(n))
}

// graphemes are the ends of the characters that people see in s, with 0.
func graphemes(s string) []int {
	ends := []int{0}
	g := uniseg.NewGraphemes(s)
	for g.Next() {
		_, to := g.Positions()
		ends = append(ends, to)
	}
	return ends
}
