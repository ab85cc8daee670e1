package httpd

import (
	"context"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/core/store"
)

// DeadLetters are commands that were given up. What there is not is
// store.ErrNotFound.
type DeadLetters interface {
	// DeadLetters lists them, the newest first.
	DeadLetters(ctx context.Context, after string, limit int) (store.Page[*state.DeadLetter], error)
	DeadLetter(ctx context.Context, id string) (*state.DeadLetter, error)
	// ReplayDeadLetters puts commands back at the ends of their lanes, in the
	// order of ids, and a group as one. It returns how many were put back; on
	// error the rest is still dead.
	ReplayDeadLetters(ctx context.Context, ids []string) (int, error)
	DeleteDeadLetter(ctx context.Context, id string) error
}

type deadBody struct {
	ID           string       `json:"id"`
	Conversation string       `json:"conversation"`
	Command      commandBody  `json:"command"`
	Attempts     attemptsBody `json:"attempts"`
	Reason       string       `json:"reason"`
	At           time.Time    `json:"at,omitzero"`
}

func showDead(d *state.DeadLetter) deadBody {
	var conv core.ConversationID
	copy(conv[:], d.GetCommand().GetConversation())
	return deadBody{
		d.GetId(), conv.String(), showCommand(d.GetCommand()), showEnded(d.GetAttempts()), d.GetReason(), utc(d.GetAtMs()),
	}
}

// listDeadLetters answers GET /v1/dead-letters?limit&after.
func (a *Admin) listDeadLetters(ctx context.Context, r *fasthttp.RequestCtx) error {
	w, _, err := listQuery(r)
	if err != nil {
		return err
	}
	page, err := a.gateway.DeadLetters(ctx, w.after, w.limit)
	if err != nil {
		return err
	}
	return writeList(r, page, showDead)
}

// getDeadLetter answers GET /v1/dead-letters/{id}.
func (a *Admin) getDeadLetter(ctx context.Context, r *fasthttp.RequestCtx) error {
	id, err := param(r, "id")
	if err != nil {
		return err
	}
	d, err := a.gateway.DeadLetter(ctx, id)
	if err != nil {
		return err
	}
	writeJSON(r, fasthttp.StatusOK, showDead(d))
	return nil
}

// deleteDeadLetter answers DELETE /v1/dead-letters/{id} with 204.
func (a *Admin) deleteDeadLetter(ctx context.Context, r *fasthttp.RequestCtx) error {
	return remove(ctx, r, a.gateway.DeleteDeadLetter)
}

func remove(ctx context.Context, r *fasthttp.RequestCtx, del func(context.Context, string) error) error {
	id, err := param(r, "id")
	if err != nil {
		return err
	}
	if err := del(ctx, id); err != nil {
		return err
	}
	r.SetStatusCode(fasthttp.StatusNoContent)
	return nil
}

type replayBody struct {
	Replayed int `json:"replayed"`
}

// replayDeadLetter answers POST /v1/dead-letters/{id}/replay.
//
//	202 {"replayed":1}
func (a *Admin) replayDeadLetter(ctx context.Context, r *fasthttp.RequestCtx) error {
	id, err := param(r, "id")
	if err != nil {
		return err
	}
	return a.replay(ctx, r, []string{id})
}

type replayRequest struct {
	IDs []string `json:"ids"`
}

// replayDeadLetters answers POST /v1/dead-letters/replay.
//
//	{"ids":["01J…","01J…"]}
//	202 {"replayed":2}
func (a *Admin) replayDeadLetters(ctx context.Context, r *fasthttp.RequestCtx) error {
	var body replayRequest
	if err := decode(r, &body); err != nil {
		return err
	}
	if len(body.IDs) == 0 || len(body.IDs) > maxLimit {
		return core.Errorf(core.Invalid, "ids must name 1 to %d dead letters", maxLimit)
	}
	for _, id := range body.IDs {
		if id == "" || len(id) > maxParam {
			return core.Errorf(core.Invalid, "%.40q is not the id of a dead letter", id)
		}
	}
	return a.replay(ctx, r, body.IDs)
}

func (a *Admin) replay(ctx context.Context, r *fasthttp.RequestCtx, ids []string) error {
	n, err := a.gateway.ReplayDeadLetters(ctx, ids)
	if err != nil {
		return err
	}
	writeJSON(r, fasthttp.StatusAccepted, replayBody{n})
	return nil
}
