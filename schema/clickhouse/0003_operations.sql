-- Records and entries that could not be stored, by where they lie in Kafka: a replay writes the same key again.
CREATE TABLE IF NOT EXISTS dead_letters (
  kpart  UInt16,
  koff   UInt64,
  kidx   UInt16, -- of the entry within its record
  at     DateTime64(3, 'UTC'),
  reason String,
  value  String CODEC(ZSTD(1)) -- the record as it was
) ENGINE = ReplacingMergeTree
ORDER BY (kpart, koff, kidx)
TTL toDate(at) + INTERVAL 46 DAY
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1;

-- What was erased, by whom, up to which position.
CREATE TABLE IF NOT EXISTS erasures (
  id       UUID,
  tenant   LowCardinality(String),
  at       DateTime64(3, 'UTC'),
  by       String,
  what     String,
  position String,
  entries  UInt64
) ENGINE = MergeTree
ORDER BY (tenant, at, id)
SETTINGS fsync_after_insert = 1;

-- Secrets that every replica of a service must share, made once: the oldest row of a name counts.
CREATE TABLE IF NOT EXISTS secrets (
  name       LowCardinality(String),
  value      String,
  created_at DateTime64(6, 'UTC') DEFAULT now64(6)
) ENGINE = MergeTree
ORDER BY (name, created_at, value)
SETTINGS fsync_after_insert = 1;
