// Package ledger holds the durable record: every finished exchange, appended to the
// segment files of its node, in the format of package evidence.
//
// One writer owns a folder. What [Ledger.Append] has acknowledged is on disk, survives
// the end of the process at any moment, and is never changed again. Readers in the
// same process follow the writer with a [Tail]; other processes read beside it with
// [Scan] and [Verify]. The segments are also the outbox of the bus: nothing that was
// acknowledged needs to be kept anywhere else.
package ledger
