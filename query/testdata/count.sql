SELECT toUInt64(greatest(sum(n), 0))
FROM by_kind
WHERE tenant = {tenant:String}
  AND received >= {floor:Date}
-- tenant = "acme"
-- floor = "2026-01-01"
