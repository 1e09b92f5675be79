SELECT value, toUInt64(sum(n)) AS entries, toUInt64(sum(entries) OVER ())
FROM (SELECT toStartOfHour(timestamp) AS hour, device AS value, toInt64(count()) AS n
FROM activity
WHERE tenant = {tenant:String}
  AND timestamp >= fromUnixTimestamp64Milli({start:Int64}, 'UTC')
  AND timestamp <= fromUnixTimestamp64Milli({end:Int64}, 'UTC')
  AND received_at >= {floor:Date}
GROUP BY hour, value)
WHERE value != ''
GROUP BY value HAVING sum(n) > 0
ORDER BY entries DESC, value LIMIT 10
-- tenant = "acme"
-- start = 1707724800000
-- end = 1707728400000
-- floor = "2026-01-01"
