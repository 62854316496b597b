package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// version is set when a release is built.
var version = "dev"

type versionCmd struct{}

// Run prints the version.
func (*versionCmd) Run(a *app) error {
	commit := ""
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				commit = s.Value
			}
		}
	}
	if a.Format == formatJSON {
		return a.printJSON(struct {
			Schema  string `json:"schema"`
			Version string `json:"version"`
			Commit  string `json:"commit,omitempty"`
			Go      string `json:"go"`
		}{"bartizan.version/1", version, commit, runtime.Version()})
	}
	fmt.Fprintf(a.out, "bartizan %s %s %s/%s\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return nil
}
