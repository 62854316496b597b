package modelserver_test

import (
	"bufio"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"bartizan/internal/modelserver"
)

// TestClientGone hangs up in the middle of a paced answer and waits for the server
// to notice.
func TestClientGone(t *testing.T) {
	t.Parallel()
	done := make(chan struct{})
	server := modelserver.NewServer(model(t), modelserver.Options{TokensPerSecond: 20})
	ts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		server.ServeHTTP(w, r)
		close(done)
	}))
	t.Cleanup(ts.Close)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, ts.URL+"/v1/chat/completions",
		strings.NewReader(`{`+hello+`,"stream":true,"max_tokens":4000,"logit_bias":{"256":-100}}`))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := ts.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := bufio.NewReader(resp.Body).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	left := time.Now()
	cancel()
	<-done
	if took := time.Since(left); took > 2*time.Second {
		t.Errorf("the server went on for %v after the client left", took)
	}
}
