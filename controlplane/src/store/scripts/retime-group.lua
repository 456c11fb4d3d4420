--[[
Counts the ticks of a group by another interval. A group that was flushed or claimed meanwhile is left alone.

KEYS  1 due  2 groups
ARGV  1 group  2 flushed (ms; that was read)  3 flushed from now on (ms)  4 due (ms)  5 definition
Answer  1 done, 0 left alone
]]
local group = parse_group(redis.call('HGET', KEYS[2], ARGV[1]))
if not group or group.fence ~= 0 or group.flushed ~= tonumber(ARGV[2]) then return 0 end
group.flushed, group.definition = tonumber(ARGV[3]), ARGV[5]
redis.call('HSET', KEYS[2], ARGV[1], format_group(group))
redis.call('ZADD', KEYS[1], 'XX', 'LT', ARGV[4], ARGV[1])
return 1
