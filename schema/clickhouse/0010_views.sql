-- The retention of tenants that have not set their own, as the query service is configured: the latest row counts. The services
-- themselves do not read it; the views below do.
CREATE TABLE IF NOT EXISTS retention_default (
  days UInt16,
  at   DateTime64(6, 'UTC') DEFAULT now64(6)
) ENGINE = MergeTree
ORDER BY at
SETTINGS fsync_after_insert = 1;

-- What people and their tools see of the tables, besides the views.
ALTER TABLE activity
  MODIFY COMMENT 'All stored entries, also expired ones that have not been dropped yet. People read the view entries instead.',
  COMMENT COLUMN IF EXISTS tenant 'Tenant that the entry belongs to',
  COMMENT COLUMN IF EXISTS timestamp 'When it happened, by the client''s clock',
  COMMENT COLUMN IF EXISTS id 'Id of the entry, as the fleet API shows it',
  COMMENT COLUMN IF EXISTS received_at 'When the collector received it',
  COMMENT COLUMN IF EXISTS action 'What happened',
  COMMENT COLUMN IF EXISTS platform 'Platform, such as android or web',
  COMMENT COLUMN IF EXISTS device 'Serial of the device; empty if there is none',
  COMMENT COLUMN IF EXISTS actor_id 'Id of who did it',
  COMMENT COLUMN IF EXISTS actor_name 'Account name of who did it',
  COMMENT COLUMN IF EXISTS actor_kind 'Kind of who did it, such as business',
  COMMENT COLUMN IF EXISTS targets 'What it was done to: type, NUL, id',
  COMMENT COLUMN IF EXISTS request_id 'Id of the request that caused it',
  COMMENT COLUMN IF EXISTS detail 'Text',
  COMMENT COLUMN IF EXISTS details 'JSON object as sent; empty if there is none',
  COMMENT COLUMN IF EXISTS folded 'Words of the text for searches, where they differ from it',
  COMMENT COLUMN IF EXISTS extra 'Further fields, packed; the view entries unpacks them',
  COMMENT COLUMN IF EXISTS kpart 'Kafka partition',
  COMMENT COLUMN IF EXISTS koff 'Offset of the record in its Kafka partition',
  COMMENT COLUMN IF EXISTS kidx 'Index of the entry in its record';
ALTER TABLE by_kind
  MODIFY COMMENT 'Entries by hour, platform and action, as counted so far. People read the view hourly instead.',
  COMMENT COLUMN IF EXISTS tenant 'Tenant',
  COMMENT COLUMN IF EXISTS hour 'Hour of the entries'' timestamp, UTC',
  COMMENT COLUMN IF EXISTS platform 'Platform',
  COMMENT COLUMN IF EXISTS action 'What happened',
  COMMENT COLUMN IF EXISTS received 'Day of receipt, UTC',
  COMMENT COLUMN IF EXISTS kpart 'Kafka partition',
  COMMENT COLUMN IF EXISTS koff_to 'Offset up to which the partition is counted',
  COMMENT COLUMN IF EXISTS n 'Entries; add them up';
ALTER TABLE by_entity
  MODIFY COMMENT 'Entries by hour of each device, actor, account and target type, as counted so far. People read daily_by_device and daily_by_account.',
  COMMENT COLUMN IF EXISTS tenant 'Tenant',
  COMMENT COLUMN IF EXISTS kind 'device, actor (by id), name (account) or target (by type); empty for rows that say how far a partition is counted',
  COMMENT COLUMN IF EXISTS entity 'The device, actor, account or target type',
  COMMENT COLUMN IF EXISTS hour 'Hour of the entries'' timestamp, UTC',
  COMMENT COLUMN IF EXISTS received 'Day of receipt, UTC',
  COMMENT COLUMN IF EXISTS koff_to 'Offset up to which the partition is counted',
  COMMENT COLUMN IF EXISTS n 'Entries; add them up';

