--[[
Uses up a join token and enrols the agent. The same key with the same token again gets the same answer, so that one lost on the way
can be asked for again; with another token it renews what is told of the agent and keeps its numbers.

KEYS  1 join token  2 agents  3 the new agent
ARGV  1 id of the new agent  2 kid  3.. its fields and values
Answer  id of the agent; empty: the token is unknown, used by another or expired; `revoked`: this key was
]]
local state = redis.call('GET', KEYS[1])
if not state then return '' end
if state ~= 'unused' then
  local kid, agent = string.match(state, '^(%S+) (%S+)$')
  return kid == ARGV[2] and agent or ''
end
if redis.call('HGET', KEYS[3], 'revoked') == '1' then return 'revoked' end
redis.call('SET', KEYS[1], ARGV[2] .. ' ' .. ARGV[1], 'KEEPTTL')
redis.call('HSET', KEYS[3], 'kid', ARGV[2], unpack(ARGV, 3))
redis.call('SADD', KEYS[2], ARGV[1])
return ARGV[1]
