SELECT id, timestamp, action, platform, device, actor_id, actor_name, detail
FROM activity
WHERE tenant = {tenant:String}
  AND (request_id = {search:String} OR (hasToken(lower(concat(detail, ' ', details, ' ', folded)), {word0:String})
  AND (folded IN ('', '\xEE\x80\x80') OR hasToken(folded, {word0:String}))
  AND hasToken(lower(concat(detail, ' ', details, ' ', folded)), {word1:String})
  AND (folded IN ('', '\xEE\x80\x80') OR hasToken(folded, {word1:String}))))
  AND received_at >= {floor:Date}
ORDER BY timestamp DESC, id DESC LIMIT 101
-- tenant = "acme"
-- word0 = "two"
-- word1 = "words"
-- search = "Two, words"
-- floor = "2026-01-01"
