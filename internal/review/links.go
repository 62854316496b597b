package review

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"bartizan"
)

const (
	// linkDays is how many days of networks a sheet looks at, today included.
	linkDays = 30
	// linksShown is how many linked accounts a sheet lists.
	linksShown = 20
)

// SheetTerms is what the account has accepted.
type SheetTerms struct {
	// Status says it in a few words; "none recorded" does not say that none was accepted.
	Status string `json:"status"`
	// Accepted is the latest acceptance of each document, in the order of time.
	Accepted []bartizan.Acceptance `json:"accepted"`
}

// SheetLinks are accounts that may belong together with the account: those of its
// organisation, and those that came from a network of it within thirty days. A network
// of more than fifty accounts does not count, and of each account and day the first eight
// are known. A link is a hint and no evidence: people share offices.
type SheetLinks struct {
	// Status says it in a few words.
	Status string `json:"status"`
	// Accounts are those linked most closely; Total is how many there are.
	Accounts []SheetLink `json:"accounts"`
	Total    int         `json:"total"`
}

// SheetLink is a linked account and why it is one.
type SheetLink struct {
	Account string         `json:"account"`
	Level   bartizan.Level `json:"level"`
	Reasons []string       `json:"reasons"`
}

func (s *Sheet) addTerms(ctx context.Context, from SheetStore) error {
	list, err := from.Acceptances(ctx, s.Account)
	if err != nil {
		return err //nolint:wrapcheck // the store names the act
	}
	latest := []bartizan.Acceptance{}
	for _, a := range list { // in the order of time
		latest = slices.DeleteFunc(latest, func(old bartizan.Acceptance) bool { return old.Document == a.Document })
		latest = append(latest, a)
	}
	s.Terms = SheetTerms{Status: "none recorded", Accepted: latest}
	if len(latest) > 0 {
		words := make([]string, len(latest))
		for i, a := range latest {
			words[i] = fmt.Sprintf("%s %s, accepted %s", a.Document, a.Version, a.AcceptedAt.Format(time.DateOnly))
		}
		s.Terms.Status = strings.Join(words, "; ")
	}
	return nil
}

func (s *Sheet) addLinks(ctx context.Context, from SheetStore) error {
	since := s.At.Truncate(24*time.Hour).AddDate(0, 0, 1-linkDays)
	list, total, err := from.Links(ctx, s.Account, since, linksShown)
	if err != nil {
		return err //nolint:wrapcheck // the store names the act
	}
	s.Links = SheetLinks{Status: "none found", Accounts: []SheetLink{}, Total: total}
	if total > 0 {
		s.Links.Status = count(total, "account")
	}
	for _, l := range list {
		link := SheetLink{Account: l.Account, Level: l.Level}
		if l.Organisation {
			link.Reasons = append(link.Reasons, "same organisation")
		}
		if l.Days > 0 {
			link.Reasons = append(link.Reasons, fmt.Sprintf("same network on %s, shared with %s", count(l.Days, "day"), count(l.Others, "account")))
		}
		s.Links.Accounts = append(s.Links.Accounts, link)
	}
	return nil
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
