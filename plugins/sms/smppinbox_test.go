package main

import (
	"context"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/openccsp/gateway/plugins/internal/plugintest"
	"github.com/openccsp/gateway/plugins/sms/smpp"
	"github.com/openccsp/gateway/sdk"
)

// The time for our answer begins when a request comes, not when its turn does: the
// SMSC, which has waited longer, would send it again beside the first.
func TestAnswersInTimeInALongLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		repeats, err := newRepeats(time.Now)
		if err != nil {
			t.Fatal(err)
		}
		p := &smppProvider{cfg: &smppConfig{deliver: 20 * time.Second}, host: &plugintest.Host{}, repeats: repeats}
		p.joiner = newJoiner(p.host, time.Minute)
		ctx, cancel := context.WithCancel(t.Context())
		in := newInbox(ctx, p, func(ctx context.Context, _ ...sdk.Event) error { <-ctx.Done(); return ctx.Err() })
		near, far := net.Pipe()
		s := smpp.New(near, smpp.Options{Enquire: time.Hour})
		ended := make(chan error, 1)
		go func() { ended <- s.Run(ctx) }()
		defer func() { cancel(); in.wait(); <-ended }()

		began := time.Now()
		const line = 5
		for n := range uint32(line) {
			in.take(s, smpp.PDU{ID: smpp.DeliverSM, Seq: n + 1, Body: &smpp.Short{
				Source: smpp.Address{Addr: "41791234567"}, Message: []byte{'a' + byte(n)}}})
		}
		for range line {
			b, err := smpp.Read(far, nil, smpp.MaxPDU)
			if err != nil {
				t.Fatal(err)
			}
			got, err := smpp.Decode(b)
			if err != nil || got.Status != smpp.TemporaryError {
				t.Errorf("answer %+v %v", got, err)
			}
			if took := time.Since(began); took > p.cfg.deliver {
				t.Errorf("the answer to %d came after %v", got.Seq, took)
			}
		}
	})
}
