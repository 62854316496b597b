package guard

import "sync"

// bytesPerToken is where an estimate starts before the model has reported usage.
const bytesPerToken = 3.5

// maxModels bounds the estimator: model names come from clients.
const maxModels = 1024

// estimator turns bytes of text into tokens, per model, by the moving average of
// what the upstream reported. It is safe for use by several goroutines.
type estimator struct {
	mu    sync.RWMutex
	ratio map[string]float64
}

// tokens estimates how many tokens textBytes bytes make, rounded up.
func (e *estimator) tokens(model string, textBytes int) int64 {
	if textBytes <= 0 {
		return 0
	}
	e.mu.RLock()
	r, ok := e.ratio[model]
	e.mu.RUnlock()
	if !ok {
		r = bytesPerToken
	}
	return int64(float64(textBytes)/r) + 1
}

// learn moves the model's ratio a tenth of the way to what was observed. Short
// texts and ratios that no tokenizer has (under 1 or over 12 bytes) teach nothing.
func (e *estimator) learn(model string, textBytes int, tokens int64) {
	if tokens < 16 || textBytes <= 0 {
		return
	}
	seen := float64(textBytes) / float64(tokens)
	if seen < 1 || seen > 12 {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ratio == nil {
		e.ratio = make(map[string]float64)
	}
	r, ok := e.ratio[model]
	if !ok {
		if len(e.ratio) >= maxModels {
			return
		}
		r = bytesPerToken
	}
	e.ratio[model] = r + (seen-r)/10
}
