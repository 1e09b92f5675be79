SELECT toUInt64(greatest(sum(n), 0))
FROM by_kind
WHERE tenant = {tenant:String}
  AND action != {not_action_0:String}
  AND platform != {not_platform_1:String}
  AND received >= {floor:Date}
-- tenant = "acme"
-- not_action_0 = "a"
-- not_platform_1 = "p"
-- floor = "2026-01-01"
