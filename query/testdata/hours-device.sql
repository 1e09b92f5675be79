SELECT hour, sum(n) AS entries, min(received)
FROM by_entity
WHERE tenant = {tenant:String}
  AND kind = {kind:String}
  AND entity = {entity:String}
  AND received >= {floor:Date}
GROUP BY hour HAVING entries > 0
ORDER BY hour ASC LIMIT 1000
-- tenant = "acme"
-- kind = "device"
-- entity = "d1"
-- floor = "2026-01-01"
