#!lua flags=no-writes
--[[
A page of alerts, newest first, and the number of the first of them. Their number tells where they are in the list, so list and
counter must be read at one moment.

KEYS  1 alert index  2 alert counter  3 alert records
ARGV  1 below which number; 0: from the newest  2 how many at most  3 prefix of the keys of the bodies; empty: without bodies
Answer  { number of the first, ids, records, bodies }; nil for what is gone
]]
local newest = tonumber(redis.call('GET', KEYS[2]) or '0')
local below = tonumber(ARGV[1])
local first = below > 0 and math.min(below - 1, newest) or newest
local last = first - newest - 1
local ids = redis.call('LRANGE', KEYS[1], last - ARGV[2] + 1, last)
local page, records, bodies = {}, {}, {}
for i = #ids, 1, -1 do page[#page + 1] = ids[i] end
if #page > 0 then records = redis.call('HMGET', KEYS[3], unpack(page)) end
if ARGV[3] ~= '' then
  for i, record in ipairs(records) do
    local from, to, where = string.match(record or '', '^%x+ %d+ %-?%d+ %-?%d+ (%d+) (%d+) %d+ (%d+)')
    bodies[i] = where and redis.call('GETRANGE', ARGV[3] .. where, from, to) or false
  end
end
return { first, page, records, bodies }
