-- What is remembered of accounts beyond a case: traffic that a person called honest, usage
-- by key and model, networks, and which terms were accepted.
--
-- What each new table may hold for how long:
--   benign_periods    one row for each clearing, for as long as the account
--   usage_parts       62 days: this month and all of the one before
--   account_networks  31 days, at most 8 rows for an account and day
--   acceptances       for as long as the account

-- +goose Up

-- Rows are added; the only later change is that one is withdrawn. No reference to cases:
-- an old case goes, what was learnt from it stays.
CREATE TABLE benign_periods (
    case_id      TEXT    NOT NULL,
    number       INTEGER NOT NULL,
    account      TEXT    NOT NULL REFERENCES accounts (id),
    from_at      BIGINT  NOT NULL,
    to_at        BIGINT  NOT NULL,
    cleared_by   TEXT    NOT NULL,
    cleared_at   BIGINT  NOT NULL,
    withdrawn_by TEXT    NOT NULL,
    withdrawn_at BIGINT  NOT NULL, -- 0 while it is in force
    PRIMARY KEY (case_id, number)
);
CREATE INDEX benign_periods_live ON benign_periods (account) WHERE withdrawn_at = 0;

-- No reference to accounts: usage may be told of accounts that are gone.
CREATE TABLE usage_parts (
    account        TEXT   NOT NULL,
    kind           TEXT   NOT NULL, -- key or model
    name           TEXT   NOT NULL, -- the key's id, or the pattern of the policy
    day            BIGINT NOT NULL, -- its midnight
    requests       BIGINT NOT NULL,
    input_tokens   BIGINT NOT NULL,
    output_tokens  BIGINT NOT NULL,
    cost_microusd  BIGINT NOT NULL,
    numeric_values BIGINT NOT NULL,
    prompts        BIGINT NOT NULL,
    hour_at        BIGINT NOT NULL, -- the last hour of the day in which it was used
    in_hour        TEXT   NOT NULL, -- JSON: what of it was in that hour
    PRIMARY KEY (account, kind, name, day)
);
CREATE INDEX usage_parts_day ON usage_parts (day, account, kind, name);

-- From which networks an account was seen. A network is a keyed hash, never an address.
CREATE TABLE account_networks (
    account TEXT   NOT NULL,
    day     BIGINT NOT NULL,
    network BLOB   NOT NULL,
    PRIMARY KEY (account, day, network)
);
CREATE INDEX account_networks_network ON account_networks (network, account, day);
CREATE INDEX account_networks_day ON account_networks (day);
CREATE INDEX accounts_organisation ON accounts (organisation);

-- Rows are added and never changed.
CREATE TABLE acceptances (
    account     TEXT    NOT NULL REFERENCES accounts (id),
    number      INTEGER NOT NULL,
    document    TEXT    NOT NULL,
    version     TEXT    NOT NULL,
    accepted_at BIGINT  NOT NULL,
    recorded_at BIGINT  NOT NULL,
    recorded_by TEXT    NOT NULL,
    method      TEXT    NOT NULL,
    PRIMARY KEY (account, number)
);
CREATE UNIQUE INDEX acceptances_once ON acceptances (account, document, version, accepted_at, method);
