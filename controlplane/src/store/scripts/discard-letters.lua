--[[
Forgets dead letters; in the ledger they stay what they are.

KEYS  1 letters by time  2 letters  3 channel ledger
ARGV  1 counter of the ledger  2.. ids
Answer  how many were still there
]]
local count = 0
for i = 2, #ARGV do
  redis.call('HDEL', KEYS[2], ARGV[i])
  count = count + redis.call('ZREM', KEYS[1], ARGV[i])
end
if count > 0 then redis.call('HINCRBY', KEYS[3], ARGV[1], count) end
return count
