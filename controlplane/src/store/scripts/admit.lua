--[[
Admits one batch: replay check, folding, storing, throttling and outbox, all or nothing. The script reads, then decides, then writes:
every check that can refuse comes before the first write, and the first write is one that Redis denies when it is full or
read-only, so nothing is ever half stored. Reads and writes take many values at once; that is what makes it fast.

KEYS  1 agent  2 its sequences  3 ledger  4 alert bodies  5 alert records  6 open fingerprints  7 alert index  8 alert counter
      9 lanes with work  10 held due  11 version of the channels  12 outcomes; then for each channel of the request five keys:
      lane entries, held counters, throttle bucket, channel ledger, agents of what is held; then those of `plan_groups`
ARGV  1 the request as JSON: agent, kid, seq (text), digest, version (of the channels), remembered (sequence numbers kept), window, retention (ms),
        capacity (alerts kept), lane_capacity, channels: list of [name, interval_us, burst_us] (interval 0: no throttle),
        alerts: list of [fingerprint, id, occurrences, first_ms, last_ms, rule, list of channel positions from 1,
        text of occurrences, first and last, facts as text],
        prefix: of the keys of the ledger by agent and by route,
        grouped: with a routing tree, what goes into groups; the last of each alert there is its position in alerts
      i+1 the body of alert i, as it came (one argument each: Lua hashes every byte of every string it makes)
Answer  { status, ... } where status is
      agent_unknown | agent_revoked | sequence_conflict | sequence_stale   nothing changed
      repeated                                                             the same batch was admitted before; nothing changed
      channels_changed                                                     they are of another version; nothing changed
      admitted, { positions of alerts stored new }, { positions of channels with new entries },
        alerts dropped for room
]]
local request = cjson.decode(ARGV[1])
local AGENT, SEQUENCES, LEDGER, BODIES, RECORDS = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local OPEN, INDEX, COUNTER, LANES, DUE, VERSION = KEYS[6], KEYS[7], KEYS[8], KEYS[9], KEYS[10], KEYS[11]
local RECORD = '^(%x+) (%d+) (%-?%d+) (%-?%d+) (%d+) (.*)$'
local HELD_RULES, OTHER_RULES = 256, '(other rules)'
local FULL_LANE_MS = 60000
local alerts = request.alerts
local OUTCOMES_KEY = KEYS[12]
local tally = tally_of()

-- Refusals.
local agent = redis.call('HMGET', AGENT, 'kid', 'revoked', 'last_sequence')
if not agent[1] or agent[1] ~= request.kid then return { 'agent_unknown' } end
if agent[2] == '1' then return { 'agent_revoked' } end
local sequence = request.seq .. ' ' .. request.digest
local seen = redis.call('ZRANGEBYSCORE', SEQUENCES, request.seq, request.seq)[1]
if seen then return { seen == sequence and 'repeated' or 'sequence_conflict' } end
local last_sequence = tonumber(agent[3] or '0')
if tonumber(request.seq) <= last_sequence - request.remembered then return { 'sequence_stale' } end
if (redis.call('GET', VERSION) or '0') ~= request.version then return { 'channels_changed' } end
last_sequence = math.max(last_sequence, tonumber(request.seq))

local clock = redis.call('TIME')
local now_us = tonumber(clock[1]) * 1000000 + tonumber(clock[2])
local now = math.floor(now_us / 1000)
local now_text = string.format('%.0f', now)

-- HMGET as a table from field to value.
local function read(key, fields)
  local found = {}
  if #fields == 0 then return found end
  for i, value in ipairs(redis.call('HMGET', key, unpack(fields))) do found[fields[i]] = value end
  return found
end

local function column(list, position)
  local values = {}
  for i, row in ipairs(list) do values[i] = row[position] end
  return values
end

