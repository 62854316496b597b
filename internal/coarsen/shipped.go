package coarsen

// Shipped returns the profile of that name: public, standard, trusted or partner,
// from strictest to widest.
func Shipped(name string) (Profile, bool) {
	switch name {
	case "public":
		return Profile{Name: name, NMax: 1}, true
	case "standard":
		return Profile{
			Name:           name,
			Logprobs:       Logprobs{Allow: true, TopK: 0, Step: 0.25, Floor: 1e-2, NaturalRank: 20},
			LogitBias:      LogitBias{Entries: 32, Limit: 10},
			Embeddings:     Embeddings{Grid: GridDecimals, Decimals: 3, Dimensions: true},
			NMax:           4,
			UnknownRequest: UnknownDrop,
		}, true
	case "trusted":
		return Profile{
			Name:           name,
			Logprobs:       Logprobs{Allow: true, TopK: 5, Step: 0.1, Floor: 1e-3, NaturalRank: 20},
			LogitBias:      LogitBias{Entries: 300, Limit: 100},
			UsageDetail:    true,
			Embeddings:     Embeddings{Grid: GridFloat16, Dimensions: true},
			NMax:           8,
			Seed:           true,
			Prediction:     true,
			UnknownRequest: UnknownDrop,
		}, true
	case "partner":
		return Profile{
			Name:           name,
			Logprobs:       Logprobs{Allow: true, TopK: 20, Step: 0.01, Floor: 1e-4, NaturalRank: 20},
			ForcedTokens:   ForcedXor,
			LogitBias:      LogitBias{Entries: 1024, Limit: 100},
			TokenIDs:       true,
			Fingerprint:    true,
			Timings:        true,
			UsageDetail:    true,
			Reasoning:      true,
			Scores:         true,
			Embeddings:     Embeddings{Grid: GridFull, Dimensions: true},
			NMax:           16,
			Seed:           true,
			Prediction:     true,
			Privileged:     true,
			UnknownRequest: UnknownDrop,
			PassUnknown:    true,
			PassUnread:     true,
		}, true
	default:
		return Profile{}, false
	}
}
