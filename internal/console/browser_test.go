package console_test

import (
	"context"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// A browser signs in by the link that the demo prints, sees the page, and the page
// renews itself; nothing in it breaks the page's own security policy.
func TestBrowserSignsInAndThePageLives(t *testing.T) {
	t.Parallel()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("no chromium on PATH: the page is not tried in a browser")
	}
	base := serve(t, source{})
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true), chromedp.UserDataDir(t.TempDir()))
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), options...)
	defer cancel()
	ctx, cancel = chromedp.NewContext(ctx)
	defer cancel()
	try(ctx, t, chromedp.Steps(chromedp.EmulateViewport(390, 800), chromedp.Navigate(base+"/login#token="+token)))
	ctx, cancel = context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	try(ctx, t, chromedp.WaitVisible("#overview .cases"))
	first := try(ctx, t, chromedp.Text("#overview"))
	address := try(ctx, t, chromedp.Location())
	try(ctx, t, chromedp.Evaluate[string](`document.querySelector("#overview .since").dataset.seen = "yes"`))
	try(ctx, t, chromedp.Poll[bool](`document.querySelector("#overview .since").dataset.seen !== "yes"`))
	second := try(ctx, t, chromedp.Text("#overview"))
	wide := try(ctx, t, chromedp.Evaluate[bool](`document.documentElement.scrollWidth > innerWidth`))
	for name, text := range map[string]string{"first": first, "renewed": second} {
		if !strings.Contains(text, "collector") || !strings.Contains(text, "12\u202f345") {
			t.Errorf("the %s page shows %q; want the account and the count", name, text)
		}
	}
	if strings.Contains(address, token) {
		t.Errorf("the address %q still carries the token", address)
	}
	if wide {
		t.Error("the page is wider than a phone")
	}
}

// try runs an action and returns its value.
func try[T any](ctx context.Context, t *testing.T, action chromedp.Action[T]) T {
	t.Helper()
	value, err := chromedp.Run(ctx, action)
	if err != nil {
		t.Fatal(err)
	}
	return value
}
