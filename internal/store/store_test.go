package store_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"berth.dev/berth/internal/store"
	"berth.dev/berth/internal/store/storetest"
)

type boat struct {
	Name  string
	Crew  int
	Berth string
}

func TestTable(t *testing.T) {
	ctx := context.Background()
	boats := store.NewTable[boat](storetest.New(t), "boats")
	if _, err := boats.Get(ctx, "a"); !errors.Is(err, store.ErrNotFound) {
		t.Fatalf("Get of nothing = %v, want ErrNotFound", err)
	}
	if err := boats.Create(ctx, "a", boat{Name: "a"}); err != nil {
		t.Fatal(err)
	}
	if err := boats.Create(ctx, "a", boat{Name: "other"}); !errors.Is(err, store.ErrExists) {
		t.Fatalf("second Create = %v, want ErrExists", err)
	}
	refusal := errors.New("no")
	if _, err := boats.Change(ctx, "a", func(b *boat) error { b.Crew = 9; return refusal }); !errors.Is(err, refusal) {
		t.Fatalf("Change = %v, want the refusal", err)
	}
	got, err := boats.Change(ctx, "a", func(b *boat) error { b.Crew = 2; return nil })
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(boat{Name: "a", Crew: 2}, got); diff != "" {
		t.Errorf("record after Change (-want +got):\n%s", diff)
	}
	if err := boats.Delete(ctx, "a"); err != nil {
		t.Fatal(err)
	}
	if all, err := boats.List(ctx, ""); err != nil || len(all) != 0 {
		t.Errorf("List after Delete = %v, %v", all, err)
	}
}

func TestTablesDoNotOverlap(t *testing.T) {
	ctx := context.Background()
	s := storetest.New(t)
	if err := store.NewTable[boat](s, "boat").Create(ctx, "x", boat{}); err != nil {
		t.Fatal(err)
	}
	if all, err := store.NewTable[boat](s, "boats").List(ctx, ""); err != nil || len(all) != 0 {
		t.Errorf("another kind lists %v, %v", all, err)
	}
}

func TestUpdateIsSerializable(t *testing.T) {
	ctx := context.Background()
	s := storetest.New(t)
	boats := store.NewTable[boat](s, "boats")
	berths := store.NewTable[string](s, "berths")
	const n = 8
	// n boats race for one berth: exactly one transaction may win it.
	var wins sync.Map
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			name := fmt.Sprint(i)
			err := s.Update(ctx, func(tx *store.Tx) error {
				if err := berths.CreateIn(tx, "one", name); err != nil {
					return err
				}
				return boats.CreateIn(tx, name, boat{Name: name, Berth: "one"})
			})
			if err == nil {
				wins.Store(name, true)
			} else if !errors.Is(err, store.ErrExists) {
				t.Errorf("boat %s: %v", name, err)
			}
		})
	}
	wg.Wait()
	all, err := boats.List(ctx, "")
	if err != nil || len(all) != 1 {
		t.Fatalf("boats with the berth = %v, %v; want one", all, err)
	}
	if _, won := wins.Load(all[0].Key); !won {
		t.Errorf("boat %s is recorded but was told that it lost", all[0].Key)
	}
}

func TestKeys(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	boats := store.NewTable[boat](storetest.New(t), "boats")
	if err := boats.Create(ctx, "old", boat{}); err != nil {
		t.Fatal(err)
	}
	keys := make(chan string)
	done := make(chan error, 1)
	go func() { done <- boats.Keys(ctx, "", func(k string) { keys <- k }) }()
	if k := <-keys; k != "old" {
		t.Fatalf("first key = %q, want old", k)
	}
	if err := boats.Create(ctx, "new", boat{}); err != nil {
		t.Fatal(err)
	}
	if k := <-keys; k != "new" {
		t.Fatalf("key after Create = %q, want new", k)
	}
	if err := boats.Delete(ctx, "old"); err != nil {
		t.Fatal(err)
	}
	if k := <-keys; k != "old" {
		t.Fatalf("key after Delete = %q, want old", k)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("Keys ended with %v, want context.Canceled", err)
	}
}
