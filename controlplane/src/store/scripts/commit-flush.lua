--[[
Ends a flush: what was said goes into the lane of the channel, what ended leaves the group, and the group is due again; all of it, or
nothing when the group was claimed by another meanwhile. A throttle that is spent or a lane that is full puts the flush off instead:
the group keeps what it has to say, and says it together later.

KEYS  1 due  2 groups  3 members of the group  4 unsaid  5 groups by route  6 records of alerts  7 outcomes
      8 lane entries  9 channels with work  10 channel ledger  11 bucket of the channel  12 buckets of routes
      13 history of the group  14 lanes of the channel by time
      15 held counters of the channel  16 agents and routes of what is held  17 held due
      18 units of the group  19 what is left to change of its members  20 the same as this flush laid it down
ARGV  1 the flush as JSON:
        id, fence, lease_ends, now (ms), tick, interval (ms), revision (that was read), route (id), channel, lane, urgent (0 or 1), definition,
        next (ms; 0: nothing is left), unsaid (0 or 1), logged (0 or 1: the log is written), capacity (of the channel), lane_capacity,
        full_wait (ms until a full lane is tried again), history (notifications of the group that are remembered),
        channel_throttle and route_throttle [interval_us, burst_us],
        members as `apply_flags` and outcomes as `apply_outcomes` takes them; laid (0 or 1: there are so many that outcomes of one notification
        were applied before this, and members are changed after it),
        digest: instead of notifications, what the next digest of the channel gets: due (ms), rules: list of [rule, count], ended (count),
        prefix (of its id; empty: it has no history)
      2 prefix of the keys of the ledger by agent and by route
      3.. for each notification: its JSON without its last brace, and what the history gets, as JSON
Answer  { status, ms } where status is
      done, when it is due again; -1: the group is gone   said, the same   postponed, until   lost, -1: nothing changed
]]
local flush = cjson.decode(ARGV[1])
local id, now = flush.id, flush.now
local group = parse_group(redis.call('HGET', KEYS[2], id))
if not group or group.fence ~= flush.fence then return { 'lost', -1 } end
if flush.laid == 1 and (redis.call('EXISTS', KEYS[20]) == 0 or redis.call('EXISTS', KEYS[19]) == 1) then return { 'lost', -1 } end
local FIRST_NOTIFICATION = 3
local notifications = (#ARGV - FIRST_NOTIFICATION + 1) / 2
local says = notifications > 0

local function ms(number) return string.format('%.0f', number) end

-- When all may go through a bucket (GCRA); undefined: now. What is urgent may take as many again in advance.
local now_us = now * 1000
local function read_bucket(throttle, text)
  local interval, burst = throttle[1], throttle[2]
  if interval == 0 then return nil, nil end
  local tat = math.max(math.min(tonumber(text or '0') or 0, now_us + 2 * (burst + interval)), now_us)
  local most = flush.urgent == 1 and 2 * burst + interval or burst
  if tat - most > now_us then return nil, math.ceil((tat - most) / 1000) end
  return tat + notifications * interval, nil
end

local channel_tat, route_tat
if says then
  local later, wait
  channel_tat, later = read_bucket(flush.channel_throttle, redis.call('GET', KEYS[11]))
  route_tat, wait = read_bucket(flush.route_throttle, redis.call('HGET', KEYS[12], flush.route))
  if wait then later = math.max(later or 0, wait) end
  local full = redis.call('LLEN', KEYS[8]) >= flush.lane_capacity
    or tonumber(redis.call('HGET', KEYS[10], 'pending') or '0') >= flush.capacity
  if full then later = math.max(later or 0, now + flush.full_wait) end
  if later then
    group.fence = 0
    redis.call('HSET', KEYS[2], id, format_group(group))
    redis.call('ZADD', KEYS[1], ms(later), id)
    return { 'postponed', later }
  end
end

local tally = tally_of()
local units = apply_outcomes(KEYS[6], flush.outcomes, tally)
if says or flush.digest then
  units[1] = units[1] or {}
  for unit, number in pairs(take_units(KEYS[18])) do units[1][unit] = (units[1][unit] or 0) + number end
end

-- What ended leaves, unless it fires again or ended anew since it was read.
local stays = group.revision ~= flush.revision
if flush.laid == 1 then
  redis.call('RENAME', KEYS[20], KEYS[19])
  redis.call('PERSIST', KEYS[19])
end
if apply_flags(KEYS[6], KEYS[3], flush.members) then stays = true end

if flush.next == 0 and not stays and flush.laid == 0 then
  redis.call('UNLINK', KEYS[3])
  drop_rest(KEYS[18], KEYS[19], tally)
  redis.call('HDEL', KEYS[2], id)
  redis.call('ZREM', KEYS[1], id)
  redis.call('SREM', KEYS[4], id)
  if redis.call('HINCRBY', KEYS[5], flush.route, -1) <= 0 then redis.call('HDEL', KEYS[5], flush.route) end
else
  local next_look = flush.next
  -- Something came while this was worked out: it is looked at in the next turn.
  if stays then next_look = tick_from(now, flush.tick, flush.interval) end
  -- All leave; it is gone when it is looked at after that.
  if next_look == 0 then next_look = now + 1000 end
  -- Somebody woke the group meanwhile.
  local score = tonumber(redis.call('ZSCORE', KEYS[1], id) or flush.lease_ends)
  if score ~= math.floor(score) then
    next_look = now
  elseif score < flush.lease_ends then
    next_look = math.min(next_look, score)
  end
  group.flushed, group.tick, group.fence, group.definition = flush.tick, 0, 0, flush.definition
  if flush.logged == 1 then group.logged = flush.tick end
  group.said = group.said + notifications
  redis.call('HSET', KEYS[2], id, format_group(group))
  redis.call('ZADD', KEYS[1], ms(next_look), id)
  if flush.unsaid == 1 then
    redis.call('SADD', KEYS[4], id)
  elseif not stays then
    redis.call('SREM', KEYS[4], id)
  end
  flush.next = next_look
end
write_tally(tally, KEYS[7], ARGV[2])

local function remember(text)
  redis.call('LPUSH', KEYS[13], text)
  redis.call('LTRIM', KEYS[13], 0, flush.history - 1)
  redis.call('EXPIRE', KEYS[13], 604800)
end

for position = 1, notifications do
  local list, at = {}, FIRST_NOTIFICATION + 2 * (position - 1)
  for unit, number in pairs(units[position] or {}) do
    local agent, route = string.match(unit, '^(%S+) (%S+)$')
    list[#list + 1] = string.format('[%s,%s,%d]', cjson.encode(agent), cjson.encode(route), number)
  end
  redis.call('RPUSH', KEYS[8], ARGV[at] .. ',"units":[' .. table.concat(list, ',') .. ']}')
  remember(ARGV[at + 1])
end
if says then
  redis.call('SADD', KEYS[9], flush.channel)
  -- A lane that was set back stays so.
  local at = redis.call('ZSCORE', KEYS[14], flush.lane)
  if not at or (flush.urgent == 1 and tonumber(at) <= now) then
    redis.call('ZADD', KEYS[14], flush.urgent == 1 and 0 or ms(now), flush.lane)
  end
  redis.call('HINCRBY', KEYS[10], 'routed', notifications)
  redis.call('HINCRBY', KEYS[10], 'pending', notifications)
  if channel_tat then redis.call('SET', KEYS[11], ms(channel_tat)) end
  if route_tat then redis.call('HSET', KEYS[12], flush.route, ms(route_tat)) end
end

local digest = flush.digest
if digest then
  local HELD_RULES, sum = 256, 0
  for _, pair in ipairs(digest.rules) do
    local rule, number = pair[1], pair[2]
    if redis.call('HLEN', KEYS[15]) >= HELD_RULES and redis.call('HEXISTS', KEYS[15], rule) == 0 then rule = '(other rules)' end
    redis.call('HINCRBY', KEYS[15], rule, number)
    sum = sum + number
  end
  -- No rule has an empty name.
  if digest.ended > 0 or sum == 0 then redis.call('HINCRBY', KEYS[15], '', digest.ended) end
  for unit, number in pairs(units[1] or {}) do redis.call('HINCRBY', KEYS[16], unit, number) end
  redis.call('ZADD', KEYS[17], 'LT', ms(digest.due), flush.channel)
  redis.call('HINCRBY', KEYS[10], 'routed', sum)
  redis.call('HINCRBY', KEYS[10], 'held', sum)
  if digest.prefix ~= '' then
    local due = tonumber(redis.call('ZSCORE', KEYS[17], flush.channel))
    remember(cjson.encode({ digest.prefix .. ms(due), now, 'digest', flush.channel, '', due }))
  end
end
return { says and 'said' or 'done', flush.next == 0 and -1 or flush.next }
