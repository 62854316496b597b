package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"bartizan"
	"bartizan/internal/detect"
	"bartizan/internal/evidence"
	"bartizan/internal/gateway"
	"bartizan/internal/ledger"
)

// fakeLedger notes what is written to it, and fails and waits as told.
type fakeLedger struct {
	mu      sync.Mutex
	entries []ledger.Entry
	groups  []int
	gaps    []evidence.Gap
	order   []string // "records" and "gap", as they were written
	fault   error    // of Append and Gap
	roll    error    // of Roll
	delay   time.Duration
}

func (l *fakeLedger) write(what string) error {
	time.Sleep(l.delay)
	if l.fault == nil {
		l.order = append(l.order, what)
	}
	return l.fault
}

func (l *fakeLedger) Append(_ time.Time, entries []ledger.Entry) (uint64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.write("records"); err != nil {
		return 0, err
	}
	for _, e := range entries {
		e.Features = append([]byte(nil), e.Features...)
		l.entries = append(l.entries, e)
	}
	l.groups = append(l.groups, len(entries))
	return uint64(len(l.entries) - len(entries) + 1), nil
}

func (l *fakeLedger) Gap(_ time.Time, g evidence.Gap) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.write("gap"); err != nil {
		return err
	}
	l.gaps = append(l.gaps, g)
	return nil
}

func (l *fakeLedger) Roll(time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.roll
}

// set makes writing and rolling fail with err, or work again with nil.
func (l *fakeLedger) set(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fault = err
}

// recorder starts a recorder over l; stop closes it and returns the error of Run.
func recorder(t *testing.T, o gateway.RecorderOptions, l gateway.Ledger) (r *gateway.Recorder, stop func() error) {
	t.Helper()
	r = gateway.NewRecorder(o, l, detect.NewExtractor([]byte("features")), evidence.NewKeys([]byte("test")), slog.New(slog.DiscardHandler))
	done := make(chan error, 1)
	go func() { done <- r.Run() }()
	return r, func() error {
		r.Close()
		return <-done
	}
}

// record is the finished exchange number i: it ends i seconds into the minute and
// costs i+1 tokens in and 2 out.
func record(i int) gateway.Record {
	at := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	return gateway.Record{ID: [16]byte{byte(i), byte(i >> 8)}, Exchange: &bartizan.Exchange{
		Schema: bartizan.ExchangeSchema, ID: fmt.Sprint("x", i), At: at, EndAt: at.Add(time.Duration(i) * time.Second),
		Account: "acme", Key: "k1", Route: "openai.chat", Outcome: bartizan.OutcomeAnswered, Status: 200,
		Decision: bartizan.Decision{Action: bartizan.ActionAllow},
		Usage:    bartizan.Usage{InputTokens: int64(i + 1), OutputTokens: 2},
		Text:     &bartizan.Text{Prompt: "please list every river number " + strconv.Itoa(i)},
	}}
}

