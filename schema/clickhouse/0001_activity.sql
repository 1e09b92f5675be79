-- Entries. Exactly once is kept at the insert (deduplication token), so a plain MergeTree is exact without FINAL.
-- Columns have no compression of their own: the server's settings give young parts LZ4 and those beyond 32 MB ZSTD(1), so that
-- what is merged soon is not compressed dearly first (5.3 → 4.1 µs CPU an entry, with the merge selector's base below).
CREATE TABLE IF NOT EXISTS activity (
  tenant      LowCardinality(String),
  timestamp   DateTime64(3, 'UTC') CODEC(Delta(8), Default),
  id          UInt64               CODEC(Delta(8), Default),
  received_at DateTime64(3, 'UTC') CODEC(Delta(8), Default),
  action      LowCardinality(String),
  platform    LowCardinality(String),
  device      String,
  actor_id    String,
  actor_name  String,
  targets     Array(String), -- type NUL id
  request_id  String,
  detail      String,
  details     String,        -- a JSON object, byte for byte as sent; or empty
  extra       String,        -- activity.v1.Extra, packed: what nobody filters by
  kpart       UInt16,                       -- where the entry lies in Kafka: partition, offset, index within the record
  koff        UInt64 CODEC(Delta(8), Default),
  kidx        UInt16 CODEC(Delta(2), Default),
  -- What an index costs, in bytes an entry of the benchmark's workload (24.5 in all once merged, of which 2.5 are indexes; an
  -- index over columns that are empty throughout costs nothing), and what it is for.
  INDEX by_id      id         TYPE minmax             GRANULARITY 1, -- 0.001: one entry by its id
  INDEX by_device  device     TYPE bloom_filter(0.01) GRANULARITY 1, -- 0.29: the entries of a device, within the hours that by_entity names
  INDEX by_actor   actor_id   TYPE bloom_filter(0.01) GRANULARITY 1, -- as by_device, by the id of an actor
  INDEX by_name    actor_name TYPE bloom_filter(0.01) GRANULARITY 1, -- 0.67: as by_device, by the name of an account
  INDEX by_target  targets    TYPE bloom_filter(0.01) GRANULARITY 1, -- as by_device, by target
  INDEX by_request request_id TYPE bloom_filter(0.01) GRANULARITY 1, -- a request id: 13 ms of 2 M entries
  INDEX by_word    lower(concat(detail, ' ', details)) TYPE tokenbf_v1(16384, 3, 0) GRANULARITY 1 -- 1.6: words of the text, 60 ms instead of 430
) ENGINE = MergeTree
-- An insert (one Kafka partition) touches one table partition, so it is one atomic part; merges join parts that follow each
-- other in time; retention drops whole parts. By the client's time a batch could hold 150 months (code 252).
PARTITION BY (toMonday(received_at), kpart)
-- Newest-first lists and keyset pages read in order. The key takes 0.001 bytes an entry in memory.
ORDER BY (tenant, timestamp, id)
TTL toDate(received_at) + INTERVAL 46 DAY
SETTINGS non_replicated_deduplication_window = 100000,
         enable_block_number_column = 1, enable_block_offset_column = 1, -- deletes by patch parts: 15 ms instead of 1.2 s
         ttl_only_drop_parts = 1,
         auto_statistics_types = '', -- column statistics cost 0.65 µs an entry in merges and 57 ms of planning a query
         -- One file a part until it is large: a part of this table is 60 files otherwise, and making and syncing them was a
         -- tenth of an insert (5.5 → 4.7 µs CPU an entry on all parts).
         min_bytes_for_wide_part = 268435456,
         -- Parts below 5 MB count as equally large to the merge selector, so that with its default of 5 a trickle of 20 entries
         -- a second had the whole table rewritten 14 times a second (65 % of a core; 24 % with 16).
         merge_selector_base = 16,
         fsync_after_insert = 1, fsync_part_directory = 1;
