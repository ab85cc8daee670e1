package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/openccsp/gateway/sdk"
)

// presenceTopic is below a user's own topic: whether the user is there, retained, as
// online or offline. With a broker elsewhere, clients say it themselves.
const presenceTopic = "presence"

// uplinks are the topics below a user's own on which clients may publish what
// they may post as well, and the routes that take it.
var uplinks = map[string]func(*channel, context.Context, *request) (reply, error){
	"mo":             (*channel).message,
	"form":           (*channel).answerForm,
	"deliveryupdate": (*channel).receipts,
	"typing":         (*channel).typing,
}

var errNotListening = errors.New("the channel does not listen")

// emitter takes events, and returns nil once they are durable.
type emitter func(context.Context, ...sdk.Event) error

// emit hands events to the gateway while the channel listens.
func (c *channel) emit(ctx context.Context, events ...sdk.Event) error {
	emit := c.emitter.Load()
	if emit == nil {
		return errNotListening
	}
	return (*emit)(ctx, events...)
}

// uplink takes what a client published on one of its topics. It returns the answer
// that the client is to have, if any, once what was published is durable; an
// error says that the client, or its broker, has to try again.
//
//	{"payload_type":"ack","tid":"c1"}
//	{"payload_type":"refused","tid":"c1","code":"invalid","message":"…"}
func (c *channel) uplink(ctx context.Context, user string, known identity, kind string, payload []byte) (packet, error) {
	rep, err := c.published(ctx, user, known, kind, payload)
	if err == nil && len(rep.events) > 0 {
		err = c.emit(ctx, rep.events...)
	}
	var rejected *sdk.RejectedError
	if errors.As(err, &rejected) {
		err = &apiError{http.StatusBadRequest, "invalid", "the gateway does not take it"}
	}
	var refused *apiError
	switch {
	case errors.As(err, &refused) && refused.status != http.StatusServiceUnavailable:
		return refusal(payload, refused)
	case err != nil:
		return packet{}, err
	}
	said, ok := rep.body.(map[string]string)
	if !ok {
		return packet{}, nil
	}
	body, err := json.Marshal(map[string]string{"payload_type": "ack", "tid": said["tid"]})
	return packet{sure: true, body: body}, err
}

func (c *channel) published(ctx context.Context, user string, known identity, kind string, payload []byte) (reply, error) {
	handle := uplinks[kind]
	if handle == nil {
		return reply{}, &apiError{http.StatusNotFound, "not_found", "there is no such topic"}
	}
	if len(payload) > maxBody {
		return reply{}, tooLarge()
	}
	return handle(c, ctx, &request{WebhookRequest: &sdk.WebhookRequest{Body: payload}, user: user, known: known})
}

func refusal(payload []byte, e *apiError) (packet, error) {
	var about struct{ TID string }
	if json.Unmarshal(payload, &about) != nil || checkMessageID(about.TID) != nil {
		about.TID = ""
	}
	body, err := json.Marshal(map[string]string{"payload_type": "refused", "tid": about.TID, "code": e.code, "message": e.message})
	return packet{sure: true, body: body}, err
}

// below returns what topic is below a user's own, such as mo.
func (c *channel) below(topic, user string) (kind string, ok bool) {
	return strings.CutPrefix(topic, c.topic(user)+"/")
}

// mayPublish says whether a user's clients may publish on a topic.
func (c *channel) mayPublish(topic, user string) bool {
	kind, ok := c.below(topic, user)
	return ok && (kind == presenceTopic || uplinks[kind] != nil)
}

// mayRead says whether a user's clients may subscribe to a topic.
func (c *channel) mayRead(topic, user string) bool {
	return topic == c.topic(user) || topic == c.topic(user)+"/"+presenceTopic
}

// topic is a user's own topic, and user name.
func (c *channel) topic(user string) string { return c.cfg.AppID + "/" + user }