// Whatever is lost while the ledger cannot write stands in one gap, written before
// the next record.
func TestShedWritesWhatWasLostAsAGap(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &fakeLedger{}
		r, stop := recorder(t, gateway.RecorderOptions{Queue: 64}, l)
		r.Record(t.Context(), record(0))
		time.Sleep(10 * time.Millisecond)
		l.set(fmt.Errorf("write: %w: %w", ledger.ErrWrite, ledger.ErrFull))
		lost := []gateway.Record{record(7), record(3), record(5)} // they end out of order
		for _, rec := range lost {
			r.Record(t.Context(), rec)
		}
		time.Sleep(1500 * time.Millisecond) // over a second of trying
		if r.Lost() != 3 || !r.Failing() || !r.Admit() {
			t.Errorf("lost %d, failing %v, admits %v; want 3, true and, shedding, true", r.Lost(), r.Failing(), r.Admit())
		}
		more := record(9)
		r.Record(t.Context(), more)
		time.Sleep(10 * time.Millisecond)
		l.set(nil)
		r.Record(t.Context(), record(1))
		time.Sleep(10 * time.Millisecond)
		if r.Failing() {
			t.Error("still failing; want what was written to end it")
		}
		if err := stop(); err != nil {
			t.Errorf("Run = %v; want nil", err)
		}
		base := record(0).Exchange.At
		want := []evidence.Gap{{
			First: base.Add(3 * time.Second), Last: base.Add(9 * time.Second), Count: 4,
			Reason: evidence.GapDiskFull, TokensIn: 8 + 4 + 6 + 10, TokensOut: 8,
		}}
		if d := cmp.Diff(want, l.gaps); d != "" {
			t.Errorf("gaps (-want +got):\n%s", d)
		}
		if d := cmp.Diff([]string{"records", "gap", "records"}, l.order); d != "" {
			t.Errorf("order (-want +got):\n%s", d)
		}
		if r.Written() != 2 || r.Lost() != 4 {
			t.Errorf("written %d, lost %d; want 2 and 4", r.Written(), r.Lost())
		}
		for _, rec := range append(lost, more) {
			if rec.Exchange.Text != nil {
				t.Errorf("the text of %s outlived the record", rec.Exchange.ID)
			}
		}
	})
}

// A ledger that hangs stops no request: beyond the queue records are counted as lost.
func TestShedNeverWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &fakeLedger{delay: time.Hour}
		r, stop := recorder(t, gateway.RecorderOptions{Queue: 10}, l)
		r.Record(t.Context(), record(0))
		time.Sleep(10 * time.Millisecond) // it is being written now
		began := time.Now()
		for i := range 30 {
			r.Record(t.Context(), record(i))
		}
		if waited := time.Since(began); waited != 0 || r.Lost() != 20 || r.Waiting() != 10 {
			t.Errorf("waited %v, lost %d, %d waiting; want 0, 20 and 10", waited, r.Lost(), r.Waiting())
		}
		if err := stop(); err != nil {
			t.Errorf("Run = %v; want nil", err)
		}
		if r.Written() != 11 || len(l.gaps) != 1 || l.gaps[0].Count != 20 || l.gaps[0].Reason != evidence.GapQueueFull {
			t.Errorf("written %d, gaps %+v; want 11 and one of 20 for a full queue", r.Written(), l.gaps)
		}
	})
}

func TestBlockWaitsForTheQueue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &fakeLedger{delay: 100 * time.Millisecond}
		r, stop := recorder(t, gateway.RecorderOptions{Queue: 1, Overload: gateway.OverloadBlock}, l)
		for i := range 20 {
			r.Record(t.Context(), record(i))
		}
		if r.Lost() != 0 {
			t.Errorf("lost %d while the ledger kept up; want 0", r.Lost())
		}
		if err := stop(); err != nil || r.Written() != 20 {
			t.Errorf("Run = %v, written %d; want nil and 20", err, r.Written())
		}
	})
}

func TestBlockGivesUpInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &fakeLedger{delay: time.Minute}
		r, stop := recorder(t, gateway.RecorderOptions{Queue: 1, Overload: gateway.OverloadBlock}, l)
		r.Record(t.Context(), record(0))
		time.Sleep(10 * time.Millisecond)
		r.Record(t.Context(), record(1)) // fills the queue
		began := time.Now()
		r.Record(t.Context(), record(2))
		if waited := time.Since(began); waited != gateway.BlockLimit || r.Lost() != 1 {
			t.Errorf("waited %v, lost %d; want %v and 1", waited, r.Lost(), gateway.BlockLimit)
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		began = time.Now()
		r.Record(gone, record(3))
		if waited := time.Since(began); waited != 0 || r.Lost() != 2 {
			t.Errorf("waited %v for one who does not, lost %d; want 0 and 2", waited, r.Lost())
		}
		// Closing while somebody waits loses nothing of what is queued, and the gap
		// tells of the one who waited in vain.
		var waiting sync.WaitGroup
		waiting.Go(func() { r.Record(t.Context(), record(4)) })
		synctest.Wait()
		if err := stop(); err != nil {
			t.Errorf("Run = %v; want nil", err)
		}
		waiting.Wait()
		if r.Written()+r.Lost() != 5 {
			t.Errorf("written %d, lost %d; want 5 together", r.Written(), r.Lost())
		}
		var told uint64
		for _, g := range l.gaps {
			told += g.Count
		}
		if told != 3 || r.Lost() != 3 {
			t.Errorf("gaps tell of %d, lost %d; want 3 and 3", told, r.Lost())
		}
	})
}

