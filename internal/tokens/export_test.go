package tokens

// Pieces returns what text is cut into before tokens are merged.
func (c *Counter) Pieces(text string) []string {
	var all []string
	for text != "" {
		end := c.vocabulary.split(text)
		all = append(all, text[:end])
		text = text[end:]
	}
	return all
}
