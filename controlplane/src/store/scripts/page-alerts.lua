#!lua flags=no-writes
--[[
A page of alerts, newest first, and the number of the first of them. Their number tells where they are in the list, so list and
counter must be read at one moment.

KEYS  1 alert index  2 alert counter  3 alert records
ARGV  1 below which number; 0: from the newest  2 how many at most  3 prefix of the keys of the bodies; empty: without bodies
      4 texts, as JSON: list of lists, of each of which a body has one unless it writes letters otherwise, with a backslash
Answer  { number of the first, ids, records, bodies }; nil for what is gone, and for bodies without the texts
]]
local newest = tonumber(redis.call('GET', KEYS[2]) or '0')
local below = tonumber(ARGV[1])
local first = below > 0 and math.min(below - 1, newest) or newest
local last = first - newest - 1
local ids = redis.call('LRANGE', KEYS[1], last - ARGV[2] + 1, last)
local page, records, bodies = {}, {}, {}
for i = #ids, 1, -1 do page[#page + 1] = ids[i] end
if #page > 0 then records = redis.call('HMGET', KEYS[3], unpack(page)) end
local function has_all(body, wanted)
  if string.find(body, '\\', 1, true) then return true end
  for _, texts in ipairs(wanted) do
    local found = false
    for _, text in ipairs(texts) do found = found or string.find(body, text, 1, true) ~= nil end
    if not found then return false end
  end
  return true
end
if ARGV[3] ~= '' then
  local wanted = cjson.decode(ARGV[4])
  for i, record in ipairs(records) do
    local from, to, where = string.match(record or '', '^%x+ %d+ %-?%d+ %-?%d+ (%d+) (%d+) %d+ (%d+)')
    local body = where and redis.call('GETRANGE', ARGV[3] .. where, from, to)
    bodies[i] = body and has_all(body, wanted) and body or false
  end
end
return { first, page, records, bodies }
