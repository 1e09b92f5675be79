-- Invisible characters, such as soft hyphens, joiners and directions, are no part of a word any more and do not end one: see package
-- schema/words. The texts that may have some, as they are or behind the escapes of JSON, have to be folded again. Until that is done,
-- the older rule finds them. The statement waits until every such row is marked: an erasure by search must miss none. It reads all
-- texts once and writes the marked rows only. It can be repeated. Consumers of the version before must be stopped first: what they write
-- later is folded by the older rule, and nothing marks it.
UPDATE activity SET folded = '\xEE\x80\x80'
WHERE folded != '\xEE\x80\x80'
  AND (NOT isValidASCII(detail) OR NOT isValidASCII(details) OR position(details, '\\u') > 0)
  AND match(concat(detail, ' ', details),
    '[\\x{ad}\\x{34f}\\x{488}\\x{489}\\x{61c}\\x{180b}-\\x{180f}\\x{1abe}\\x{200c}-\\x{200f}\\x{202a}-\\x{202e}\\x{2060}-\\x{206f}\\x{20dd}-\\x{20e4}\\x{a670}-\\x{a672}\\x{fe00}-\\x{fe0f}\\x{feff}\\x{fff9}-\\x{fffb}\\x{13430}-\\x{1343f}\\x{1bca0}-\\x{1bca3}\\x{1d173}-\\x{1d17a}\\x{e0000}-\\x{e0fff}]|\\\\u(?i:00ad|034f|048[89]|061c|180[b-f]|1abe|20[0-6][0-9a-f]|20[de][0-9a-f]|a67[0-2]|fe0[0-9a-f]|feff|fff[9ab]|d80d|d82f|d834|db40)');
