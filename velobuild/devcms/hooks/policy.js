/// Who may call, how often, and what a refusal looks like.

const HOUR_MS = 3600 * 1000
const DAY_MS = 24 * HOUR_MS

// A refusal on its way out. `headers` go with the answer.
function refusal(status, code, message, details, headers) {
  return { refusal: true, status: status, code: code, message: message, details: details || {}, headers: headers || {} }
}

function switches() {
  return JSON.parse($app.findFirstRecordByFilter("switches", "id != ''").getString("settings"))
}

// The record of the key that the request carries. Only its SHA-256 is known here, so a lookup by it is the comparison.
function keyOf(e) {
  const match = /^Bearer (velo_[0-9a-f]{64})$/.exec(e.request.header.get("Authorization"))
  if (match) {
    try {
      const key = $app.findFirstRecordByData("api_keys", "sha256", $security.sha256(match[1]))
      if (!key.getString("revoked_at")) {
        return key
      }
    } catch (_) {
      // No such row.
    }
  }
  throw refusal(401, "UNAUTHORIZED", "The API key is missing, unknown or revoked.")
}

function needScope(key, scope, switches) {
  const scopes = JSON.parse(key.getString("scopes")) || []
  if (!scopes.includes(scope)) {
    throw refusal(403, switches.missing_scope_code, `The API key lacks the scope ${scope}.`, { required_scope: scope })
  }
}

// Counts the call and answers the rate headers, or throws the refusal.
//
// The whole decision happens inside `setFunc`, which holds the store's lock: with `get` and `set`, two calls at the
// same moment would both see the old count. A refused call uses up nothing.
function admit(keyId, switches, now) {
  const window = switches.rate_limit > 0 ? switches.rate_window_ms : 0
  const longest = Math.max(window, switches.hourly_limit > 0 ? HOUR_MS : 0)
  const today = Math.floor(now / DAY_MS)
  let refused = null
  let inWindow = []
  $app.store().setFunc("calls:" + keyId, (old) => {
    const state = old ? JSON.parse(old) : { times: [], day: today, used: 0 }
    if (state.day !== today) {
      state.day = today
      state.used = 0
    }
    state.times = state.times.filter((at) => at > now - longest)
    inWindow = state.times.filter((at) => at > now - window)
    const inHour = state.times.filter((at) => at > now - HOUR_MS)
    if (switches.daily_quota > 0 && state.used >= switches.daily_quota) {
      refused = { code: "QUOTA_EXCEEDED", until: (today + 1) * DAY_MS, message: "The daily quota is used up." }
    } else if (window > 0 && inWindow.length >= switches.rate_limit) {
      refused = { code: "RATE_LIMITED", until: inWindow[inWindow.length - switches.rate_limit] + window, message: "Too many requests." }
    } else if (switches.hourly_limit > 0 && inHour.length >= switches.hourly_limit) {
      refused = { code: "RATE_LIMITED", until: inHour[inHour.length - switches.hourly_limit] + HOUR_MS, message: "Too many requests this hour." }
    } else {
      state.used += 1
      if (longest > 0) {
        state.times.push(now)
      }
      inWindow.push(now)
    }
    return JSON.stringify(state)
  })

  const headers = {}
  if (switches.rate_headers && window > 0) {
    headers["X-RateLimit-Limit"] = String(switches.rate_limit)
    headers["X-RateLimit-Remaining"] = String(Math.max(0, switches.rate_limit - inWindow.length))
    const reset = refused ? refused.until : inWindow[0] + window
    headers["X-RateLimit-Reset"] = String(Math.ceil(reset / 1000))
  }
  if (refused) {
    // Whole seconds, rounded up, so that who waits exactly that long gets through.
    const seconds = Math.max(1, Math.ceil((refused.until - now) / 1000))
    if (switches.retry_after === "seconds") {
      headers["Retry-After"] = String(seconds)
    } else if (switches.retry_after === "date") {
      headers["Retry-After"] = new Date(Math.ceil(refused.until / 1000) * 1000).toUTCString().replace("UTC", "GMT")
    }
    throw refusal(429, refused.code, refused.message, { retry_after: seconds }, headers)
  }
  return headers
}

module.exports = { refusal, switches, keyOf, needScope, admit }
