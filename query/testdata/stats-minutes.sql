SELECT hour AS bucket, value, toUInt64(sum(n)) AS entries
FROM (SELECT toStartOfInterval(timestamp, toIntervalSecond(60)) AS hour, toString(platform) AS value, toInt64(count()) AS n
FROM activity
WHERE tenant = {tenant:String}
  AND received_at >= {floor:Date}
  AND toStartOfHour(timestamp) IN (SELECT hour
FROM by_kind
WHERE tenant = {tenant:String}
  AND received >= {floor:Date}
GROUP BY hour HAVING sum(n) > 0)
GROUP BY hour, value)
WHERE value != ''
GROUP BY bucket, value HAVING sum(n) > 0
ORDER BY bucket, entries DESC, value LIMIT 50001
-- tenant = "acme"
-- floor = "2026-01-01"
