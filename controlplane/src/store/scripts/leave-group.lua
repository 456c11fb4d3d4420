--[[
Takes alerts out of a group that is no longer theirs. A group that is empty then is gone.

KEYS  1 members of the group  2 due  3 groups  4 unsaid  5 groups by route
ARGV  1 group  2 route  3.. fingerprints
Answer  1 the group is gone, 0 it is not
]]
for i = 3, #ARGV do
  local flags = redis.call('HGET', KEYS[1], ARGV[i])
  if flags then
    local left = string.gsub(flags, '[mt%d-]', '')
    if left == '' then redis.call('HDEL', KEYS[1], ARGV[i]) else redis.call('HSET', KEYS[1], ARGV[i], left) end
  end
end
for _, flags in ipairs(redis.call('HVALS', KEYS[1])) do
  if string.find(flags, 'm', 1, true) then return 0 end
end
redis.call('DEL', KEYS[1])
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('SREM', KEYS[4], ARGV[1])
if redis.call('HDEL', KEYS[3], ARGV[1]) == 1 and redis.call('HINCRBY', KEYS[5], ARGV[2], -1) <= 0 then
  redis.call('HDEL', KEYS[5], ARGV[2])
end
return 1
