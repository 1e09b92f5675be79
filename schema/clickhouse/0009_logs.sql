-- The logs that the tables were filled from, in turn: the row of the greatest turn is the log that they belong to. Ids of entries
-- and offsets are unique within one log only. The token of a row is its turn, so that of two that are written at once one stays.
CREATE TABLE IF NOT EXISTS logs (
  turn   UInt64,
  log    UUID,
  record String, -- as the topic of the log has it
  at     DateTime64(3, 'UTC') DEFAULT now64(3)
) ENGINE = MergeTree
ORDER BY turn
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1;
