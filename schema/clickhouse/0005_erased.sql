-- How many entries a command took, by the day of their receipt: written once, under the command's token, by the consumer that
-- applies it. An erasure is answered with these numbers, which are exact whatever else is erased, written or expires meanwhile.
-- No partitions: a token counts within one, and a replay in another month must find it.
CREATE TABLE IF NOT EXISTS erased (
  command  UUID,
  at       DateTime64(3, 'UTC'), -- when it was noted, by the server's clock: its rows expire by it
  received Date,
  entries  UInt64
) ENGINE = MergeTree
ORDER BY (command, received)
TTL toDate(at) + INTERVAL 46 DAY
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1;
