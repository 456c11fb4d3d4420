--[[
Keeps what a channel wants to know of a group. Only the holder of the lease may.

KEYS  1 lease  2 what is kept
ARGV  1 fencing token  2 text  3 lifetime (s)
Answer  1 done; 0: the lease is lost, nothing changed
]]
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[2], ARGV[2], 'EX', ARGV[3])
return 1