-- Views for people and their tools. They run with the rights of who reads them (SQL SECURITY INVOKER): a row policy on the tables
-- then holds in the views, too, and comes before every condition of the reader. With the rights of another user, a reader's own
-- condition could run first, and its errors would tell of rows that the policy hides.
--
-- The rule of the retention is that of package query/visible.
CREATE VIEW IF NOT EXISTS retention_now (
  tenant       String COMMENT 'Tenant; empty for all tenants that have not set their own retention',
  days         UInt16 COMMENT 'For how many days after the day of receipt an entry is visible',
  visible_from Date   COMMENT 'First day of receipt that is visible, UTC'
) SQL SECURITY INVOKER AS
WITH
  toDate(now('UTC')) AS today,
  (SELECT tuple(if(count() = 0, toUInt16(45), argMax(days, at))) FROM retention_default).1 AS usual,
  (SELECT tuple(max(gone_before)) FROM retention WHERE tenant = '').1 AS gone -- 1970-01-01 if there is no such row
SELECT toString(tenant) AS tenant, own AS days, greatest(today - own, own_gone, gone) AS visible_from
FROM (SELECT tenant, argMax(days, at) AS own, max(gone_before) AS own_gone FROM retention WHERE tenant != '' GROUP BY tenant)
UNION ALL
SELECT '' AS tenant, usual AS days, greatest(today - usual, gone) AS visible_from
COMMENT 'Retention of each tenant that has set its own, and, with an empty tenant, of all others';

-- extra is a protobuf message (Extra in schema/activity.proto). Its fields are in the order of their numbers, as its encoder writes
-- them: actor_label (tag 0A), a target_name for each target (1A) or none, ip_address (22), user_agent (2A), layer (32). fields has their
-- texts: the fold takes one after the other off the front. Texts are shorter than 16 KiB, so a length takes one byte or two: bit 15 of
-- the next three bytes says whether it goes on. Aliases of lambdas, or a subquery for each field, would be easier to read, but took
-- ten times as long to plan.
CREATE VIEW IF NOT EXISTS entries (
  tenant       LowCardinality(String) COMMENT 'Tenant that the entry belongs to',
  timestamp    DateTime64(3, 'UTC')   COMMENT 'When it happened, by the client''s clock',
  received_at  DateTime64(3, 'UTC')   COMMENT 'When it was received',
  id           UInt64                 COMMENT 'Id of the entry, as the fleet API shows it',
  action       LowCardinality(String) COMMENT 'What happened',
  platform     LowCardinality(String) COMMENT 'Platform, such as android or web',
  device       String                 COMMENT 'Serial of the device; empty if there is none',
  account      String                 COMMENT 'Who did it: the account name, else the id of the actor',
  actor_id     String                 COMMENT 'Id of who did it',
  actor_name   String                 COMMENT 'Account name of who did it',
  actor_kind   LowCardinality(String) COMMENT 'Kind of who did it, such as business',
  actor_label  String                 COMMENT 'Name for display of who did it',
  target_types Array(String)          COMMENT 'Types of what it was done to',
  target_ids   Array(String)          COMMENT 'Ids of what it was done to, in the order of target_types',
  target_names Array(String)          COMMENT 'Names of what it was done to, in the order of target_types; empty texts if unknown',
  request_id   String                 COMMENT 'Id of the request that caused it',
  detail       String                 COMMENT 'Text',
  details      String                 COMMENT 'JSON object as sent; empty if there is none. JSONExtractString(details, ''key'') reads a member',
  ip_address   String                 COMMENT 'IP address of the client',
  user_agent   String                 COMMENT 'User agent of the client',
  layer        String                 COMMENT 'Layer of the software that reported it'
) SQL SECURITY INVOKER AS
WITH (SELECT (groupArray(tenant), groupArray(visible_from), min(visible_from)) FROM retention_now) AS since
SELECT
  tenant, timestamp, received_at, id, action, platform, device, if(actor_name != '', actor_name, actor_id) AS account, actor_id, actor_name, actor_kind,
  fields[1] AS actor_label,
  arrayMap(t -> splitByChar('\0', t)[1], targets) AS target_types,
  arrayMap(t -> substring(t, position(t, '\0') + 1), targets) AS target_ids,
  arrayResize(arraySlice(fields, 2, length(targets)), length(targets), '') AS target_names,
  request_id, detail, details,
  fields[length(targets) + 2] AS ip_address,
  fields[length(targets) + 3] AS user_agent,
  fields[length(targets) + 4] AS layer
