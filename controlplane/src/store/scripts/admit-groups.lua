--[[
Puts alerts that come without a signature (Alertmanager's API, Falco's own output, a simulation) into their groups.

KEYS  those of `plan_groups` from 1
ARGV  1 the groups of the request, as JSON  2 prefix of the keys of the ledger by agent and by route
Answer  when it was, ms
]]
local plan = plan_groups(cjson.decode(ARGV[1]), 0)
apply_groups(plan, ARGV[2])
return plan.now
