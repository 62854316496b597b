package coarsen

// Shipped returns the profile of that name: public, standard, trusted or partner,
// from strictest to widest.
func Shipped(name string) (Profile, bool) {
	switch name {
	case "public":
		return Profile{Name: name, NMax: 1, Prompts: 1, Inputs: 16}, true
	case "standard":
		return Profile{
			Name:           name,
			Logprobs:       Logprobs{Allow: true, TopK: 0, Step: 0.25, Floor: 1e-2, NaturalRank: 20},
			LogitBias:      LogitBias{Entries: 32, Limit: 10},
			Embeddings:     Embeddings{Grid: GridDecimals, Decimals: 3, Dimensions: true},
			Fingerprint:    FingerprintHMAC,
			Reasoning:      ReasoningSummary,
			Scores:         Scores{Mode: ScoresBucket, Edges: DefaultEdges()},
			NMax:           4,
			Prompts:        16,
			Inputs:         256,
			UnknownRequest: UnknownDrop,
		}, true
	case "trusted":
		return Profile{
			Name:           name,
			Logprobs:       Logprobs{Allow: true, TopK: 5, Step: 0.1, Floor: 1e-3, NaturalRank: 20},
			LogitBias:      LogitBias{Entries: 300, Limit: 100},
			Fingerprint:    FingerprintHMAC,
			Timings:        TimingsRound,
			UsageDetail:    true,
			Reasoning:      ReasoningSummary,
			Scores:         Scores{Mode: ScoresTopK, TopK: 3, Decimals: 2},
			LinearScores:   Scores{Mode: ScoresBucket, Edges: DefaultEdges()},
			Embeddings:     Embeddings{Grid: GridFloat16, Dimensions: true},
			NMax:           8,
			Prompts:        128,
			Inputs:         2048,
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
			Tokenize:       true,
			Fingerprint:    FingerprintPass,
			Timings:        TimingsPass,
			UsageDetail:    true,
			Reasoning:      ReasoningRaw,
			Scores:         Scores{Mode: ScoresFull, Decimals: 3},
			LinearScores:   Scores{Mode: ScoresFull, Decimals: 1},
			Embeddings:     Embeddings{Grid: GridFull, Dimensions: true},
			NMax:           16,
			Prompts:        2048,
			Inputs:         2048,
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
