package evidence_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"bartizan/internal/evidence"
)

// A segment is written frame by frame, closed with its root, and read by a stranger.
func Example() {
	keys := evidence.NewKeys([]byte("a secret of 32 random bytes"))
	opened := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	node, _ := evidence.NodeID("local")
	header := evidence.Header{Node: node, Number: 1, FirstSeq: 1, Opened: opened}

	segment := evidence.NewSegment(header)
	file, _ := header.AppendBinary(nil)
	record := evidence.Record{
		Seq: 1, Time: opened, Account: keys.Account("acme"), Status: 200, Decision: evidence.DecisionAllow,
		PromptMAC: keys.Prompt("acme", "What is a bartizan?"),
	}
	payload, _ := record.AppendBinary(nil)
	file, _ = evidence.AppendFrame(file, evidence.KindRecord, payload)
	segment.Add(evidence.KindRecord, payload)
	footer := segment.Footer(opened.Add(10 * time.Second))
	file, _ = footer.AppendBinary(file)

	reader, err := evidence.NewSegmentReader(bytes.NewReader(file))
	for err == nil {
		var frame evidence.Frame
		if frame, err = reader.Next(); err == nil {
			fmt.Println(frame.Seq, frame.Kind)
		}
	}
	fmt.Println("sound:", errors.Is(err, io.EOF))

	file[200]++
	reader, _ = evidence.NewSegmentReader(bytes.NewReader(file))
	_, err = reader.Next()
	fmt.Println(err)
	// Output:
	// 1 record
	// sound: true
	// at offset 128, sequence number 1: checksum is wrong
}
