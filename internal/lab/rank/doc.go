// Package rank attacks the hidden size of a language model through its
// log-probabilities, as a client of the OpenAI-compatible API (Carlini et al. 2024,
// Stealing Part of a Production Language Model, arXiv 2403.06634).
//
// The logits of a model are a linear image of its last hidden state, so that a table
// of them, contexts by tokens, has the rank of that state's width and no more, however
// many tokens the vocabulary has. A client who gets enough log-probabilities of the
// same tokens in enough contexts can count that rank. [Attack] collects them over HTTP
// through whichever channel answers, and [Analyse] counts.
//
// The channels differ in who chooses the tokens. Where the client does (chosen ids, a
// bias on tokens), every cell of the table can be filled, and any width is a matter of
// cost. Where the model does (lists of the most likely tokens, or samples alone), only
// tokens that are likely in many contexts can be compared, and a list of twenty shows
// no width above seventeen or so: what the lists of one API leave of a large model is
// out of this attack's reach. It works on the block of the table that has no hole;
// completing a table with holes would use more of the answers and is not tried.
//
// The attack is for a defender who wants to know what his limits are worth. It speaks
// to loopback addresses only and stops at a number of requests.
package rank
