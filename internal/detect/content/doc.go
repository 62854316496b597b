// Package content decides how much a prompt reads like the prompts of collectors.
//
// A [Model] is a hashed logistic scorer: a weight of one byte for each bin of word
// grams, one scale for all. [Train] makes one from prompts of collectors and of
// customers and refuses models that have learnt a file and not a habit. A [Scorer]
// applies a model to a text. The score alone leaves it; the grams are not keyed,
// since the weights are public.
//
// The shipped model ([Shipped]) comes from two lists of instructions and four kinds of
// honest use, because no other material may be shipped. It knows little of other
// collectors, so its evidence alone is never an alarm.
package content
