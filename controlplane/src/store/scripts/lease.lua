--[[
The lease of a lane: who holds it drains it, and its fencing token proves it.

KEYS  1 lease  2 last token given
ARGV  1 acquire | renew | release  2 lifetime (ms; not for release)  3 token (not for acquire)
Answer  acquire: the token, 0: another holds it; renew and release: 1 done, 0: the lease is lost
]]
local action = ARGV[1]
if action == 'acquire' then return acquire(KEYS[1], KEYS[2], ARGV[2]) end
if redis.call('GET', KEYS[1]) ~= ARGV[3] then return 0 end
if action == 'renew' then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return redis.call('DEL', KEYS[1])
