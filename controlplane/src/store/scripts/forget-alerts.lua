--[[
Forgets alerts that ended long ago, unless they fire again since they were looked up.

KEYS  1 records of alerts  2 ends  3 sources
ARGV  1 before (ms)  2.. fingerprints
Answer  how many were forgotten
]]
local forgotten = 0
for i = 2, #ARGV do
  local ends = tonumber(redis.call('ZSCORE', KEYS[2], ARGV[i]) or 'inf')
  if ends <= tonumber(ARGV[1]) then
    redis.call('HDEL', KEYS[1], ARGV[i])
    redis.call('ZREM', KEYS[2], ARGV[i])
    redis.call('ZREM', KEYS[3], ARGV[i])
    forgotten = forgotten + 1
  end
end
return forgotten
