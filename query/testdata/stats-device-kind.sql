SELECT value, toUInt64(sum(n)) AS entries, toUInt64(sum(entries) OVER ())
FROM (SELECT toStartOfHour(timestamp) AS hour, device AS value, toInt64(count()) AS n
FROM activity
WHERE tenant = {tenant:String}
  AND platform = {platform:String}
  AND timestamp >= fromUnixTimestamp64Milli({start:Int64}, 'UTC')
  AND received_at >= {floor:Date}
  AND toStartOfHour(timestamp) IN (SELECT hour
FROM by_kind
WHERE tenant = {tenant:String}
  AND platform = {platform:String}
  AND received >= {floor:Date}
  AND hour >= toDateTime({first_hour:UInt32}, 'UTC')
GROUP BY hour HAVING sum(n) > 0)
GROUP BY hour, value)
WHERE value != ''
GROUP BY value HAVING sum(n) > 0
ORDER BY entries DESC, value LIMIT 10
-- tenant = "acme"
-- platform = "p"
-- start = 1707724860000
-- floor = "2026-01-01"
-- first_hour = 0x65c9d000
