SELECT koff, kidx, id, timestamp, action, platform, device, actor_id, actor_name, detail, actor_kind, received_at, targets, request_id, details, extra
FROM activity
WHERE tenant = {tenant:String}
  AND device = {device:String}
  AND received_at >= {floor:Date}
  AND kpart = {kpart:UInt16}
  AND koff >= {first_offset:UInt64}
  AND koff <= {last_offset:UInt64}
ORDER BY koff, kidx LIMIT 1000
-- tenant = "acme"
-- device = "d1"
-- floor = "2026-01-01"
-- kpart = 0x3
-- first_offset = 0x11
-- last_offset = 0x15
