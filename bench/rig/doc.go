// Package rig holds what the measuring programs share: an upstream that answers with
// canned bytes, a load client over raw sockets, the CPU time and memory of a process
// tree, a bartizan started for measuring, and the few statistics that reports need.
//
// It exists for timing only. The upstream is no model and the client no user; the
// tests, the demo and the lab use the real model server.
package rig
