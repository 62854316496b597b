// Package ratelimit decides whether an account may spend what a request asks for,
// and says exactly when it may if not now.
//
// One [State] holds everything that limits an account. [State.Reserve] checks every
// limit of the account's tier and then charges all of them or none, before the
// request goes upstream; [State.Settle] replaces the reserved amounts by the true
// ones when the answer is over. Short windows are GCRA (the generic cell rate
// algorithm), whose whole state is one time; days are calendar counters in UTC;
// concurrency is a gauge.
//
// # Settlement
//
// A charge of GCRA at time a is the function x -> max(x+s, m) on the theoretical
// arrival time, with s the charge in nanoseconds and m = a+s. Such functions
// compose, so the state keeps the functions of open reservations apart and merges
// settled ones around them. Settling puts the true s and m in place of the reserved
// ones, and the result is what it would be had the true cost been known at
// admission. Subtracting the difference from the theoretical arrival time instead
// would hand back credit that time has already restored.
//
// # Limits of the package
//
// At most 256 open reservations of an account are kept apart; beyond that the
// oldest stays charged at its estimate in the short windows, while its days and its
// stream are still settled. Nothing here locks, reads a clock or starts a
// goroutine: a State belongs to one caller at a time.
package ratelimit
