package arch

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// ErrNoLicence says that a module has no licence file that is known.
var ErrNoLicence = errors.New("no known licence")

// Licence names the licences in the files LICENSE, LICENCE or COPYING at the root of
// a module, or LICENSE-MIT and the like, as an SPDX expression. A module without such a file, with a text that is
// not known, or with one of the GNU licences, is [ErrNoLicence].
func Licence(module fs.FS) (string, error) {
	entries, err := fs.ReadDir(module, ".")
	if err != nil {
		return "", fmt.Errorf("list module: %w", err)
	}
	var found []string
	for _, entry := range entries {
		if entry.IsDir() || !isLicenceFile(entry.Name()) {
			continue
		}
		text, err := fs.ReadFile(module, entry.Name())
		if err != nil {
			return "", fmt.Errorf("read licence: %w", err)
		}
		names := identify(string(text))
		if len(names) == 0 {
			return "", fmt.Errorf("%w: %s has an unknown text", ErrNoLicence, entry.Name())
		}
		found = append(found, names...)
	}
	if len(found) == 0 {
		return "", fmt.Errorf("%w: no LICENSE or COPYING file", ErrNoLicence)
	}
	slices.Sort(found)
	return strings.Join(slices.Compact(found), " AND "), nil
}

func isLicenceFile(name string) bool {
	base := strings.ToUpper(strings.TrimSuffix(name, path.Ext(name)))
	if of, which, split := strings.Cut(base, "-"); split && (which == "MIT" || which == "BSD" || which == "APACHE") {
		base = of // a file for each licence that may be chosen
	}
	switch strings.ToLower(path.Ext(name)) {
	case "", ".txt", ".md":
		return base == "LICENSE" || base == "LICENCE" || base == "COPYING"
	default:
		return false
	}
}

// identify looks for the sentence that makes each licence what it is. One file may
// carry several licences.
func identify(text string) []string {
	words := strings.Join(strings.Fields(text), " ")
	has := func(phrase string) bool { return strings.Contains(words, phrase) }
	if has("Mozilla Public License Version 2.0") || has("Mozilla Public License, version 2.0") {
		return []string{"MPL-2.0"}
	}
	if has("GNU GENERAL PUBLIC LICENSE") || has("GNU AFFERO") || has("GNU LESSER") {
		return nil
	}
	var names []string
	if has("Apache License") && has("Version 2.0") {
		names = append(names, "Apache-2.0")
	}
	if has("Permission is hereby granted, free of charge, to any person obtaining a copy") {
		names = append(names, "MIT")
	}
	if has("Redistribution and use in source and binary forms") {
		if has("may be used to endorse or promote") {
			names = append(names, "BSD-3-Clause")
		} else {
			names = append(names, "BSD-2-Clause")
		}
	}
	if has("Permission to use, copy, modify, and/or distribute this software for any purpose") ||
		has("Permission to use, copy, modify, and distribute this software for any purpose") {
		names = append(names, "ISC")
	}
	return names
}