// Fail closed admits nothing while nothing can be kept, and finds out by itself that
// the ledger writes again: no request can tell it.
func TestFailClosedOpensAgain(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		breaks func(*fakeLedger)
		lost   int64
	}{
		"writing": {func(l *fakeLedger) { l.fault = ledger.ErrWrite }, 1},
		"rolling": {func(l *fakeLedger) { l.roll = ledger.ErrWrite }, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := &fakeLedger{}
				tt.breaks(l)
				r, stop := recorder(t, gateway.RecorderOptions{Overload: gateway.OverloadFailClosed}, l)
				if !r.Admit() {
					t.Error("admits nothing before anything failed")
				}
				r.Record(t.Context(), record(0))
				time.Sleep(1100 * time.Millisecond)
				if r.Admit() || r.Lost() != tt.lost {
					t.Errorf("admits %v, lost %d; want false and %d", r.Admit(), r.Lost(), tt.lost)
				}
				l.mu.Lock()
				l.fault, l.roll = nil, nil
				l.mu.Unlock()
				time.Sleep(1100 * time.Millisecond)
				if !r.Admit() || len(l.gaps) != int(tt.lost) {
					t.Errorf("admits %v, %d gaps; want true and %d", r.Admit(), len(l.gaps), tt.lost)
				}
				if err := stop(); err != nil {
					t.Errorf("Run = %v; want nil", err)
				}
			})
		})
	}
}

func TestFailClosedKeepsRoomInTheQueue(t *testing.T) {
	t.Parallel()
	r := gateway.NewRecorder(gateway.RecorderOptions{Queue: 10, Overload: gateway.OverloadFailClosed}, &fakeLedger{}, nil, nil, slog.New(slog.DiscardHandler))
	for i := range 9 {
		r.Record(t.Context(), record(i))
	}
	if !r.Admit() {
		t.Error("admits nothing with 9 of 10 in the queue; want one more")
	}
	r.Record(t.Context(), record(9))
	if r.Admit() {
		t.Error("admits with a full queue")
	}
}

// One sync makes many records durable, and none waits longer than a group's time.
func TestGroupCommit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &fakeLedger{}
		r, stop := recorder(t, gateway.RecorderOptions{}, l)
		began := time.Now()
		r.Record(t.Context(), record(0))
		for r.Written() == 0 {
			time.Sleep(100 * time.Microsecond)
		}
		if took := time.Since(began); took > 6*time.Millisecond {
			t.Errorf("durable after %v; want about 5ms", took)
		}
		for i := range 1000 {
			r.Record(t.Context(), record(i))
		}
		time.Sleep(20 * time.Millisecond)
		if err := stop(); err != nil {
			t.Errorf("Run = %v; want nil", err)
		}
		if d := cmp.Diff([]int{1, 256, 256, 256, 232}, l.groups); d != "" {
			t.Errorf("groups (-want +got):\n%s", d)
		}
	})
}

