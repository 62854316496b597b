-- The first schema. The numbering and the columns are the same for every engine; only
-- the types of binary columns and floating point numbers differ.
--
-- Times are BIGINT microseconds since 1970 UTC; 0 stands for "not set". Booleans do
-- not occur. A restore of a backup is the way back; there are no down migrations.
--
-- What each table may hold for how long:
--   revision        one row, for ever
--   accounts        one row for each customer, for as long as the customer is one
--   api_keys        good keys: with their account; revoked ones: pruned by age
--   level_changes   pruned by age, but the newest row of each account stays
--   cases           open ones stay; decided ones: pruned by age, with what hangs on them
--   findings        with their case
--   case_notes      with their case
--   partitions      one row for each of the bus's partitions
--   account_states  one row of at most 4 KiB for each account seen; idle ones: pruned by age

-- +goose Up

CREATE TABLE revision (
    id       INTEGER PRIMARY KEY CHECK (id = 1),
    revision BIGINT  NOT NULL
);
INSERT INTO revision (id, revision) VALUES (1, 0);

CREATE TABLE accounts (
    id            TEXT    PRIMARY KEY,
    organisation  TEXT    NOT NULL,
    tier          TEXT    NOT NULL,
    level         INTEGER NOT NULL,
    level_version BIGINT  NOT NULL,
    level_reason  TEXT    NOT NULL,
    created_at    BIGINT  NOT NULL,
    changed       BIGINT  NOT NULL -- the revision of the last change
);
CREATE INDEX accounts_changed ON accounts (changed, id);

CREATE TABLE api_keys (
    id         TEXT   PRIMARY KEY,
    account    TEXT   NOT NULL REFERENCES accounts (id),
    mac        BLOB   NOT NULL, -- HMAC-SHA256 of the key under the installation's secret
    created_at BIGINT NOT NULL,
    revoked_at BIGINT NOT NULL, -- may lie ahead: a rotated key works until then
    changed    BIGINT NOT NULL
);
CREATE INDEX api_keys_account ON api_keys (account, created_at, id);
CREATE INDEX api_keys_changed ON api_keys (changed, id);
CREATE INDEX api_keys_revoked ON api_keys (revoked_at) WHERE revoked_at > 0;

CREATE TABLE cases (
    id         TEXT   PRIMARY KEY,
    kind       TEXT   NOT NULL,
    account    TEXT   NOT NULL REFERENCES accounts (id),
    status     TEXT   NOT NULL,
    verdict    TEXT   NOT NULL,
    opened_at  BIGINT NOT NULL,
    assignee   TEXT   NOT NULL,
    ruling     TEXT   NOT NULL,
    decided_by TEXT   NOT NULL,
    decided_at BIGINT NOT NULL,
    until_at   BIGINT NOT NULL
);
-- One open suspicion for each account, whoever writes.
CREATE UNIQUE INDEX cases_open ON cases (account) WHERE kind = 'suspicion' AND status = 'open';
CREATE INDEX cases_opened ON cases (opened_at, id);
CREATE INDEX cases_account ON cases (account, opened_at, id);
CREATE INDEX cases_decided ON cases (decided_at, id) WHERE status = 'closed';

CREATE TABLE findings (
    id       TEXT   PRIMARY KEY, -- a hash of what was found, so that a replay adds nothing
    case_id  TEXT   NOT NULL REFERENCES cases (id),
    found_at BIGINT NOT NULL,
    body     TEXT   NOT NULL -- bartizan.finding/1
);
CREATE INDEX findings_case ON findings (case_id, found_at, id);

CREATE TABLE case_notes (
    case_id    TEXT    NOT NULL REFERENCES cases (id),
    number     INTEGER NOT NULL,
    written_at BIGINT  NOT NULL,
    author     TEXT    NOT NULL,
    body       TEXT    NOT NULL,
    PRIMARY KEY (case_id, number)
);

CREATE TABLE level_changes (
    account    TEXT    NOT NULL REFERENCES accounts (id),
    version    BIGINT  NOT NULL,
    level      INTEGER NOT NULL,
    reason     TEXT    NOT NULL,
    changed_at BIGINT  NOT NULL,
    PRIMARY KEY (account, version)
);
CREATE INDEX level_changes_age ON level_changes (changed_at);

CREATE TABLE partitions (
    id         INTEGER PRIMARY KEY,
    revision   BIGINT  NOT NULL,
    stream     TEXT    NOT NULL,
    stream_seq BIGINT  NOT NULL,
    cursors    TEXT    NOT NULL -- JSON: node to the last record that the states hold
);

-- No reference to accounts: a replay of old records may name accounts that are gone.
CREATE TABLE account_states (
    account      TEXT    PRIMARY KEY,
    partition_id INTEGER NOT NULL REFERENCES partitions (id),
    state        BLOB    NOT NULL,
    saved_at     BIGINT  NOT NULL
);
CREATE INDEX account_states_partition ON account_states (partition_id, account);
CREATE INDEX account_states_age ON account_states (saved_at);