FROM (
  SELECT *, arrayFold((a, tag) -> if(bitAnd(reinterpretAsUInt32(substring(a.1, 1, 3)), 0xFF) != tag, (a.1, arrayPushBack(a.2, '')), (
      substring(a.1, 3 + (bitAnd(reinterpretAsUInt32(substring(a.1, 1, 3)), 0x8000) != 0)
        + bitAnd(bitShiftRight(reinterpretAsUInt32(substring(a.1, 1, 3)), 8), 0x7F)
        + if(bitAnd(reinterpretAsUInt32(substring(a.1, 1, 3)), 0x8000) = 0, 0, 128 * bitShiftRight(reinterpretAsUInt32(substring(a.1, 1, 3)), 16))),
      arrayPushBack(a.2, substring(a.1, 3 + (bitAnd(reinterpretAsUInt32(substring(a.1, 1, 3)), 0x8000) != 0),
        bitAnd(bitShiftRight(reinterpretAsUInt32(substring(a.1, 1, 3)), 8), 0x7F)
        + if(bitAnd(reinterpretAsUInt32(substring(a.1, 1, 3)), 0x8000) = 0, 0, 128 * bitShiftRight(reinterpretAsUInt32(substring(a.1, 1, 3)), 16)))))),
    if(extra = '', [], arrayConcat([0x0A], arrayMap(t -> 0x1A, targets), [0x22, 0x2A, 0x32])), (extra, emptyArrayString())).2 AS fields
  FROM activity
  WHERE received_at >= since.3 AND received_at >= transform(toString(tenant), since.1, since.2, since.2[indexOf(since.1, '')])
) AS unpacked
COMMENT 'Visible entries: who did what, on which device, to what, when';

-- The counts are exact at any moment: what the rollup has, plus the entries that it has not counted yet. Those are, in each Kafka
-- partition, the ones at offsets above the rollup's watermark; partitions without a watermark have not been counted at all. The
-- first condition on koff leads the index by_offset. Rows and watermarks must be of one moment: all reads of a table
-- within a query share one snapshot (enable_shared_storage_snapshot_in_query).
CREATE VIEW IF NOT EXISTS hourly (
  tenant   LowCardinality(String) COMMENT 'Tenant',
  hour     DateTime('UTC')        COMMENT 'Hour of the entries'' timestamp, UTC',
  platform LowCardinality(String) COMMENT 'Platform, such as android or web',
  action   LowCardinality(String) COMMENT 'What happened',
  entries  UInt64                 COMMENT 'Number of visible entries, exactly'
) SQL SECURITY INVOKER AS
WITH
  (SELECT (groupArray(tenant), groupArray(visible_from), min(visible_from)) FROM retention_now) AS since,
  (SELECT (groupArray(kpart), groupArray(next), min(next)) FROM (SELECT kpart, max(koff_to) + 1 AS next FROM by_kind GROUP BY kpart)) AS counted
