SELECT id, timestamp, action, platform, device, actor_id, actor_name, detail
FROM activity
WHERE tenant = {tenant:String}
  AND (device = {target0_device:String} OR has(targets, {target0:String}) OR has(targets, {target0_else:String}))
  AND received_at >= {floor:Date}
ORDER BY timestamp DESC, id DESC LIMIT 101
-- tenant = "acme"
-- target0 = "DEVICE\x001"
-- target0_else = "THING\x001"
-- target0_device = "1"
-- floor = "2026-01-01"
