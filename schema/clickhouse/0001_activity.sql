-- Entries. Exactly once is kept at the insert (deduplication token), so a plain MergeTree is exact without FINAL.
CREATE TABLE IF NOT EXISTS activity (
  tenant      LowCardinality(String),
  timestamp   DateTime64(3, 'UTC') CODEC(Delta(8), ZSTD(1)),
  id          UInt64               CODEC(Delta(8), ZSTD(1)),
  received_at DateTime64(3, 'UTC') CODEC(Delta(8), ZSTD(1)),
  action      LowCardinality(String),
  platform    LowCardinality(String),
  device      String CODEC(ZSTD(1)),
  actor_id    String CODEC(ZSTD(1)),
  actor_name  String CODEC(ZSTD(1)),
  targets     Array(String) CODEC(ZSTD(1)), -- type NUL id
  request_id  String CODEC(ZSTD(1)),
  detail      String CODEC(ZSTD(1)),
  details     String CODEC(ZSTD(1)),        -- a JSON object, byte for byte as sent; or empty
  extra       String CODEC(ZSTD(1)),        -- activity.v1.Extra, packed: what nobody filters by
  kpart       UInt16,                       -- where the entry lies in Kafka: partition, offset, index within the record
  koff        UInt64 CODEC(Delta(8), ZSTD(1)),
  kidx        UInt16 CODEC(Delta(2), ZSTD(1)),
  INDEX by_id      id         TYPE minmax             GRANULARITY 1,
  INDEX by_device  device     TYPE bloom_filter(0.01) GRANULARITY 1,
  INDEX by_actor   actor_id   TYPE bloom_filter(0.01) GRANULARITY 1,
  INDEX by_name    actor_name TYPE bloom_filter(0.01) GRANULARITY 1,
  INDEX by_target  targets    TYPE bloom_filter(0.01) GRANULARITY 1,
  INDEX by_request request_id TYPE bloom_filter(0.01) GRANULARITY 1,
  INDEX by_word    lower(concat(detail, ' ', details)) TYPE tokenbf_v1(16384, 3, 0) GRANULARITY 1
) ENGINE = MergeTree
-- An insert (one Kafka partition) touches one table partition, so it is one atomic part; merges join parts that follow each
-- other in time; retention drops whole parts. By the client's time a batch could hold 150 months (code 252).
PARTITION BY (toMonday(received_at), kpart)
ORDER BY (tenant, timestamp, id) -- newest-first lists and keyset pages read in order
TTL toDate(received_at) + INTERVAL 46 DAY
SETTINGS non_replicated_deduplication_window = 100000,
         enable_block_number_column = 1, enable_block_offset_column = 1, -- deletes by patch parts: 15 ms instead of 1.2 s
         ttl_only_drop_parts = 1,
         auto_statistics_types = '', -- column statistics cost 0.65 µs an entry in merges and 57 ms of planning a query
         fsync_after_insert = 1, fsync_part_directory = 1;
