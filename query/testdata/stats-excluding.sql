SELECT value, toUInt64(sum(n)) AS entries, toUInt64(sum(entries) OVER ())
FROM (SELECT toStartOfHour(timestamp) AS hour, device AS value, toInt64(count()) AS n
FROM activity
WHERE tenant = {tenant:String}
  AND action != {not_action_0:String}
  AND received_at >= {floor:Date}
  AND toStartOfHour(timestamp) IN (SELECT hour
FROM by_kind
WHERE tenant = {tenant:String}
  AND action != {not_action_0:String}
  AND received >= {floor:Date}
GROUP BY hour HAVING sum(n) > 0)
GROUP BY hour, value)
WHERE positionCaseInsensitiveUTF8(value, {contains:String}) > 0
GROUP BY value HAVING sum(n) > 0
ORDER BY entries DESC, value LIMIT 10
-- tenant = "acme"
-- not_action_0 = "a"
-- floor = "2026-01-01"
-- contains = "SN"
