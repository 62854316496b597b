package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"bartizan/bench/rig"
)

// bench is one run of the program.
type bench struct {
	o         options
	upstream  *rig.Upstream
	dir       string
	moduleDir string
	progress  io.Writer
	rows      []*row
	sent      int // requests that went to bartizan
}

// requests is the fixed number of requests of a mode, without the warm-up.
func (b *bench) requests(mode rig.Mode) int {
	counts := map[rig.Mode]int{
		rig.Small: 10000, rig.Big: 2000, rig.Burst: 800, rig.BurstLogprobs: 300, rig.Paced: 256, rig.PacedLogprobs: 128,
	}
	return max(b.conns(mode), int(float64(counts[mode])*b.o.scale))
}

func (b *bench) conns(mode rig.Mode) int {
	if mode.Gap() > 0 {
		return b.o.pacedConns
	}
	return b.o.conns
}

// rounds runs rounds until enough can be kept in every mode.
func (b *bench) rounds(ctx context.Context) (*result, error) {
	result := b.newResult(ctx)
	for i := range b.o.maxRounds {
		if i >= b.o.rounds && result.fewestKept(b.o) >= b.o.keep {
			break
		}
		fmt.Fprintf(b.progress, "round %d", i+1)
		round, err := b.round(ctx, i)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(b.progress, " load1 %.1f\n", round.Before.Load1)
		result.Rounds = append(result.Rounds, round)
	}
	result.summarise(b.o)
	b.askLedger(ctx, result)
	return result, nil
}

// round measures every mode of every row once. The order of the rows turns with the
// round, so that no row always comes after the same one.
func (b *bench) round(ctx context.Context, number int) (round, error) {
	r := round{Before: rig.ReadPressure()}
	for _, mode := range b.o.modes {
		fmt.Fprintf(b.progress, " %s", mode)
		for i := range b.rows {
			row := b.rows[(i+number)%len(b.rows)]
			if row.absent != "" {
				continue
			}
			cell, err := b.cell(ctx, row, mode)
			if err != nil {
				return r, err
			}
			r.Cells = append(r.Cells, cell)
		}
	}
	if b.o.latency > 0 {
		fmt.Fprint(b.progress, " latency")
		for i := range b.rows {
			row := b.rows[(i+number)%len(b.rows)]
			if row.absent == "" {
				r.Latencies = append(r.Latencies, b.delays(ctx, row))
			}
		}
	}
	return r, ctx.Err()
}

// settleLimit bounds the wait for work that a proxy put off.
const settleLimit = 3 * time.Second

// cell measures one mode of one row: a fixed number of requests in a closed loop.
func (b *bench) cell(ctx context.Context, r *row, mode rig.Mode) (cell, error) {
	n := b.requests(mode)
	load := rig.Load{
		Addr: r.addr, Keys: r.keys, Mode: mode, Requests: max(1, n/5), Conns: b.conns(mode), CheckEvery: 100, Check: r.expected,
	}
	warm := load.Run(ctx)
	if err := b.quiet(ctx, r); err != nil {
		return cell{}, err
	}
	before, err := r.usage()
	if err != nil {
		return cell{}, fmt.Errorf("row %s: %w", r.name, err)
	}
	load.Requests = n
	out := load.Run(ctx)
	if err := b.quiet(ctx, r); err != nil {
		return cell{}, err
	}
	after, err := r.usage()
	if err != nil {
		return cell{}, fmt.Errorf("row %s: %w", r.name, err)
	}
	b.count(r, load.Requests+max(1, n/5))
	c := cell{
		Row: r.name, Mode: mode, Requests: n, Done: out.Done, Events: out.Events, Checked: out.Checked + warm.Checked,
		CPUPerRequest: perRequest(after.CPU-before.CPU, out.Done), Switches: float64(after.Switches-before.Switches) / float64(n),
		PerSecond: float64(out.Done) / out.Wall.Seconds(), RSS: after.RSS, Peak: after.Peak, Statuses: out.Statuses, Faults: out.Faults,
	}
	for fault, times := range warm.Faults {
		c.Faults["warm-up: "+fault] += times
	}
	if out.Events > 0 {
		c.CPUPerEvent = perRequest(after.CPU-before.CPU, out.Events)
	}
	return c, nil
}

func perRequest(used time.Duration, n int) float64 {
	if n == 0 {
		return 0 // nothing was done; the faults say why
	}
	return float64(used) / float64(time.Microsecond) / float64(n)
}

func (b *bench) quiet(ctx context.Context, r *row) error {
	if r.process == nil {
		return ctx.Err()
	}
	if err := r.process.Quiet(ctx, settleLimit); err != nil {
		return fmt.Errorf("row %s: %w", r.name, err)
	}
	return nil
}

// usage is the proxy's, or for the direct row that of client and upstream together.
func (r *row) usage() (rig.Usage, error) {
	if r.process == nil {
		return rig.SelfUsage()
	}
	return r.process.Usage()
}

func (b *bench) count(r *row, requests int) {
	if r.gateway != nil {
		b.sent += requests
	}
}

// delays measures what one client alone waits: small answers in an open loop, then
// the events of a paced stream.
func (b *bench) delays(ctx context.Context, r *row) delays {
	load := rig.Load{
		Addr: r.addr, Keys: r.keys, Mode: rig.Small, Conns: 1, Requests: b.o.latency,
		Every: 3 * time.Millisecond, Times: true, Check: r.expected,
	}
	before := rig.ReadPressure()
	small := load.Run(ctx)
	load.Mode, load.Requests, load.Every = rig.Paced, max(1, b.o.latency/200), 0
	paced := load.Run(ctx)
	b.count(r, b.o.latency+load.Requests)
	answers, events := rig.Microseconds(small.Answers), rig.Microseconds(paced.EventDelays)
	d := delays{Row: r.name, Load1: before.Load1, Answers: len(answers), Events: len(events)}
	if len(answers) > 0 {
		d.AnswerP50, d.AnswerP99 = rig.Median(answers), rig.Quantile(answers, 0.99)
	}
	if len(events) > 0 {
		d.EventP50, d.EventP99 = rig.Median(events), rig.Quantile(events, 0.99)
	}
	return d
}

// askLedger compares the ledger with what was sent: records must not get lost.
func (b *bench) askLedger(ctx context.Context, result *result) {
	for _, r := range b.rows {
		if r.gateway == nil {
			continue
		}
		ledger, err := r.gateway.Ledger(ctx)
		if err != nil {
			result.Notes = append(result.Notes, "ledger: "+err.Error())
			continue
		}
		result.Ledger = &ledgerCount{Sent: b.sent, Records: ledger.Records, Gaps: ledger.Gaps}
	}
}