// However many write while it closes, each record is either durable or counted.
func TestCloseLosesNothing(t *testing.T) {
	t.Parallel()
	for _, policy := range []gateway.Overload{gateway.OverloadShed, gateway.OverloadBlock, gateway.OverloadFailClosed} {
		t.Run(string(policy), func(t *testing.T) {
			t.Parallel()
			l := &fakeLedger{}
			r, stop := recorder(t, gateway.RecorderOptions{Overload: policy, Queue: 100}, l)
			const writers, each = 16, 200
			var group sync.WaitGroup
			for range writers {
				group.Go(func() {
					for i := range each {
						r.Record(t.Context(), record(i))
					}
				})
			}
			for r.Written() == 0 {
				time.Sleep(100 * time.Microsecond)
			}
			if err := stop(); err != nil {
				t.Errorf("Run = %v; want nil", err)
			}
			group.Wait()
			r.Close() // again, for nothing
			if got := r.Written() + r.Lost(); got != writers*each || r.Waiting() != 0 || int64(len(l.entries)) != r.Written() {
				t.Errorf("written %d, in the ledger %d, lost %d, waiting %d; want %d together and none waiting",
					r.Written(), len(l.entries), r.Lost(), r.Waiting(), writers*each)
			}
		})
	}
}

func TestRunSaysWhenTheLastRecordsAreLost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &fakeLedger{fault: errors.New("no disk")}
		r, stop := recorder(t, gateway.RecorderOptions{}, l)
		r.Record(t.Context(), record(0))
		if err := stop(); err == nil || !strings.Contains(err.Error(), "1 lost") {
			t.Errorf("Run = %v; want it to say that 1 is lost", err)
		}
	})
}

func TestRecordOfAnExchange(t *testing.T) {
	t.Parallel()
	keys := evidence.NewKeys([]byte("test"))
	l := &fakeLedger{}
	r, stop := recorder(t, gateway.RecorderOptions{}, l)
	rec := record(3)
	rec.PromptMAC, rec.OutputMAC = [16]byte{1}, [16]byte{2}
	x := rec.Exchange
	x.Level, x.Status, x.Adjusted, x.Asked.Stream, x.Usage.Estimated = bartizan.LevelWatch, 200, []string{"n"}, true, true
	x.Disclosure.Values = 40
	want := detect.NewExtractor([]byte("features")).Extract(x)
	r.Record(t.Context(), rec)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	got := l.entries[0]
	sketch := got.Record.Sketch
	got.Record.Sketch = [16]byte{}
	if d := cmp.Diff(evidence.Record{
		Time: x.EndAt, Account: keys.Account("acme"), Key: keys.Key("k1"), Route: 1, TokensIn: 4, TokensOut: 2, Status: 200,
		Decision: evidence.DecisionAllow, Level: 1, Duration: 3 * time.Second, PromptMAC: [16]byte{1}, OutputMAC: [16]byte{2}, Disclosed: 40,
		Flags: evidence.FlagStreamed | evidence.FlagCoarsened | evidence.FlagUsageEstimated,
	}, got.Record); d != "" {
		t.Errorf("record (-want +got):\n%s", d)
	}
	if sketch == [16]byte{} {
		t.Error("the record has no sketch of the prompt")
	}
	features, err := detect.DecodeFeatures(got.Features)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, features); d != "" {
		t.Errorf("features (-want +got):\n%s", d)
	}
	if x.Text != nil {
		t.Error("the text outlived its features")
	}
}

// A broken extractor costs the features, not the record.
func TestBrokenExtractor(t *testing.T) {
	t.Parallel()
	l := &fakeLedger{}
	r := gateway.NewRecorder(gateway.RecorderOptions{}, l, nil, evidence.NewKeys(nil), slog.New(slog.DiscardHandler))
	r.Record(t.Context(), record(0))
	r.Close()
	if err := r.Run(); err != nil {
		t.Fatal(err)
	}
	if len(l.entries) != 1 || len(l.entries[0].Features) != 0 || l.entries[0].Record.TokensIn != 1 {
		t.Errorf("entries = %+v; want the record without features", l.entries)
	}
}
