package evaluate

import (
	"fmt"
	"runtime"
	"time"

	"bartizan/internal/detect/baseline"
)

// CostRow is what a detector takes, measured on one goroutine with prompts that it has
// not seen before.
type CostRow struct {
	Detector string `json:"detector"`
	// Microseconds is the mean time of an exchange, with reading its text.
	Microseconds float64 `json:"microseconds_per_exchange"`
	// Bytes is what an account holds after Queries exchanges, without shared tables.
	Bytes   int `json:"bytes_per_account"`
	Queries int `json:"queries"`
}

// costQueries is the number of exchanges of an account that costs are measured on.
const costQueries = 300

// costOf measures every detector on accounts of the first attack source.
func costOf(ds []baseline.Detector, sources []Source, o Options) []CostRow {
	var rows []CostRow
	for _, d := range ds {
		judges := make([]baseline.Judge, o.Profile.CostAccounts)
		before := live()
		var took time.Duration
		exchanges := 0
		for i := range judges {
			s := unseen(sources, o.Seed, i)
			if s == nil {
				return nil
			}
			judges[i] = d.Open(s.Account)
			begin := time.Now()
			for _, x := range s.Exchanges {
				judges[i].See(x)
			}
			took += time.Since(begin)
			exchanges += len(s.Exchanges)
		}
		used := max(0, int64(live())-int64(before)) //nolint:gosec // a heap is far smaller
		runtime.KeepAlive(judges)
		rows = append(rows, CostRow{
			Detector: d.Name, Queries: costQueries, Bytes: int(used) / max(1, len(judges)),
			Microseconds: float64(took.Microseconds()) / float64(max(1, exchanges)),
		})
	}
	return rows
}

// live is the size of what is alive.
func live() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// unseen is a collector whose prompts stand in no source, since each begins with a
// number.
func unseen(sources []Source, seed uint64, i int) *Stream {
	c := clockOf(sources, true)
	for _, s := range sources {
		if s.Role != RoleAttack || len(s.Judge) < costQueries {
			continue
		}
		sc := Scenario{Family: s.Name, Phase: PhaseInstructions, Mix: 1, Pace: PaceHuman, Accounts: 1}
		st := deal(sources, true, seeded(seed, fmt.Sprintf("cost %d", i))).attack(sc, costQueries, nil, c, fmt.Sprintf("cost-%d", i))
		for k, x := range st.Exchanges {
			x.Text.Prompt = fmt.Sprintf("%d %s", k, x.Text.Prompt)
		}
		return st
	}
	return nil
}
