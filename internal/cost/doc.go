// Package cost works out the attacker's bill: the days and dollars that it takes to
// collect N answers, or enough numbers for a known attack, under a set of limits.
//
// [Collect] bills answers, [Reach] bills numeric values, [NewTable] bills a grid of
// tiers, accounts and answers, and [Compare] says what a change of limits does.
//
// # The attacker
//
// The attacker is as good as the limits let anybody be. All answers cost the same;
// every account asks for the next one at the very moment at which all limits allow it,
// day and night, and is never noticed, throttled further or suspended. Collection
// starts at the best moment, when every window has just begun. A bill is therefore a
// lower bound: what detection adds comes on top.
//
// # Time
//
// A limit per minute is a bucket: it holds Burst at first and refills steadily. Hours,
// days and months are calendar windows in UTC: each brings its whole amount when it
// begins, and what is left of it is lost when it ends. Collection starts at midnight on
// 1 January 2001, the first day of a Gregorian cycle of 400 years, so that a bill does
// not depend on the day on which it is written.
//
// Limits work together: one request a minute under 10,000 a day is 1,440 a day. The
// number of answers that all limits have allowed by time t is the shortest path from 0
// to t, where a window costs its amount and a bucket costs Burst plus what it refills
// (the system of difference constraints of network calculus: Le Boudec and Thiran 2001,
// chapter 1). Windows are nested and repeat, so it is enough to look at the boundaries of
// months, then of the days of the last month, then of the hours of the last day.
//
// # Precision
//
// The arithmetic is in float64, which cannot overflow here. Times are those of the exact
// schedule while amounts times minutes stay under 2^53, which is every realistic input;
// beyond that they are right to about 15 digits. Three simplifications, all in favour of
// the attacker: limits of different scopes are added up over all accounts as if these
// shared the work in fractions of an answer; the values of an answer may be spread over
// the windows of a budget; and a collection of more than 400 years takes the time of its
// slowest limit alone.
package cost
