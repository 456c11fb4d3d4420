--[[
Lets all lanes of a channel be tried at once.

KEYS  1 lanes by time  2 state
]]
redis.call('HDEL', KEYS[2], 'quiet_until', 'open_until')
for _, lane in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do redis.call('ZADD', KEYS[1], 'LT', 1, lane) end
return 1
