-- The words of a text where ClickHouse cannot see them: hasToken splits only at ASCII separators, lower() changes only A to Z,
-- and details are JSON with escapes. Package schema/words defines what a word is. The column is empty where
-- lower(concat(detail, ' ', details)) has the same words, which is nearly always. Otherwise it holds the words, joined by spaces,
-- in at least 4 bytes. The default is for rows that a consumer of an older version wrote: a character of 3 bytes that occurs in
-- no word marks those that still have to be folded.
ALTER TABLE activity ADD COLUMN IF NOT EXISTS folded String
  DEFAULT if(isValidASCII(detail) AND isValidASCII(details) AND position(details, '\\') = 0, '', '\xEE\x80\x80') AFTER details;
-- One index finds a word wherever it is, and the rows that still have to be folded. The length, not a comparison with the values,
-- because the index must not have the unfolded words of a folded row: they would fill its filters for nothing.
ALTER TABLE activity DROP INDEX IF EXISTS by_word;
ALTER TABLE activity ADD INDEX IF NOT EXISTS by_words
  if(length(folded) > 3, folded, lower(concat(detail, ' ', details, ' ', folded))) TYPE tokenbf_v1(16384, 3, 0) GRANULARITY 1;
ALTER TABLE activity MATERIALIZE INDEX by_words SETTINGS mutations_sync = 0;
-- The values that a batch of rows is about to get in the column folded; parameters of a statement would be too small for them.
-- place is the entry's offset and index in Kafka in one number.
CREATE TABLE IF NOT EXISTS folding (
  batch  UUID,
  place  UInt64,
  folded String,
  at     DateTime DEFAULT now()
) ENGINE = MergeTree
PARTITION BY toDate(at)
ORDER BY (batch, place)
TTL at + INTERVAL 1 DAY
SETTINGS ttl_only_drop_parts = 1;
