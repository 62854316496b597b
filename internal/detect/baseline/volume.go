package baseline

import (
	"fmt"
	"slices"
	"time"

	"bartizan"
	"bartizan/internal/stat"
)

// windows are the sliding windows of the limit of volume.
func windows() [3]time.Duration {
	return [3]time.Duration{time.Hour, 24 * time.Hour, 30 * 24 * time.Hour}
}

// volumeQuantile is the share of calibration accounts that stay within a limit.
const volumeQuantile = .999

// Volume returns the limit of volume: an account alarms when it sends more in an hour,
// a day or 30 days than 99.9 % of the calibration accounts ever did.
func Volume(calibration []Account) Detector {
	var limits [3]int
	for i, window := range windows() {
		most := make([]float64, 0, len(calibration))
		for _, a := range calibration {
			queue, top := sliding{window: window}, 0
			for _, x := range a {
				top = max(top, queue.add(x.At))
			}
			most = append(most, float64(top))
		}
		slices.Sort(most)
		if len(most) > 0 {
			limits[i] = int(stat.Quantile(most, volumeQuantile))
		}
	}
	return Detector{
		Name:       "volume 99.9 %",
		Calibrated: fmt.Sprintf("limits %d an hour, %d a day, %d in 30 days, from %d accounts", limits[0], limits[1], limits[2], len(calibration)),
		Open:       func(string) Judge { return newVolume(limits) },
	}
}

// DailyVolume returns the limit of volume that alarms above a fixed number in a day.
func DailyVolume(limit int) Detector {
	return Detector{
		Name: fmt.Sprintf("volume %d a day", limit), Calibrated: "a fixed limit",
		Open: func(string) Judge { return newVolume([3]int{never, limit, never}) },
	}
}

const never = 1 << 40

type volume struct {
	limits  [3]int
	queues  [3]sliding
	alarmed bool
}

func newVolume(limits [3]int) *volume {
	v := &volume{limits: limits}
	for i, w := range windows() {
		v.queues[i].window = w
	}
	return v
}

func (v *volume) See(x *bartizan.Exchange) (float64, bartizan.Verdict) {
	for i := range v.queues {
		if v.queues[i].add(x.At) > v.limits[i] {
			v.alarmed = true
		}
	}
	return 0, decide(v.alarmed)
}

// sliding counts what lies in a window that ends now.
type sliding struct {
	window time.Duration
	times  []time.Time
}

// add takes an arrival in and returns the number of those in the window.
func (s *sliding) add(at time.Time) int {
	s.times = append(s.times, at)
	gone := 0
	for gone < len(s.times) && at.Sub(s.times[gone]) >= s.window {
		gone++
	}
	s.times = s.times[gone:]
	return len(s.times)
}
