package console

import (
	"context"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics exports the overview's counters under a registry of their own. No metric
// carries an account's name.
func (c *Console) metrics() http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		&exporter{source: c.source})
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
}

// exporter turns an overview into metrics at each scrape.
type exporter struct{ source Source }

// Describe sends nothing: what is exported is made at each scrape.
func (e *exporter) Describe(chan<- *prometheus.Desc) {}

// Collect sends the present values.
func (e *exporter) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	o, err := e.source.Overview(ctx)
	if err != nil {
		out <- prometheus.NewInvalidMetric(prometheus.NewDesc("bartizan_overview_error", "Overview unavailable.", nil, nil), err)
		return
	}
	send := func(kind prometheus.ValueType, name, help string, value float64, labels ...string) {
		keys := make([]string, 0, len(labels)/2)
		values := make([]string, 0, len(labels)/2)
		for i := 0; i+1 < len(labels); i += 2 {
			keys, values = append(keys, labels[i]), append(values, labels[i+1])
		}
		out <- prometheus.MustNewConstMetric(prometheus.NewDesc("bartizan_"+name, help, keys, nil), kind, value, values...)
	}
	requests := "Requests by outcome."
	for outcome, n := range map[string]int64{
		"answered": o.Requests.Answered, "refused": o.Requests.Refused, "failed": o.Requests.Failed,
		"aborted": o.Requests.Aborted, "unauthorized": o.Requests.Unauthorized,
	} {
		send(prometheus.CounterValue, "requests_total", requests, float64(n), "outcome", outcome)
	}
	counter := func(name, help string, n int64) { send(prometheus.CounterValue, name, help, float64(n)) }
	gauge := func(name, help string, n int64) { send(prometheus.GaugeValue, name, help, float64(n)) }
	gauge("requests_in_flight", "Requests now open.", o.Requests.InFlight)
	counter("answers_withheld_total", "Answers that could not be understood and were not passed on.", o.Requests.Withheld)
	counter("exchanges_adjusted_total", "Exchanges in which something was narrowed.", o.Requests.Adjusted)
	counter("stream_events_total", "Stream events passed.", o.Requests.Events)
	counter("panics_total", "Requests that ended in a fault of the program.", o.Requests.Panics)
	counter("records_written_total", "Records that became durable.", o.Records.Written)
	counter("records_lost_total", "Records that were dropped and counted in gaps.", o.Records.Lost)
	gauge("records_waiting", "Records in the queue.", o.Records.Waiting)
	gauge("settle_lag_records", "Records that wait to be judged.", o.Records.Lag)
	counter("records_settled_total", "Records that were judged.", o.Records.Settled)
	counter("findings_total", "Findings made.", o.Records.Findings)
	gauge("drift_prompts", "Prompts of clear accounts that were measured against the calibration.", o.Records.DriftPrompts)
	gauge("drift_low_prompts", "Of them, those in the lowest tenth of every known kind of customer; one in ten is no drift.", o.Records.DriftLow)
	drifted := int64(0)
	if o.Records.Drifted {
		drifted = 1
	}
	gauge("drifted", "1 when the clear accounts are not what the calibration knows, at a test level of 0.001.", drifted)
	gauge("cases_open", "Cases that wait for a person.", int64(o.OpenCases))
	for level, n := range o.Levels {
		send(prometheus.GaugeValue, "accounts", "Accounts by level.", float64(n), "level", level)
	}
}
