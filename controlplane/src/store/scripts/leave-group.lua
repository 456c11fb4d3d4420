--[[
Takes alerts out of a group that is no longer theirs. A group that is empty then is gone.

KEYS  1 members of the group  2 due  3 groups  4 unsaid  5 groups by route  6 units of the group  7 what is left to change of its members
      8 outcomes
ARGV  1 group  2 route  3 prefix of the keys of the ledger by agent and by route  4 more are to leave (0 or 1)  5.. fingerprints
Answer  1 the group is gone, 0 it is not
]]
for i = 5, #ARGV do
  local flags = redis.call('HGET', KEYS[1], ARGV[i])
  if flags then
    local left = string.gsub(flags, '[mt]', '')
    if left == '' then redis.call('HDEL', KEYS[1], ARGV[i]) else redis.call('HSET', KEYS[1], ARGV[i], left) end
  end
end
if ARGV[4] == '1' then return 0 end
for _, flags in ipairs(redis.call('HVALS', KEYS[1])) do
  if string.find(flags, 'm', 1, true) then return 0 end
end
redis.call('UNLINK', KEYS[1])
local tally = tally_of()
drop_rest(KEYS[6], KEYS[7], tally)
write_tally(tally, KEYS[8], ARGV[3])
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('SREM', KEYS[4], ARGV[1])
if redis.call('HDEL', KEYS[3], ARGV[1]) == 1 and redis.call('HINCRBY', KEYS[5], ARGV[2], -1) <= 0 then
  redis.call('HDEL', KEYS[5], ARGV[2])
end
return 1
