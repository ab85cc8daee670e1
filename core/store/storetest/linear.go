package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/openccsp/gateway/core/store"
)

var modelTests = []subtest{
	{name: "a conversation is a linearizable register", run: linearizable},
	{name: "random operations agree with a model", run: agreesWithModel},
}

// regIn is a call on the register of a conversation: Load, or Commit of a
// value on an expected revision.
type regIn struct {
	conv   int
	commit bool
	expect store.Rev
	value  string
}

// regOut is what it returned; revision 0 is not found.
type regOut struct {
	rev      store.Rev
	value    string
	conflict bool
}

type regState struct {
	rev   store.Rev
	value string
}

var register = porcupine.Model{
	Partition: func(ops []porcupine.Operation) [][]porcupine.Operation {
		by := map[int][]porcupine.Operation{}
		for _, o := range ops {
			c := o.Input.(regIn).conv
			by[c] = append(by[c], o)
		}
		var parts [][]porcupine.Operation
		for _, p := range by {
			parts = append(parts, p)
		}
		return parts
	},
	Init: func() any { return regState{} },
	Step: func(s, in, out any) (bool, any) {
		st, i, o := s.(regState), in.(regIn), out.(regOut)
		switch {
		case !i.commit:
			return o.rev == st.rev && o.value == st.value, st
		case o.conflict:
			return i.expect != st.rev, st
		}
		return i.expect == st.rev && o.rev > st.rev, regState{o.rev, i.value}
	},
}

// linearizable records the calls of 8 clients on 4 conversations and checks
// that an order of them explains every answer.
func linearizable(f *fixture) {
	const clients, convsN, each = 8, 4, 300
	start := time.Now()
	var mu sync.Mutex
	var ops []porcupine.Operation
	var wg sync.WaitGroup
	for id := range clients {
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(uint64(id), 1))
			known := [convsN]store.Rev{}
			for n := range each {
				in := regIn{conv: rnd.IntN(convsN), commit: rnd.IntN(3) > 0, value: fmt.Sprint(id, ".", n)}
				in.expect = known[in.conv]
				call := time.Since(start).Nanoseconds()
				out, err := f.register(in)
				if err != nil {
					f.Errorf("%+v = %v", in, err)
					return
				}
				op := porcupine.Operation{ClientId: id, Input: in, Call: call, Output: out, Return: time.Since(start).Nanoseconds()}
				if !out.conflict {
					known[in.conv] = out.rev
				} else if _, rev, err := f.shard(conv(in.conv)).Load(f.Context(), conv(in.conv)); err == nil {
					known[in.conv] = rev
				}
				mu.Lock()
				ops = append(ops, op)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	applied := 0
	for _, o := range ops {
		if o.Input.(regIn).commit && !o.Output.(regOut).conflict {
			applied++
		}
	}
	if applied < 100 {
		f.Errorf("only %d commits were applied, the test shows little", applied)
	}
	if res := porcupine.CheckOperationsTimeout(register, ops, 5*time.Minute); res != porcupine.Ok {
		f.Errorf("history of %d calls is %s", len(ops), res)
	}
}

func (f *fixture) register(in regIn) (out regOut, err error) {
	c := conv(in.conv)
	if in.commit {
		out.rev, err = f.tryCommit(store.Commit{Conversation: c, Expect: in.expect, Doc: []byte(in.value)})
		if errors.Is(err, store.ErrConflict) {
			return regOut{conflict: true}, nil
		}
		return out, err
	}
	doc, rev, err := f.shard(c).Load(f.Context(), c)
	if errors.Is(err, store.ErrNotFound) {
		return regOut{}, nil
	}
	return regOut{rev: rev, value: string(doc)}, err
}