SELECT tenant, hour, platform, action, toUInt64(sum(n)) AS entries
FROM (
  SELECT tenant, hour, platform, action, n FROM by_kind
  WHERE received >= since.3 AND received >= transform(toString(tenant), since.1, since.2, since.2[indexOf(since.1, '')])
  UNION ALL
  SELECT tenant, toStartOfHour(timestamp) AS hour, platform, action, toInt64(1) AS n FROM activity
  WHERE received_at >= since.3 AND received_at >= transform(toString(tenant), since.1, since.2, since.2[indexOf(since.1, '')])
    AND koff >= counted.3 AND koff >= counted.2[indexOf(counted.1, kpart)]
  UNION ALL
  SELECT tenant, toStartOfHour(timestamp) AS hour, platform, action, toInt64(1) AS n FROM activity
  WHERE received_at >= since.3 AND received_at >= transform(toString(tenant), since.1, since.2, since.2[indexOf(since.1, '')])
    AND koff < counted.3 AND kpart NOT IN (SELECT kpart FROM by_kind)
)
GROUP BY tenant, hour, platform, action
HAVING sum(n) > 0
COMMENT 'Visible entries by hour, platform and action: exact at any moment, and fast, because they are counted beforehand';

-- by_entity has its watermarks in rows of their own (IsWatermark in rollup.go).
CREATE VIEW IF NOT EXISTS daily_by_device (
  tenant  LowCardinality(String) COMMENT 'Tenant',
  day     Date                   COMMENT 'Day of the entries'' timestamp, UTC',
  device  String                 COMMENT 'Serial of the device',
  entries UInt64                 COMMENT 'Number of visible entries, exactly'
) SQL SECURITY INVOKER AS
WITH
  (SELECT (groupArray(tenant), groupArray(visible_from), min(visible_from)) FROM retention_now) AS since,
  (SELECT (groupArray(kpart), groupArray(next), min(next)) FROM (
    SELECT toUInt16OrZero(entity) AS kpart, max(koff_to) + 1 AS next FROM by_entity WHERE tenant = '' AND kind = '' GROUP BY entity)) AS counted
SELECT tenant, day, device, toUInt64(sum(n)) AS entries
FROM (
  SELECT tenant, toDate(hour) AS day, entity AS device, n FROM by_entity
  WHERE kind = 'device' AND received >= since.3 AND received >= transform(toString(tenant), since.1, since.2, since.2[indexOf(since.1, '')])
  UNION ALL
  SELECT tenant, toDate(timestamp) AS day, device, toInt64(1) AS n FROM activity
  WHERE device != '' AND received_at >= since.3 AND received_at >= transform(toString(tenant), since.1, since.2, since.2[indexOf(since.1, '')])
    AND koff >= counted.3 AND koff >= counted.2[indexOf(counted.1, kpart)]
  UNION ALL
  SELECT tenant, toDate(timestamp) AS day, device, toInt64(1) AS n FROM activity
  WHERE device != '' AND received_at >= since.3 AND received_at >= transform(toString(tenant), since.1, since.2, since.2[indexOf(since.1, '')])
    AND koff < counted.3 AND kpart NOT IN (SELECT toUInt16OrZero(entity) FROM by_entity WHERE tenant = '' AND kind = '')
)
GROUP BY tenant, day, device
HAVING sum(n) > 0
COMMENT 'Visible entries by day and device: exact at any moment';

CREATE VIEW IF NOT EXISTS daily_by_account (
  tenant  LowCardinality(String) COMMENT 'Tenant',
  day     Date                   COMMENT 'Day of the entries'' timestamp, UTC',
  account String                 COMMENT 'Who did it: the account name, else the id of the actor',
  entries UInt64                 COMMENT 'Number of visible entries, exactly'
) SQL SECURITY INVOKER AS
WITH
  (SELECT (groupArray(tenant), groupArray(visible_from), min(visible_from)) FROM retention_now) AS since,
  (SELECT (groupArray(kpart), groupArray(next), min(next)) FROM (
    SELECT toUInt16OrZero(entity) AS kpart, max(koff_to) + 1 AS next FROM by_entity WHERE tenant = '' AND kind = '' GROUP BY entity)) AS counted
