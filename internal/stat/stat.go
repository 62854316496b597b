// Package stat holds the exact statistics that verdicts rest on: conformal p-values,
// e-values and their combination, exact tail bounds.
package stat
