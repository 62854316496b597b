// Package arch holds the rules of the house and decides whether a source tree keeps
// them: which floor a package stands on, what it may import, what a pure floor may
// not touch, and that every package says what it is for.
//
// [Check] reads the files itself, through an [fs.FS]. The test cache sees only files
// that the test process opens, so a check that asked another program would answer
// from the cache after a rule was broken.
//
// [House] holds the rules of this module; the tests run them over the real tree.
package arch
