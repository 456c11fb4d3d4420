--[[
Admits one batch: replay check, folding, storing, throttling and outbox, all or nothing. The script reads, then decides, then writes:
every check that can refuse comes before the first write, and the first write is one that Redis denies when it is full or
read-only, so nothing is ever half stored. Reads and writes take many values at once; that is what makes it fast.

KEYS  1 agent  2 its sequences  3 ledger  4 alert records  5 open fingerprints  6 alert index  7 alert counter
      8 lanes with work  9 held due  10 version of the channels  11 outcomes  12 the bodies of the alerts, a key that the caller wrote for this;
      then for each channel of the request seven keys:
      lane entries, held counters, throttle bucket, channel ledger, agents of what is held, entries of its urgent lane, lanes by time;
      then those of `plan_groups`
ARGV  1 the request as JSON: agent, kid, seq (text), digest, version (of the channels), remembered (sequence numbers kept), window, retention (ms),
        capacity (alerts kept), lane_capacity, channels: list of [name, interval_us, burst_us, urgent lane,
        period of digests (ms)] (interval 0: no throttle; period 0: it is told no digests), accepted: how many alerts the batch stands for;
        of each alert, in lists: fingerprints, ids, seen: text of occurrences, first and last in ms, and of the first and the last byte of its
        body in the bodies; with channels also routed: list of [rule, list of channel positions from 1, 1 when it is critical];
        prefix: of the keys of the ledger by agent and by route, batches: prefix of the keys of the bodies,
        grouped: with a routing tree, what goes into groups; the last of each alert there is its position in those lists
Bodies stay together, and never become a string of Lua, which would hash every byte of them: records say where in those of their batch each is.
A record is `fingerprint occurrences first last from to opened bodies agent`.
Answer  { status, ... } where status is
      agent_unknown | agent_revoked | sequence_conflict | sequence_stale   nothing changed
      repeated                                                             the same batch was admitted before; nothing changed
      channels_changed                                                     they are of another version; nothing changed
      bodies_lost                                                          they expired before this ran; nothing changed
      admitted, number of alerts stored new, { their positions, unless all were }, { positions of channels with new entries },
        alerts dropped for room, 1 when a group is due now
]]
local request = cjson.decode(ARGV[1])
local AGENT, SEQUENCES, LEDGER, RECORDS, OPEN, INDEX = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local COUNTER, LANES, DUE, VERSION, OUTCOMES_KEY, BODIES = KEYS[7], KEYS[8], KEYS[9], KEYS[10], KEYS[11], KEYS[12]
local FIRST_FREE_KEY, KEYS_OF_CHANNEL = 12, 7
local RECORD = '^(%x+) (%d+) (%-?%d+) (%-?%d+) (%d+ %d+) (%d+ %d+ .*)$'
local SEEN = '^(%d+) (%-?%d+) (%-?%d+) (%d+) (%d+)$'
local HELD_RULES, OTHER_RULES = 256, '(other rules)'
local FULL_LANE_MS = 60000
local fingerprints, ids, seen, routed = request.fingerprints, request.ids, request.seen, request.routed
local tally = tally_of()

local sequence, last_sequence = request.seq .. ' ' .. request.digest, 0
local function refusal()
  local agent = redis.call('HMGET', AGENT, 'kid', 'revoked', 'last_sequence')
  if not agent[1] or agent[1] ~= request.kid then return 'agent_unknown' end
  if agent[2] == '1' then return 'agent_revoked' end
  local known = redis.call('ZRANGEBYSCORE', SEQUENCES, request.seq, request.seq)[1]
  if known then return known == sequence and 'repeated' or 'sequence_conflict' end
  last_sequence = tonumber(agent[3] or '0')
  if tonumber(request.seq) <= last_sequence - request.remembered then return 'sequence_stale' end
  if (redis.call('GET', VERSION) or '0') ~= request.version then return 'channels_changed' end
  if #ids > 0 and redis.call('EXISTS', BODIES) == 0 then return 'bodies_lost' end
end
local refused = refusal()
if refused then
  redis.call('DEL', BODIES)
  return { refused }
end
last_sequence = math.max(last_sequence, tonumber(request.seq))

local clock = redis.call('TIME')
local now_us = tonumber(clock[1]) * 1000000 + tonumber(clock[2])
local now = math.floor(now_us / 1000)
local now_text = string.format('%.0f', now)

-- HMGET as a table from field to value, false for what is not there.
local function read(key, fields)
  local found = {}
  if #fields == 0 then return found end
  for i, value in ipairs(redis.call('HMGET', key, unpack(fields))) do found[fields[i]] = value end
  return found
end

