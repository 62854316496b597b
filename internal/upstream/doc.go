// Package upstream carries requests to the model servers and their answers back,
// and keeps either side's secrets from the other.
//
// Of a client's headers only a short list travels on; its credentials, in a header
// or in the query, never do, and the upstream's own key takes their place. Of an
// answer's headers [ClientHeader] passes a shorter list still, because servers name
// their engine, version and load in many.
//
// A request goes out at most once: only a failed attempt to connect is repeated, and
// a request that an idle connection turned out to be too dead to take. The context
// ends everything at once, and [Decode] undoes encodings that were not asked for,
// within bounds.
//
// The package speaks HTTP/1.1, follows no redirects and uses no proxy of the
// environment.
package upstream
