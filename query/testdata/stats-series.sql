SELECT hour AS bucket, value, toUInt64(sum(n)) AS entries
FROM (SELECT hour, '' AS value, n
FROM by_entity
WHERE tenant = {tenant:String}
  AND kind = {kind:String}
  AND entity = {entity:String}
  AND received >= {floor:Date})
WHERE value IN {values:Array(String)}
GROUP BY bucket, value HAVING sum(n) > 0
ORDER BY bucket, entries DESC, value LIMIT 50001
-- tenant = "acme"
-- kind = "device"
-- entity = "d1"
-- floor = "2026-01-01"
-- values = []string{""}
