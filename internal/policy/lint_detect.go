package policy

import (
	"bartizan/internal/detect"
)

// notActing are the modes of detectors that do not act; nil if all do.
func notActing(c detect.Config) map[string]detect.Mode {
	var out map[string]detect.Mode
	for _, name := range detect.Detectors() {
		if mode := c.Mode(name); mode != detect.ModeAct {
			if out == nil {
				out = map[string]detect.Mode{}
			}
			out[name] = mode
		}
	}
	return out
}

// detectors finds modes under which nothing is found, or nothing follows from it.
func (l *linter) detectors() {
	const path = "detect.detectors."
	modes := notActing(l.spec.Detect)
	diversity := modes[detect.DetectorDiversity]
	support := []detect.Mode{modes[detect.DetectorVolume], modes[detect.DetectorPace]}
	switch {
	case diversity == detect.ModeOff:
		l.remark(Weak, "detector", path+detect.DetectorDiversity, "let it observe at least",
			"nobody is ever found: all evidence begins with prompts of ever new kinds")
		return
	case diversity == detect.ModeObserve:
		l.remark(Weak, "detector", path+detect.DetectorDiversity, "let it act once the record shows that its findings are right",
			"no finding moves a level: all evidence begins with prompts of ever new kinds")
		return
	case support[0] != "" && support[1] != "":
		l.remark(Weak, "detector", path+detect.DetectorVolume, "let volume or pace act",
			"no alarm moves a level, because it takes the evidence of volume or pace: accounts are watched at most")
		return
	}
	for _, name := range detect.Detectors() {
		if mode, ok := modes[name]; ok {
			l.remark(Notable, "detector", path+name, "let it act once the record shows that its findings are right",
				"its mode is %s: its evidence moves no level", mode)
		}
	}
}