-- Channels: each is read once, decided on in memory, and written once.
local channels = {}
local function channel_at(position)
  local channel = channels[position]
  if channel then return channel end
  local definition, first = request.channels[position], FIRST_FREE_KEY + (position - 1) * KEYS_OF_CHANNEL
  channel = {
    name = definition[1], interval = definition[2], burst = definition[3], period = definition[5],
    HELD = KEYS[first + 2], BUCKET = KEYS[first + 3], LEDGER = KEYS[first + 4],
    HELD_UNITS = KEYS[first + 5], READY = KEYS[first + 7],
    plain = { ENTRIES = KEYS[first + 1], entries = {} },
    urgent = { ENTRIES = KEYS[first + 6], entries = {}, name = definition[4] },
    held = {}, held_units = {}, rules = 0, routed = 0, pending = 0, held_change = 0,
  }
  channel.tat = channel.interval > 0 and tonumber(redis.call('GET', channel.BUCKET) or '0') or 0
  -- Later than a full bucket: the throttle was narrower, or the clock was ahead, when it was written.
  channel.tat = math.min(channel.tat, now_us + 2 * (channel.burst + channel.interval))
  local held = redis.call('HGETALL', channel.HELD)
  for i = 1, #held, 2 do
    channel.held[held[i]] = tonumber(held[i + 1])
    channel.rules = channel.rules + 1
  end
  local units = channel.rules > 0 and redis.call('HGETALL', channel.HELD_UNITS) or {}
  for i = 1, #units, 2 do channel.held_units[units[i]] = tonumber(units[i + 1]) end
  channels[position] = channel
  return channel
end

-- Whether the channel may be told now; takes a token of its bucket (GCRA). What is critical may take as many again in advance, so that
-- what is not cannot keep it waiting.
local function admits(channel, lane)
  if channel.period > 0 then
    channel.due = (math.floor(now / channel.period) + 1) * channel.period
    return false
  end
  lane.length = lane.length or redis.call('LLEN', lane.ENTRIES)
  if lane.length >= request.lane_capacity then
    channel.due = now + FULL_LANE_MS
    return false
  end
  if channel.interval == 0 then return true end
  local advance = lane == channel.urgent and channel.burst + channel.interval or 0
  if now_us < channel.tat - channel.burst - advance then
    channel.due = math.ceil((channel.tat - channel.burst) / 1000)
    return false
  end
  channel.tat = math.max(channel.tat, now_us) + channel.interval
  return true
end

local function hold(channel, rule, accounted)
  if accounted then channel.held_units[request.agent] = (channel.held_units[request.agent] or 0) + 1 end
  if not channel.held[rule] then
    if channel.rules >= HELD_RULES then rule = OTHER_RULES end
    if not channel.held[rule] then channel.rules = channel.rules + 1 end
  end
  channel.held[rule] = (channel.held[rule] or 0) + 1
  channel.held_change = channel.held_change + 1
  channel.holds = true
end

