package app

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
)

func TestRunAllStopsInReverse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var order []string
		wait := func(name string) part {
			return part{name, func(ctx context.Context) error {
				<-ctx.Done()
				order = append(order, name)
				return nil
			}}
		}
		ctx, cancel := context.WithCancel(t.Context())
		go func() { synctest.Wait(); cancel() }()
		if err := runAll(ctx, wait("store"), wait("plugins"), wait("http")); err != nil {
			t.Fatal(err)
		}
		if want := []string{"http", "plugins", "store"}; !slices.Equal(order, want) {
			t.Errorf("stop order %v, want %v", order, want)
		}
	})
}

func TestRunAllFails(t *testing.T) {
	boom := errors.New("boom")
	store := part{"store", func(ctx context.Context) error { <-ctx.Done(); return nil }}
	tests := []struct {
		name string
		err  error
		want string
	}{
		{"error", boom, "http: boom"},
		{"early end", nil, "http: ended on its own"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := runAll(t.Context(), store, part{"http", func(context.Context) error { return tt.err }})
			if err == nil || err.Error() != tt.want || !errors.Is(err, tt.err) && tt.err != nil {
				t.Errorf("err = %v, want %s", err, tt.want)
			}
		})
	}
}

func TestRunAllJoinsErrors(t *testing.T) {
	late, boom := errors.New("late"), errors.New("boom")
	err := runAll(t.Context(),
		part{"store", func(ctx context.Context) error { <-ctx.Done(); return late }},
		part{"http", func(context.Context) error { return boom }},
	)
	if !errors.Is(err, late) || !errors.Is(err, boom) {
		t.Errorf("err = %v, want both", err)
	}
}
