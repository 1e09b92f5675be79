SELECT value, toUInt64(sum(n)) AS entries, toUInt64(sum(entries) OVER ())
FROM (SELECT hour, toString(platform) AS value, n
FROM by_kind
WHERE tenant = {tenant:String}
  AND received >= {floor:Date}
  AND hour >= toDateTime({first_hour:UInt32}, 'UTC')
  AND hour < toDateTime({end_hour:UInt32}, 'UTC') UNION ALL SELECT toStartOfHour(timestamp) AS hour, toString(platform) AS value, toInt64(count()) AS n
FROM activity
WHERE tenant = {tenant:String}
  AND timestamp >= fromUnixTimestamp64Milli({start:Int64}, 'UTC')
  AND timestamp <= fromUnixTimestamp64Milli({end:Int64}, 'UTC')
  AND received_at >= {floor:Date}
  AND (timestamp < fromUnixTimestamp64Milli({first:Int64}, 'UTC') OR timestamp >= fromUnixTimestamp64Milli({late:Int64}, 'UTC'))
GROUP BY hour, value)
WHERE value != ''
GROUP BY value HAVING sum(n) > 0
ORDER BY entries DESC, value LIMIT 10
-- tenant = "acme"
-- floor = "2026-01-01"
-- first_hour = 0x65c9de10
-- end_hour = 0x65ca1650
-- start = 1707724860000
-- end = 1707742860000
-- first = 1707728400000
-- late = 1707742800000
