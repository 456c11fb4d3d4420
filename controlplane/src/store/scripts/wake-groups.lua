--[[
Brings groups forward: what held them back is over.

KEYS  1 due
ARGV  1.. pairs of due time (ms) and id
]]
for i = 1, #ARGV, 2 do redis.call('ZADD', KEYS[1], 'XX', 'LT', ARGV[i], ARGV[i + 1]) end
return 1
