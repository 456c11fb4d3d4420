-- What a flush changes beside the group itself. A large group is flushed by several calls, so each of these takes some rows at a time.

-- What became of alerts: list of [fingerprint, state seen, new state, position of its notification]. Answers how many go with each
-- notification (q), by its position and `agent route`.
local function apply_outcomes(RECORDS, outcomes, tally)
  local fingerprints, records, units = {}, {}, {}
  for i, outcome in ipairs(outcomes) do fingerprints[i] = outcome[1] end
  local texts = read_many(RECORDS, fingerprints)
  for _, outcome in ipairs(outcomes) do
    local fingerprint, seen, state = outcome[1], outcome[2], outcome[3]
    local alert = parse_alert(texts[fingerprint])
    -- The state may have been changed by another group of the same alert.
    if alert and alert.state == seen then
      alert.state = state
      records[#records + 1], records[#records + 2] = fingerprint, format_alert(alert)
      add(tally, alert.agent, alert.route, OUTCOMES[seen], -1)
      add(tally, alert.agent, alert.route, OUTCOMES[state], 1)
      if state == 'q' then
        local unit, of = alert.agent .. ' ' .. alert.route, units[outcome[4] or 1] or {}
        of[unit] = (of[unit] or 0) + 1
        units[outcome[4] or 1] = of
      end
    end
  end
  call_many(records, 'HSET', RECORDS)
  return units
end

-- Members from now on: list of [fingerprint, flags without m and number, occurrences told now, number when it has none (false: none)] and, of
-- one that ended, its end and update as they were read: it leaves unless it fires again or ended anew since then. Answers whether one stays
-- for that. Occurrences are only there where they are counted.
local function apply_flags(RECORDS, MEMBERS, rows)
  local fingerprints, ended = {}, {}
  for i, row in ipairs(rows) do
    fingerprints[i] = row[1]
    if row[5] then ended[#ended + 1] = row[1] end
  end
  local texts, known = read_many(RECORDS, ended), read_many(MEMBERS, fingerprints)
  local changes, removed, stays = {}, {}, false
  for _, row in ipairs(rows) do
    local fingerprint, flags = row[1], row[2]
    local alert = row[5] and parse_alert(texts[fingerprint])
    local leaves = row[5] and (not alert or (alert.ends == row[5] and alert.updated == row[6]))
    if row[5] and not leaves then stays = true end
    local present = known[fingerprint] or ''
    if has(present, 'm') and not leaves then
      flags = flags .. 'm'
      local number = tonumber(string.match(present, '%-?%d+') or '')
      local said = number and row[3] and number + row[3] or row[4]
      if said then flags = flags .. string.format('%d', said) end
    end
    if flags == '' then
      removed[#removed + 1] = fingerprint
    elseif flags ~= known[fingerprint] then
      changes[#changes + 1], changes[#changes + 2] = fingerprint, flags
    end
  end
  call_many(changes, 'HSET', MEMBERS)
  call_many(removed, 'HDEL', MEMBERS)
  return stays
end

-- The units of a flush that never came to its end, as a table from `agent route` to a number; they are gone then.
local function take_units(UNITS)
  local units, flat = {}, redis.call('HGETALL', UNITS)
  for i = 1, #flat, 2 do units[flat[i]] = tonumber(flat[i + 1]) end
  if #flat > 0 then redis.call('DEL', UNITS) end
  return units
end

-- Drops what a group that is gone leaves. What was to go with a notification that will never be said has expired.
local function drop_rest(UNITS, ROWS, tally)
  for unit, number in pairs(take_units(UNITS)) do
    local agent, route = string.match(unit, '^(%S+) (%S+)$')
    add(tally, agent, route, 'pending', -number)
    add(tally, agent, route, 'expired', number)
  end
  redis.call('DEL', ROWS)
end
