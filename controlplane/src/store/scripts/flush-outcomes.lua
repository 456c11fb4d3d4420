--[[
A part of what becomes of the alerts of a large group, before its flush is committed. Who goes with the notification is counted beside the
group: should the flush not come to its end, the next that says something takes them along.

KEYS  1 groups  2 records of alerts  3 outcomes  4 units of the group
ARGV  1 group  2 fence  3 list of [fingerprint, state seen, new state] as JSON, all for one notification  4 prefix of the keys of the ledger by agent and by route
Answer  1 done, 0 the group was claimed by another and nothing changed
]]
local group = parse_group(redis.call('HGET', KEYS[1], ARGV[1]))
if not group or group.fence ~= tonumber(ARGV[2]) then return 0 end
local tally = tally_of()
for unit, number in pairs(apply_outcomes(KEYS[2], cjson.decode(ARGV[3]), tally)[1] or {}) do
  redis.call('HINCRBY', KEYS[4], unit, number)
end
write_tally(tally, KEYS[3], ARGV[4])
return 1
