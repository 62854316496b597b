// Package evidence decides how a finished exchange becomes a record that a stranger
// can check: the bytes of segment files, the Merkle root over each of them, and the
// keyed hashes that stand in records in place of names and texts.
//
// A segment is a header, frames and a footer, little-endian throughout. Every frame
// takes one sequence number. The CRC of a frame finds torn writes; the root finds
// tampering, and since the header holds the root of the segment before, a root vouches
// for all segments up to its own. Somebody who owns the disk can still rewrite every
// segment and every root: only a root that was published elsewhere prevents that.
//
// The package touches no file. [SegmentReader] reads hostile input with bounded memory.
package evidence
