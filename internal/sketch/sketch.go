// Package sketch holds small, mergeable summaries of streams: similarity hashes,
// distinct counts and sets with a fixed size.
package sketch
