--[[
A part of what a flush that was committed changes in the members of a large group; whoever claims the group next goes on with it.

KEYS  1 records of alerts  2 members of the group  3 what is left to change
Answer  how many parts are left
]]
local rows = redis.call('LPOP', KEYS[3])
if rows then apply_flags(KEYS[1], KEYS[2], cjson.decode(rows)) end
return redis.call('LLEN', KEYS[3])