-- Channels: each is read once, decided on in memory, and written once.
local channels = {}
local function channel_at(position)
  local channel = channels[position]
  if channel then return channel end
  local definition, first = request.channels[position], 12 + (position - 1) * 5
  channel = {
    name = definition[1], interval = definition[2], burst = definition[3],
    ENTRIES = KEYS[first + 1], HELD = KEYS[first + 2], BUCKET = KEYS[first + 3], LEDGER = KEYS[first + 4],
    HELD_UNITS = KEYS[first + 5],
    entries = {}, held = {}, held_units = {}, rules = 0, routed = 0, pending = 0, held_change = 0,
  }
  channel.length = redis.call('LLEN', channel.ENTRIES)
  channel.tat = channel.interval > 0 and tonumber(redis.call('GET', channel.BUCKET) or '0') or 0
  -- Later than a full bucket: the throttle was narrower, or the clock was ahead, when it was written.
  channel.tat = math.min(channel.tat, now_us + channel.burst + channel.interval)
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

-- Whether the channel may be told now; takes a token of its bucket (GCRA).
local function admits(channel)
  if channel.length >= request.lane_capacity then
    channel.due = now + FULL_LANE_MS
    return false
  end
  if channel.interval == 0 then return true end
  if now_us < channel.tat - channel.burst then
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

