SELECT value, toUInt64(sum(n)) AS entries, toUInt64(sum(entries) OVER ())
FROM (SELECT hour, toString(action) AS value, n
FROM by_kind
WHERE tenant = {tenant:String}
  AND received >= {floor:Date})
WHERE value != ''
GROUP BY value HAVING sum(n) > 0
ORDER BY entries DESC, value LIMIT 10
-- tenant = "acme"
-- floor = "2026-01-01"
