-- The words of a text where ClickHouse does not see them itself: hasToken splits at ASCII signs only, lower makes only A to Z
-- small, and the details have their JSON escapes. Package schema/words says what the words are. The column is empty where
-- lower(concat(detail, ' ', details)) has the same words, as nearly every text has; otherwise it is the words, joined by spaces.
-- The default is for rows that the consumer did not fill: those of older versions. A character that no word has says that the
-- row's text must still be looked at.
ALTER TABLE activity ADD COLUMN IF NOT EXISTS folded String
  DEFAULT if(isValidASCII(detail) AND isValidASCII(details) AND position(details, '\\') = 0, '', '\xEE\x80\x80') AFTER details;
-- One index for both, so that one look at it finds a word wherever it stands; and with it the rows that must be looked at.
ALTER TABLE activity DROP INDEX IF EXISTS by_word;
ALTER TABLE activity ADD INDEX IF NOT EXISTS by_words lower(concat(detail, ' ', details, ' ', folded)) TYPE tokenbf_v1(16384, 3, 0) GRANULARITY 1;
ALTER TABLE activity MATERIALIZE INDEX by_words SETTINGS mutations_sync = 0;
-- What is to be written into folded, by the entry's offset and index in one number: a statement's parameters hold too little.
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
