package gateway

import (
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"runtime/debug"

	"bartizan"
	"bartizan/internal/detect"
	"bartizan/internal/evidence"
	"bartizan/internal/ledger"
	"bartizan/internal/wire"
)

// Record is a finished exchange on its way to the ledger, with the hashes that
// needed its whole text.
type Record struct {
	Exchange  *bartizan.Exchange
	ID        [16]byte
	PromptMAC [16]byte
	OutputMAC [16]byte
}

// entry turns an exchange into its durable form: a compact record and features. The
// text is gone afterwards.
func (r *Recorder) entry(rec *Record) ledger.Entry {
	x := rec.Exchange
	encoded, likeness := r.extract(x)
	x.Text = nil
	return ledger.Entry{
		ExchangeID: rec.ID,
		Features:   encoded,
		Record: evidence.Record{
			Time:      x.EndAt,
			Account:   r.keys.Account(x.Account),
			Key:       r.keys.Key(x.Key),
			Route:     r.routes[x.Route],
			TokensIn:  count32(x.Usage.InputTokens),
			TokensOut: count32(x.Usage.OutputTokens),
			Status:    uint16(min(max(x.Status, 0), 999)),
			Decision:  decisionCode(x.Decision.Action),
			Level:     uint8(x.Level),
			Flags:     flags(x),
			Duration:  x.Duration(),
			PromptMAC: rec.PromptMAC,
			OutputMAC: rec.OutputMAC,
			Sketch:    likeness,
			Disclosed: count32(x.Disclosure.Values),
		},
	}
}

// extract returns the encoded features and the sketch of an exchange. When the
// extractor breaks, the record has none: it is better than no record.
func (r *Recorder) extract(x *bartizan.Exchange) (encoded []byte, likeness [16]byte) {
	defer func() {
		if v := recover(); v != nil {
			encoded = nil
			r.log.LogAttrs(context.Background(), slog.LevelError, "panic in feature extraction",
				slog.String("exchange", x.ID), slog.String("type", fmt.Sprintf("%T", v)), slog.String("stack", string(debug.Stack())))
		}
	}()
	f := r.extractor.Extract(x)
	start := len(r.features)
	all, err := f.AppendBinary(r.features)
	if err != nil {
		r.log.LogAttrs(context.Background(), slog.LevelError, "encode features",
			slog.String("exchange", x.ID), slog.Any("error", err))
		return nil, sketch(f)
	}
	r.features = all
	return all[start:len(all):len(all)], sketch(f)
}

// sketch is what a record keeps of a prompt's likeness to others: the keyed SimHash
// of its skeleton and four bins of its keyed MinHash.
func sketch(f *detect.Features) (out [16]byte) {
	binary.LittleEndian.PutUint64(out[:], f.Skeleton)
	for i := range 4 {
		binary.LittleEndian.PutUint16(out[8+2*i:], f.Shingles[i])
	}
	return out
}

// routeNumbers numbers the routes in the order of their table, from 1; 0 is a
// request that found no route.
func routeNumbers() map[string]uint16 {
	numbers := make(map[string]uint16)
	for i, route := range wire.Routes() {
		numbers[route.Name] = uint16(i + 1)
	}
	return numbers
}

func decisionCode(a bartizan.Action) uint8 {
	switch a {
	case bartizan.ActionThrottle:
		return evidence.DecisionThrottle
	case bartizan.ActionHold:
		return evidence.DecisionHold
	case bartizan.ActionDeny:
		return evidence.DecisionDeny
	case bartizan.ActionAllow:
		return evidence.DecisionAllow
	default:
		return evidence.DecisionAllow
	}
}

func flags(x *bartizan.Exchange) evidence.Flags {
	var f evidence.Flags
	if x.Asked.Stream {
		f |= evidence.FlagStreamed
	}
	if x.Outcome == bartizan.OutcomeAborted {
		f |= evidence.FlagAborted
	}
	if len(x.Adjusted) > 0 {
		f |= evidence.FlagCoarsened
	}
	if x.Usage.Estimated {
		f |= evidence.FlagUsageEstimated
	}
	return f
}

func count32(n int64) uint32 { return uint32(min(max(n, 0), 1<<32-1)) }