-- Puts an alert into the lane of a channel, with what was held back before it; or holds it back too.
-- The first of its channels accounts for it in the ledger.
local function tell(channel, id, rule, accounted)
  channel.routed = channel.routed + 1
  if not admits(channel) then
    hold(channel, rule, accounted)
    return false
  end
  local entry = { id = id .. '-' .. channel.name, time = now, alert = id, rule = rule }
  if accounted then entry.units = { { request.agent, '-', 1 } } end
  channel.pending = channel.pending + 1
  if channel.rules > 0 then
    entry.held = {}
    for held_rule, number in pairs(channel.held) do
      entry.held[#entry.held + 1] = { held_rule, number }
      channel.pending, channel.held_change = channel.pending + number, channel.held_change - number
    end
    for unit, number in pairs(channel.held_units) do
      entry.units = entry.units or {}
      entry.units[#entry.units + 1] = { unit, '-', number, 'digested' }
    end
    channel.held, channel.held_units = {}, {}
    channel.rules, channel.holds, channel.told_held = 0, false, true
  end
  channel.entries[#channel.entries + 1] = cjson.encode(entry)
  channel.length = channel.length + 1
  return true
end

-- What is stored now of the same kind, and under the same ids.
local open = read(OPEN, column(alerts, 1))
local ids = column(alerts, 2)
for _, id in pairs(open) do
  if id then ids[#ids + 1] = id end
end
local records = read(RECORDS, ids)

-- Folds into the open alert of the same fingerprint; false when there is none within the window.
local changed = {}
local function fold(alert)
  local id = open[alert[1]]
  if id and id == alert[2] then return true end
  local record = id and records[id]
  if not record then return false end
  local fingerprint, count, first, last, opened, rest = string.match(record, RECORD)
  if now - tonumber(opened) >= request.window or math.abs(alert[4] - tonumber(first)) >= request.window then
    return false
  end
  records[id] = string.format('%s %d %d %d %s %s', fingerprint, tonumber(count) + alert[3],
    math.min(tonumber(first), alert[4]), math.max(tonumber(last), alert[5]), opened, rest)
  changed[id] = true
  return true
end

local ledger = { accepted = 0, deduplicated = 0, unrouted = 0, queued = 0, held = 0, grouped = 0 }
local stored_as = {}
local function account(outcome, number)
  if not request.grouped then add(tally, request.agent, '-', outcome, number) end
end
local stored, new_bodies, new_open, new_index = {}, {}, {}, {}
local order = tonumber(redis.call('GET', COUNTER) or '0')
for i, alert in ipairs(alerts) do
  local fingerprint, id, occurrences = alert[1], alert[2], alert[3]
  ledger.accepted = ledger.accepted + occurrences
  account('accepted', occurrences)
  if fold(alert) or records[id] then
    ledger.deduplicated = ledger.deduplicated + occurrences
    account('deduplicated', occurrences)
    stored_as[i] = open[fingerprint] or id
  else
    stored_as[i] = id
    ledger.deduplicated = ledger.deduplicated + occurrences - 1
    account('deduplicated', occurrences - 1)
    order = order + 1
    stored[#stored + 1] = i
    records[id] = fingerprint .. ' ' .. alert[8] .. ' ' .. now_text .. ' ' .. alert[9]
    changed[id], open[fingerprint] = true, id
    new_bodies[#new_bodies + 1], new_bodies[#new_bodies + 2] = id, ARGV[i + 1]
    new_open[#new_open + 1], new_open[#new_open + 2] = fingerprint, id
    new_index[#new_index + 1], new_index[#new_index + 2] = order, id
    local queued = false
    for first, position in ipairs(alert[7]) do
      queued = tell(channel_at(position), id, alert[6], first == 1) or queued
    end
    local state = #alert[7] == 0 and 'unrouted' or queued and 'queued' or 'held'
    if request.grouped then state = 'grouped' end
    ledger[state] = ledger[state] + 1
    account(state == 'unrouted' and 'unrouted' or 'pending', 1)
  end
end

local plan
if request.grouped then
  request.grouped.now = now
  for _, alert in ipairs(request.grouped.alerts) do alert[9] = stored_as[alert[17]] end
  plan = plan_groups(request.grouped, 12 + 5 * #request.channels)
end

-- From here on only writes. The first is refused when Redis is full or read-only.
redis.call('ZADD', SEQUENCES, request.seq, sequence)
redis.call('ZREMRANGEBYSCORE', SEQUENCES, '-inf', last_sequence - request.remembered)
if #stored > 0 then
  redis.call('SET', COUNTER, string.format('%.0f', order))
  redis.call('HSET', BODIES, unpack(new_bodies))
  redis.call('HSET', OPEN, unpack(new_open))
  redis.call('ZADD', INDEX, unpack(new_index))
end
local new_records = {}
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
  if #channel.entries > 0 then
    redis.call('RPUSH', channel.ENTRIES, unpack(channel.entries))
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
    redis.call('ZADD', DUE, channel.due, channel.name)
  end
  count(channel.LEDGER, { routed = channel.routed, pending = channel.pending, held = channel.held_change })
end

-- Room: the oldest go first, by number and by age. Bounded by the batch, so that one call never takes long.
local function make_room()
  local excess = redis.call('ZCARD', INDEX) - request.capacity
  local oldest = redis.call('ZRANGE', INDEX, 0, math.max(excess, 0) > 0 and #alerts + 15 or 15)
  local known = read(RECORDS, oldest)
  local dropped, fingerprints = {}, {}
  for i, id in ipairs(oldest) do
    local fingerprint, opened = string.match(known[id] or '', '^(%x+) %d+ %-?%d+ %-?%d+ (%d+)')
    local aged = tonumber(opened or '0') < now - request.retention - request.window
    if i > excess and not aged then break end
    local state = i <= excess and 'dropped_full' or 'dropped_aged'
    ledger[state] = (ledger[state] or 0) + 1
    dropped[i], fingerprints[i] = id, fingerprint or ''
  end
  if #dropped == 0 then return 0 end
  local closed = {}
  for i, id in ipairs(redis.call('HMGET', OPEN, unpack(fingerprints))) do
    if id == dropped[i] then closed[#closed + 1] = fingerprints[i] end
  end
  if #closed > 0 then redis.call('HDEL', OPEN, unpack(closed)) end
  redis.call('HDEL', BODIES, unpack(dropped))
  redis.call('HDEL', RECORDS, unpack(dropped))
  redis.call('ZREMRANGEBYRANK', INDEX, 0, #dropped - 1)
  return #dropped
end
local dropped = make_room()

if plan then apply_groups(plan, request.prefix) end
write_tally(tally, OUTCOMES_KEY, request.prefix)
count(LEDGER, ledger)
redis.call('HINCRBY', AGENT, 'alerts', ledger.accepted)
redis.call('HSET', AGENT, 'last_seen', now_text, 'last_sequence', string.format('%.0f', last_sequence))
return { 'admitted', stored, woken, dropped }
