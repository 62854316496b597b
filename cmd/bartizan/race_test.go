//go:build race

package main

// raceEnabled shortens what the race detector would make too long.
const raceEnabled = true