SELECT tenant, day, account, toUInt64(sum(n)) AS entries
FROM (
  SELECT tenant, toDate(hour) AS day, entity AS account, n FROM by_entity
  WHERE kind = 'name' AND received >= since.3 AND received >= transform(toString(tenant), since.1, since.2, since.2[indexOf(since.1, '')])
  UNION ALL
  SELECT tenant, toDate(timestamp) AS day, if(actor_name != '', actor_name, actor_id) AS account, toInt64(1) AS n FROM activity
  WHERE account != '' AND received_at >= since.3 AND received_at >= transform(toString(tenant), since.1, since.2, since.2[indexOf(since.1, '')])
    AND koff >= counted.3 AND koff >= counted.2[indexOf(counted.1, kpart)]
  UNION ALL
  SELECT tenant, toDate(timestamp) AS day, if(actor_name != '', actor_name, actor_id) AS account, toInt64(1) AS n FROM activity
  WHERE account != '' AND received_at >= since.3 AND received_at >= transform(toString(tenant), since.1, since.2, since.2[indexOf(since.1, '')])
    AND koff < counted.3 AND kpart NOT IN (SELECT toUInt16OrZero(entity) FROM by_entity WHERE tenant = '' AND kind = '')
)
GROUP BY tenant, day, account
HAVING sum(n) > 0
COMMENT 'Visible entries by day and account: exact at any moment';

CREATE VIEW IF NOT EXISTS ingest_lag (
  tenant           LowCardinality(String) COMMENT 'Tenant',
  hour             DateTime('UTC')        COMMENT 'Hour of receipt, UTC',
  platform         LowCardinality(String) COMMENT 'Platform, such as android or web',
  entries          UInt64                 COMMENT 'Number of visible entries that were received in the hour',
  lag_p50          Float64                COMMENT 'Seconds from the timestamp to the receipt: the median. Below 0 if clocks of clients are ahead',
  lag_p99          Float64                COMMENT 'Seconds from the timestamp to the receipt: 99 of 100 entries were received as soon or sooner',
  lag_max          Float64                COMMENT 'Seconds from the timestamp to the receipt: the longest',
  last_received_at DateTime64(3, 'UTC')   COMMENT 'When the last one was received'
) SQL SECURITY INVOKER AS
WITH
  (SELECT (groupArray(tenant), groupArray(visible_from), min(visible_from)) FROM retention_now) AS since,
  dateDiff('millisecond', timestamp, received_at) / 1000 AS lag
SELECT
  tenant, toStartOfHour(received_at) AS hour, platform, count() AS entries,
  toFloat64(quantileTDigest(0.5)(lag)) AS lag_p50, toFloat64(quantileTDigest(0.99)(lag)) AS lag_p99, max(lag) AS lag_max,
  max(received_at) AS last_received_at
FROM activity
WHERE received_at >= since.3 AND received_at >= transform(toString(tenant), since.1, since.2, since.2[indexOf(since.1, '')])
GROUP BY tenant, hour, platform
COMMENT 'How long after they happened entries were received, by hour of receipt and platform';

-- Without who asked and for what: that is for auditors, in the table erasures.
CREATE VIEW IF NOT EXISTS erasures_by_day (
  tenant   LowCardinality(String) COMMENT 'Tenant',
  day      Date                   COMMENT 'Day of the request, UTC',
  requests UInt64                 COMMENT 'Number of requests to erase entries, also by cleanups',
  entries  UInt64                 COMMENT 'Number of stored entries that they matched when they were asked for'
) SQL SECURITY INVOKER AS
SELECT tenant, toDate(at) AS day, count() AS requests, sum(entries) AS entries FROM erasures GROUP BY tenant, day
COMMENT 'Requests to erase entries, by day';

CREATE VIEW IF NOT EXISTS cleanups_by_day (
  tenant   LowCardinality(String) COMMENT 'Tenant',
  day      Date                   COMMENT 'Day of the cleanup, UTC',
  cleanups UInt64                 COMMENT 'Number of automatic cleanups',
  entries  UInt64                 COMMENT 'Number of expired entries that they took'
) SQL SECURITY INVOKER AS
SELECT tenant, toDate(at) AS day, count() AS cleanups, sum(entries) AS entries FROM cleanups WHERE done GROUP BY tenant, day
COMMENT 'Automatic cleanups of expired entries, by day';
