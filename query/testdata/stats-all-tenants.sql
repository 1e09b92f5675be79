SELECT value, toUInt64(sum(n)) AS entries, toUInt64(sum(entries) OVER ())
FROM (SELECT hour, entity AS value, n
FROM by_entity
WHERE kind = {kind:String}
  AND received >= {floor:Date})
WHERE value != ''
GROUP BY value HAVING sum(n) > 0
ORDER BY entries DESC, value LIMIT 10
-- kind = "device"
-- floor = "2026-01-01"
