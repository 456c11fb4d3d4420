#!lua flags=no-writes
--[[
A page of alert ids, newest first, and the number of the first of them. Their number tells where they are in the list, so list and
counter must be read at one moment.

KEYS  1 alert index  2 alert counter
ARGV  1 below which number; 0: from the newest  2 how many at most
Answer  { number of the first, ids }
]]
local newest = tonumber(redis.call('GET', KEYS[2]) or '0')
local below = tonumber(ARGV[1])
local first = below > 0 and math.min(below - 1, newest) or newest
local last = first - newest - 1
local ids = redis.call('LRANGE', KEYS[1], last - ARGV[2] + 1, last)
local page = {}
for i = #ids, 1, -1 do page[#page + 1] = ids[i] end
return { first, page }
