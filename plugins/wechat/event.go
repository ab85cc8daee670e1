package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/openccsp/gateway/sdk"
)

const (
	maxEventName = 64 // bytes
	maxMsgID     = 64
)

// event makes an event of what WeChat sends.
func (c *channel) event(ctx context.Context, x *element) (sdk.Event, error) {
	from, typ := x.get("FromUserName"), x.get("MsgType")
	switch {
	case from == "" && x.get("Encrypt") != "":
		return sdk.Event{}, errors.New("it is encrypted, and there is no encoding_aes_key in the settings")
	case !openIDPattern.MatchString(from):
		return sdk.Event{}, errors.New("FromUserName is not the id of a customer")
	case c.cfg.OriginalID != "" && x.get("ToUserName") != c.cfg.OriginalID:
		return sdk.Event{}, errors.New("ToUserName is not the original_id of the settings")
	case typ == "":
		return sdk.Event{}, errors.New("there is no MsgType")
	}
	seconds, err := strconv.ParseUint(x.get("CreateTime"), 10, 40)
	if err != nil {
		return sdk.Event{}, errors.New("CreateTime is not in seconds")
	}
	e := sdk.Event{At: time.Unix(int64(seconds), 0), Customer: sdk.Customer{Address: from}, Payload: x.json()}
	if typ == "event" {
		return e, c.act(&e, x)
	}
	e.Type = sdk.CustomerMessage
	e.ID = x.get("MsgId")
	if len(e.ID) > maxMsgID {
		return sdk.Event{}, errors.New("MsgId is no id")
	}
	e.MessageID = e.ID
	c.say(ctx, &e, typ, x)
	return e, nil
}

// opening are the acts of a customer that allow a few messages for a minute; of the
// menu's buttons only these do.
var opening = map[string]bool{"CLICK": true, "scancode_push": true, "scancode_waitmsg": true, "subscribe": true, "SCAN": true}

// minute is what such an act allows.
func (c *channel) minute() *sdk.ReplyWindow {
	return &sdk.ReplyWindow{Open: actionWindow, Messages: c.cfg.ActionMessages}
}

// act fills in what a customer did that is no message. It keeps the name that
// WeChat has for it.
func (c *channel) act(e *sdk.Event, x *element) error {
	e.Type, e.EventName = sdk.CustomEvent, x.get("Event")
	if e.EventName == "" || len(e.EventName) > maxEventName {
		return errors.New("Event is no name") //nolint:staticcheck // the field's name
	}
	e.ID = eventID(x)
	e.Params = make(map[string]string)
	x.leaves("", e.Params)
	for _, common := range []string{"ToUserName", "FromUserName", "CreateTime", "MsgType", "Event"} {
		delete(e.Params, common)
	}
	if scene, ok := strings.CutPrefix(x.get("EventKey"), "qrscene_"); ok {
		e.Params["scene"] = scene
	} else if e.EventName == "SCAN" {
		e.Params["scene"] = x.get("EventKey")
	}
	if opening[e.EventName] {
		e.Window = c.minute()
	}
	return nil
}

// eventID tells an event from another one: WeChat has no ids of events.
func eventID(x *element) string {
	parts := []string{x.get("FromUserName"), x.get("CreateTime"), x.get("Event"), x.get("EventKey"), x.get("MsgID")}
	sum := sha256.Sum256([]byte(strings.Join(parts, "\n")))
	return "e" + hex.EncodeToString(sum[:16])
}

// say fills in what a customer's message says.
func (c *channel) say(ctx context.Context, e *sdk.Event, typ string, x *element) {
	switch typ {
	case "text":
		e.Text = x.get("Content")
		if id := x.get("bizmsgmenuid"); id != "" { // to WeChat it is a click, and no message
			e.QuickReply = &sdk.QuickReply{Title: e.Text, Payload: id}
			e.Window = c.minute()
		}
	case "image", "voice", "video", "shortvideo":
		e.Text = x.get("Recognition") // what WeChat heard in a voice message
		c.bring(ctx, e, fileOf(typ, x))
	case "location":
		place := fmt.Sprintf("(%s, %s)", x.get("Location_X"), x.get("Location_Y"))
		e.Text = strings.TrimSpace("[location] " + x.get("Label") + " " + place)
	case "link":
		e.Text = lines(x.get("Title"), x.get("Description"), x.get("Url"))
	default:
		e.Text = lines(fmt.Sprintf("[a message of the type %.40s cannot be shown]", typ), x.get("Title"))
	}
	e.Text = cmp.Or(e.Text, emptyText(e))
}

// emptyText stands for a message that says nothing.
func emptyText(e *sdk.Event) string {
	if len(e.Attachments) > 0 {
		return ""
	}
	return "[an empty message]"
}

// lines joins the texts that there are.
func lines(texts ...string) string {
	var out []string
	for _, t := range texts {
		if t != "" {
			out = append(out, t)
		}
	}
	return strings.Join(out, "\n")
}
