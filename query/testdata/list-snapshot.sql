SELECT id, timestamp, action, platform, device, actor_id, actor_name, detail
FROM activity
WHERE tenant = {tenant:String}
  AND received_at >= {floor:Date}
  AND koff < transform(kpart, {stored:Array(UInt16)}, {ends:Array(UInt64)}, toUInt64(0))
ORDER BY timestamp DESC, id DESC LIMIT 101
-- tenant = "acme"
-- floor = "2026-01-01"
-- stored = []uint16{0x0, 0x3}
-- ends = []uint64{0x12, 0x5}
