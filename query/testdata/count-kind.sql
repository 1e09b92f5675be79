SELECT toUInt64(greatest(sum(n), 0))
FROM by_kind
WHERE tenant = {tenant:String}
  AND platform = {platform:String}
  AND action = {action:String}
  AND received >= {floor:Date}
-- tenant = "acme"
-- platform = "p"
-- action = "a"
-- floor = "2026-01-01"
