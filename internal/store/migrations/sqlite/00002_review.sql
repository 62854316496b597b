-- The review: the log of each case, wishes for higher limits and what was granted, ends
-- that are kept by the program, levels that go down by themselves, and usage per day.
--
-- What each new table may hold for how long:
--   case_events     with their case
--   grants          with their case
--   usage_days      400 days, so that a year can be compared with the one before

-- +goose Up

-- Who set a level: "finding" or "person". A level of which nobody knows that counts as
-- set by a person: it does not go down by itself.
ALTER TABLE accounts ADD COLUMN level_by TEXT NOT NULL DEFAULT 'person';
ALTER TABLE level_changes ADD COLUMN set_by TEXT NOT NULL DEFAULT 'person';
UPDATE level_changes SET set_by = 'finding'
    WHERE EXISTS (SELECT 1 FROM findings f JOIN cases c ON c.id = f.case_id
                  WHERE c.account = level_changes.account AND level_changes.reason LIKE 'finding ' || f.id || ': %');
-- A ruling of before that found the level in place left no trace in the level.
UPDATE accounts SET level_by = 'finding'
    WHERE EXISTS (SELECT 1 FROM level_changes c
                  WHERE c.account = accounts.id AND c.version = accounts.level_version AND c.set_by = 'finding'
                    AND NOT EXISTS (SELECT 1 FROM cases k WHERE k.account = accounts.id
                                    AND k.status = 'closed' AND k.decided_at >= c.changed_at));
UPDATE level_changes SET set_by = 'person'
    WHERE EXISTS (SELECT 1 FROM accounts a
                  WHERE a.id = level_changes.account AND a.level_version = level_changes.version AND a.level_by = 'person');
-- The levels that may go down by themselves.
CREATE INDEX accounts_soft ON accounts (id) WHERE level_by = 'finding' AND level > 0;

ALTER TABLE cases ADD COLUMN request TEXT NOT NULL DEFAULT ''; -- JSON of the wish; '' in other kinds
-- The version of the level that the ruling set; 0 for none.
ALTER TABLE cases ADD COLUMN level_version BIGINT NOT NULL DEFAULT 0;
-- When the end of the ruling was carried out; 0 before.
ALTER TABLE cases ADD COLUMN ended_at BIGINT NOT NULL DEFAULT 0;
-- A level is the ruling's own when nothing but the ruling made it.
UPDATE cases SET level_version = COALESCE(
        (SELECT a.level_version FROM accounts a JOIN level_changes c ON c.account = a.id AND c.version = a.level_version
         WHERE a.id = cases.account
           AND c.reason = 'case ' || cases.id || ': ' || cases.ruling || ' by ' || cases.decided_by), 0)
    WHERE status = 'closed';
-- One case of each kind that is not closed for each account, whoever writes.
DROP INDEX cases_open;
CREATE UNIQUE INDEX cases_pending ON cases (account, kind) WHERE status <> 'closed';
CREATE INDEX cases_due ON cases (until_at, id) WHERE status = 'closed' AND until_at > 0 AND ended_at = 0;

CREATE TABLE case_events (
    case_id     TEXT    NOT NULL REFERENCES cases (id),
    number      INTEGER NOT NULL,
    happened_at BIGINT  NOT NULL,
    actor       TEXT    NOT NULL,
    act         TEXT    NOT NULL,
    why         TEXT    NOT NULL,
    ruling      TEXT    NOT NULL,
    bounds      TEXT    NOT NULL, -- JSON list; '' for none
    until_at    BIGINT  NOT NULL,
    seen        TEXT    NOT NULL, -- JSON; '' for none
    PRIMARY KEY (case_id, number)
);
-- What is known of the cases of before.
INSERT INTO case_events (case_id, number, happened_at, actor, act, why, ruling, bounds, until_at, seen)
    SELECT id, 1, opened_at, 'bartizan', 'opened', '', '', '', 0, '' FROM cases;
INSERT INTO case_events (case_id, number, happened_at, actor, act, why, ruling, bounds, until_at, seen)
    SELECT id, 2, decided_at, decided_by, 'decided',
           COALESCE((SELECT MAX(n.body) FROM case_notes n
                     WHERE n.case_id = cases.id AND n.author = cases.decided_by AND n.written_at = cases.decided_at), ''),
           ruling, '', until_at, ''
    FROM cases WHERE status = 'closed';

CREATE TABLE grants (
    id         TEXT   PRIMARY KEY,
    account    TEXT   NOT NULL REFERENCES accounts (id),
    case_id    TEXT   NOT NULL REFERENCES cases (id),
    bounds     TEXT   NOT NULL, -- JSON list
    from_at    BIGINT NOT NULL,
    until_at   BIGINT NOT NULL,
    revoked_at BIGINT NOT NULL,
    ended_at   BIGINT NOT NULL -- when its end was written into the case's log; 0 before
);
CREATE INDEX grants_account ON grants (account, from_at, id);
CREATE INDEX grants_case ON grants (case_id);
-- Those that requests may have to see, and those whose end is still to be written.
CREATE INDEX grants_live ON grants (account) WHERE revoked_at = 0 AND ended_at = 0;
CREATE INDEX grants_due ON grants (until_at, id) WHERE revoked_at = 0 AND ended_at = 0;

-- No reference to accounts: usage may be told of accounts that are gone.
CREATE TABLE usage_days (
    account        TEXT   NOT NULL,
    day            BIGINT NOT NULL, -- its midnight
    requests       BIGINT NOT NULL,
    input_tokens   BIGINT NOT NULL,
    output_tokens  BIGINT NOT NULL,
    cost_microusd  BIGINT NOT NULL,
    numeric_values BIGINT NOT NULL,
    prompts        BIGINT NOT NULL,
    throttled      BIGINT NOT NULL,
    denied         BIGINT NOT NULL,
    shadowed       BIGINT NOT NULL,
    peak_share     TEXT   NOT NULL, -- JSON: the limit's name to the share of it; '' for none
    PRIMARY KEY (account, day)
);
CREATE INDEX usage_days_day ON usage_days (day, account);
