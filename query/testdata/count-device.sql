SELECT toUInt64(greatest(sum(n), 0))
FROM by_entity
WHERE tenant = {tenant:String}
  AND kind = {kind:String}
  AND entity = {entity:String}
  AND received >= {floor:Date}
-- tenant = "acme"
-- kind = "device"
-- entity = "d1"
-- floor = "2026-01-01"