-- Puts an alert into a lane of a channel, with what was held back before it; or holds it back too.
-- The first of its channels accounts for it in the ledger.
local function tell(channel, id, rule, accounted, critical)
  channel.routed = channel.routed + 1
  local lane = critical == 1 and channel.urgent or channel.plain
  if not admits(channel, lane) then
    hold(channel, rule, accounted)
    return false
  end
  local entry = { id = id .. '-' .. channel.name, time = now, alert = id, rule = rule }
  if accounted then entry.units = { { request.agent, '-', 1 } } end
  channel.pending = channel.pending + 1
  if channel.rules > 0 then
    entry.held = {}
    for held_rule, number in pairs(channel.held) do
      -- The number of those that ended stands under an empty name.
      if held_rule ~= '' then
        entry.held[#entry.held + 1] = { held_rule, number }
        channel.pending, channel.held_change = channel.pending + number, channel.held_change - number
      end
    end
    if #entry.held == 0 then entry.held = nil end
    for unit, number in pairs(channel.held_units) do
      local agent, route = string.match(unit, '^(%S+) ?(%S*)$')
      entry.units = entry.units or {}
      entry.units[#entry.units + 1] = { agent, route ~= '' and route or '-', number, 'digested' }
    end
    channel.held, channel.held_units = {}, {}
    channel.rules, channel.holds, channel.told_held = 0, false, true
  end
  lane.entries[#lane.entries + 1] = cjson.encode(entry)
  lane.length = lane.length + 1
  return true
end

-- What is stored now of the same kind, and under the same ids.
local open = read(OPEN, fingerprints)
local asked = {}
for i, id in ipairs(ids) do asked[i] = id end
for _, id in pairs(open) do
  if id then asked[#asked + 1] = id end
end
local records = read(RECORDS, asked)

-- Folds into the open alert of the same fingerprint; false when there is none within the window.
local changed = {}
local function fold(i)
  local id = open[fingerprints[i]]
  if id == ids[i] then return true end
  local record = id and records[id]
  if not record then return false end
  local fingerprint, count, first, last, place, rest = string.match(record, RECORD)
  local occurrences, new_first, new_last = string.match(seen[i], SEEN)
  local opened = tonumber(string.match(rest, '^%d+'))
  if now - opened >= request.window or math.abs(new_first - first) >= request.window then return false end
  records[id] = string.format('%s %d %d %d %s %s', fingerprint, count + occurrences, math.min(first, new_first),
    math.max(last, new_last), place, rest)
  changed[id] = true
  return true
end

local ledger = { accepted = request.accepted, unrouted = 0, queued = 0, held = 0, grouped = 0 }
-- Positions of what is stored new, and ids under which the others are stored.
local stored, folded_into = {}, {}
local order = tonumber(redis.call('GET', COUNTER) or '0')
-- The number of the first alert names the bodies of the batch.
local batch = string.format('%.0f', order + 1)
local opened_here = ' ' .. now_text .. ' ' .. batch .. ' ' .. request.agent
for i, id in ipairs(ids) do
  local fingerprint = fingerprints[i]
  if (open[fingerprint] and fold(i)) or records[id] then
    folded_into[i] = open[fingerprint] or id
  else
    stored[#stored + 1] = i
    records[id], open[fingerprint] = fingerprint .. ' ' .. seen[i] .. opened_here, id
    if routed then
      local rule, positions, critical = unpack(routed[i])
      local queued = false
      for first, position in ipairs(positions) do
        queued = tell(channel_at(position), id, rule, first == 1, critical) or queued
      end
      local state = #positions == 0 and 'unrouted' or queued and 'queued' or 'held'
      ledger[state] = ledger[state] + 1
    end
  end
end
order = order + #stored
ledger.deduplicated = request.accepted - #stored
if not routed then ledger[request.grouped and 'grouped' or 'unrouted'] = #stored end
if not request.grouped then
  add(tally, request.agent, '-', 'accepted', ledger.accepted)
  add(tally, request.agent, '-', 'deduplicated', ledger.deduplicated)
  add(tally, request.agent, '-', 'unrouted', ledger.unrouted)
  add(tally, request.agent, '-', 'pending', ledger.queued + ledger.held)
end

-- What is stored new. Of a batch of which only a part is, the bodies are laid together anew.
local is_whole = #stored == #ids
local new_ids, new_open, bodies, at = {}, {}, {}, 0
for n, i in ipairs(stored) do
  local id = ids[i]
  new_ids[n], new_open[2 * n - 1], new_open[2 * n] = id, fingerprints[i], id
  if not is_whole then
    local _, _, _, from, to = string.match(seen[i], SEEN)
    bodies[n] = redis.call('GETRANGE', BODIES, from, to)
    local fingerprint, count, first, last, _, rest = string.match(records[id], RECORD)
    local place = string.format('%d %d', at, at + #bodies[n] - 1)
    records[id] = table.concat({ fingerprint, count, first, last, place, rest }, ' ')
    at = at + #bodies[n]
  end
end

local plan
if request.grouped then
  request.grouped.now = now
  for _, alert in ipairs(request.grouped.alerts) do alert[9] = folded_into[alert[17]] or ids[alert[17]] end
  plan = plan_groups(request.grouped, FIRST_FREE_KEY + KEYS_OF_CHANNEL * #request.channels)
end

-- From here on only writes. The first is refused when Redis is full or read-only.
redis.call('ZADD', SEQUENCES, request.seq, sequence)
redis.call('ZREMRANGEBYSCORE', SEQUENCES, '-inf', last_sequence - request.remembered)
if #stored > 0 then
  redis.call('SET', COUNTER, string.format('%.0f', order))
  if is_whole then
    redis.call('RENAME', BODIES, request.batches .. batch)
    redis.call('PERSIST', request.batches .. batch)
  else
    redis.call('SET', request.batches .. batch, table.concat(bodies))
  end
  redis.call('HSET', OPEN, unpack(new_open))
  redis.call('RPUSH', INDEX, unpack(new_ids))
end
if #stored == 0 or not is_whole then redis.call('DEL', BODIES) end
local new_records = {}
for n, id in ipairs(new_ids) do
  new_records[2 * n - 1], new_records[2 * n] = id, records[id]
  changed[id] = nil
end
for id in pairs(changed) do
  new_records[#new_records + 1], new_records[#new_records + 2] = id, records[id]
end
if #new_records > 0 then redis.call('HSET', RECORDS, unpack(new_records)) end

local function count(key, counters)
  for state, number in pairs(counters) do
    if number ~= 0 then redis.call('HINCRBY', key, state, number) end
  end
end

local woken = {}
for position, channel in pairs(channels) do
  local plain, urgent = channel.plain, channel.urgent
  if #plain.entries > 0 then redis.call('RPUSH', plain.ENTRIES, unpack(plain.entries)) end
  if #urgent.entries > 0 then
    redis.call('RPUSH', urgent.ENTRIES, unpack(urgent.entries))
    -- A lane that was set back stays so.
    local at = redis.call('ZSCORE', channel.READY, urgent.name)
    if not at or tonumber(at) <= now then redis.call('ZADD', channel.READY, 0, urgent.name) end
  end
  if #plain.entries + #urgent.entries > 0 then
    redis.call('SADD', LANES, channel.name)
    woken[#woken + 1] = position
  end
  if channel.interval > 0 then redis.call('SET', channel.BUCKET, string.format('%.0f', channel.tat)) end
  if channel.told_held then
    redis.call('DEL', channel.HELD, channel.HELD_UNITS)
    redis.call('ZREM', DUE, channel.name)
  end
  if channel.holds then
    local held = {}
    for rule, number in pairs(channel.held) do held[#held + 1], held[#held + 2] = rule, number end
    redis.call('HSET', channel.HELD, unpack(held))
    for unit, number in pairs(channel.held_units) do redis.call('HSET', channel.HELD_UNITS, unit, number) end
    -- A digest that is due is not put off by what comes before it is made.
    if channel.period > 0 then
      redis.call('ZADD', DUE, 'LT', channel.due, channel.name)
    else
      redis.call('ZADD', DUE, channel.due, channel.name)
    end
  end
  count(channel.LEDGER, { routed = channel.routed, pending = channel.pending, held = channel.held_change })
end

-- Room: the oldest go first, by number and by age. Bounded by the batch, so that one call never takes long.
local function make_room()
  local excess = redis.call('LLEN', INDEX) - request.capacity
  local most = excess > 0 and #ids + 16 or 16
  local too_old = now - request.retention - request.window
  local function read_oldest(number)
    local ids, of = redis.call('LRANGE', INDEX, 0, number - 1), {}
    local known = read(RECORDS, ids)
    for i, id in ipairs(ids) do
      local fingerprint, opened, bodies = string.match(known[id] or '', '^(%x+) %d+ %-?%d+ %-?%d+ %d+ %d+ (%d+) (%d+)')
      of[i] = { id = id, fingerprint = fingerprint or '', opened = tonumber(opened or '0'), bodies = bodies }
    end
    return of
  end
  local oldest = read_oldest(1)
  if excess <= 0 and (#oldest == 0 or oldest[1].opened >= too_old) then return 0 end
  -- One more than may go: whether the bodies of the last go with it depends on what stays.
  oldest = read_oldest(most + 1)
  local dropped, fingerprints, bodies = {}, {}, {}
  for i = 1, math.min(#oldest, most) do
    local one, after = oldest[i], oldest[i + 1]
    if i > excess and one.opened >= too_old then break end
    local state = i <= excess and 'dropped_full' or 'dropped_aged'
    ledger[state] = (ledger[state] or 0) + 1
    dropped[i], fingerprints[i] = one.id, one.fingerprint
    if one.bodies and not (after and after.bodies == one.bodies) then bodies[#bodies + 1] = request.batches .. one.bodies end
  end
  if #dropped == 0 then return 0 end
  local closed = {}
  for i, id in ipairs(redis.call('HMGET', OPEN, unpack(fingerprints))) do
    if id == dropped[i] then closed[#closed + 1] = fingerprints[i] end
  end
  if #closed > 0 then redis.call('HDEL', OPEN, unpack(closed)) end
  if #bodies > 0 then redis.call('DEL', unpack(bodies)) end
  redis.call('HDEL', RECORDS, unpack(dropped))
  redis.call('LPOP', INDEX, #dropped)
  return #dropped
end
local dropped = make_room()

local due = plan and apply_groups(plan, request.prefix) or 0
write_tally(tally, OUTCOMES_KEY, request.prefix)
count(LEDGER, ledger)
redis.call('HINCRBY', AGENT, 'alerts', ledger.accepted)
redis.call('HSET', AGENT, 'last_seen', now_text, 'last_sequence', string.format('%.0f', last_sequence))
return { 'admitted', #stored, is_whole and {} or stored, woken, dropped, due }
