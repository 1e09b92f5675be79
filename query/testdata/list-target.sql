SELECT id, timestamp, action, platform, device, actor_id, actor_name, detail
FROM activity
WHERE tenant = {tenant:String}
  AND actor_id = {actor:String}
  AND has(targets, {target0:String})
  AND received_at >= {floor:Date}
ORDER BY timestamp DESC, id DESC LIMIT 101
-- tenant = "acme"
-- actor = "u"
-- target0 = "task\x001"
-- floor = "2026-01-01"
