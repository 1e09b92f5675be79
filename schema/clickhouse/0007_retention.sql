-- How long a tenant's entries are visible: the latest row of a tenant counts. What has expired under one of them stays expired,
-- whatever is set later: entries received before the greatest gone_before are never shown again, because some of them, and some
-- of their counts, may have been removed. A row of the tenant '' says so of all tenants, from when the tables were made to keep
-- entries for longer.
CREATE TABLE IF NOT EXISTS retention (
  tenant      LowCardinality(String),
  days        UInt16,
  gone_before Date,
  by          String,
  at          DateTime64(6, 'UTC') DEFAULT now64(6)
) ENGINE = MergeTree
ORDER BY (tenant, at)
SETTINGS fsync_after_insert = 1;

-- Automatic cleanups. A row that is not done claims the one of a tenant up to a day, for an hour, for one process: of two inserts
-- under one token the first stays, and its owner is who does it.
CREATE TABLE IF NOT EXISTS cleanups (
  tenant  LowCardinality(String),
  before  Date,                -- what was received before this day has gone
  slot    DateTime('UTC'),     -- the hour of the claim
  owner   UUID,
  done    Bool,
  entries UInt64,
  at      DateTime64(3, 'UTC') DEFAULT now64(3)
) ENGINE = MergeTree
ORDER BY (tenant, before, at)
TTL toDate(at) + INTERVAL 400 DAY
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1;
