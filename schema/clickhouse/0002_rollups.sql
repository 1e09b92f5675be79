-- Counts, written by the consumer with each batch and corrected by deletes. SimpleAggregateFunction, because a plain number
-- in an AggregatingMergeTree keeps any one of the values that a merge meets. koff_to says up to which offset of its partition
-- a table has been rolled up; a delete's correction has koff_to 0. For the benchmark's workload (10,000 devices, 50,000 accounts,
-- 30 days) by_kind is 0.15 bytes an entry and by_entity 3.3; both are ordered by what is asked for first, the hours last, so that
-- a count reads one run of rows.
CREATE TABLE IF NOT EXISTS by_kind (
  tenant   LowCardinality(String),
  hour     DateTime('UTC'), -- of the entries' timestamp
  platform LowCardinality(String),
  action   LowCardinality(String),
  received Date,
  kpart    UInt16,
  koff_to  SimpleAggregateFunction(max, UInt64),
  n        SimpleAggregateFunction(sum, Int64)
) ENGINE = AggregatingMergeTree
PARTITION BY toMonday(received)
ORDER BY (tenant, hour, platform, action, received, kpart)
TTL received + INTERVAL 46 DAY
SETTINGS non_replicated_deduplication_window = 100000, ttl_only_drop_parts = 1, auto_statistics_types = '',
         merge_selector_base = 16, -- as in activity
         fsync_after_insert = 1, fsync_part_directory = 1;

-- kind is device, actor (by id), name (by account name, else id) or target (by type). One marker row a batch has the kind ''
-- and the Kafka partition as its entity: it carries koff_to.
CREATE TABLE IF NOT EXISTS by_entity (
  tenant   LowCardinality(String),
  kind     LowCardinality(String),
  entity   String CODEC(ZSTD(1)),
  hour     DateTime('UTC'),
  received Date,
  koff_to  SimpleAggregateFunction(max, UInt64),
  n        SimpleAggregateFunction(sum, Int64)
) ENGINE = AggregatingMergeTree
PARTITION BY toMonday(received)
ORDER BY (tenant, kind, entity, hour, received)
TTL received + INTERVAL 46 DAY
SETTINGS non_replicated_deduplication_window = 100000, ttl_only_drop_parts = 1, auto_statistics_types = '',
         merge_selector_base = 16, -- as in activity
         fsync_after_insert = 1, fsync_part_directory = 1;
