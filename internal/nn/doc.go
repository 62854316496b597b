// Package nn trains small neural networks in float32: dense layers, an embedding
// table, softmax cross-entropy and Adam, in plain loops.
//
// A network is a few layers that its owner calls in order, forward and then back.
// There is no graph and no registry: the owner keeps the outputs that the way back
// needs. A batch is one slice, example after example.
//
// Nothing here starts a goroutine, and randomness is an argument: equal calls give
// bit-equal numbers on one architecture. Another may fuse a multiplication with an
// addition and then differ in the last bits. A network in training belongs to one
// goroutine. Forward passes only read, so that many may share a trained one.
//
// Slices whose lengths do not fit are a fault of the caller and are not reported.
package nn
