--[[
Makes a new version of the routing the current one, if the caller knew the one before.

KEYS  1 versions  2 current version  3 digest of the file that was last taken
ARGV  1 version that was read  2 the new version  3 its JSON  4 versions that are kept  5 digest of the file that it is from; empty: none
Answer  1 done; 0: another version is current, nothing was written
]]
local current = redis.call('GET', KEYS[2]) or '0'
if current ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], ARGV[2], ARGV[3])
redis.call('SET', KEYS[2], ARGV[2])
if ARGV[5] ~= '' then redis.call('SET', KEYS[3], ARGV[5]) end
local oldest = tonumber(ARGV[2]) - tonumber(ARGV[4])
if oldest > 0 then redis.call('HDEL', KEYS[1], string.format('%.0f', oldest)) end
return 1
