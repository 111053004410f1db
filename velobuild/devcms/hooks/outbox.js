/// The outbox of webhook deliveries: what is written when something happens, and what the deliverer reads and reports.

const shape = require(`${__hooks}/shape.js`)

const FAILED_DELIVERIES_MAX = 5

// Events of a post are those that change what the public sees.
function postChanged(app, before, post) {
  const now = post.getString("status")
  if (now === "published") {
    announce(app, before === "published" ? "post.updated" : "post.published", post)
  } else if (before === "published") {
    announce(app, "post.updated", post)
  }
}

function postDeleted(app, post) {
  if (post.getString("status") === "published") {
    announce(app, "post.deleted", post)
  }
}

function announce(app, event, post) {
  const publishedAt = post.getString("published_at").replace(" ", "T")
  queue(app, event, (webhook) => (webhook.getString("variant") === "v1" ? {
    post_id: post.id,
    title: post.getString("title"),
    slug: post.getString("slug"),
    published_at: publishedAt || null,
    tenant_id: tenantId(app),
  } : {
    slug: post.getString("slug"),
    title: post.getString("title"),
    url: app.settings().meta.appURL.replace(/\/+$/, "") + "/" + encodeURIComponent(post.getString("slug")),
    excerpt: post.getString("excerpt"),
    author: { name: String((shape.parsed(post, "extra") || {}).author || "") },
    published_at: publishedAt || null,
    tags: shape.parsed(post, "tags") || [],
  }))
}

function commentReceived(app, comment) {
  queue(app, "comment.received", () => ({
    comment_id: comment.id,
    post_id: comment.getString("post_id"),
    author_name: comment.getString("author_name"),
    status: comment.getString("status"),
    tenant_id: tenantId(app),
  }))
}

function tenantId(app) {
  const rows = app.findRecordsByFilter("site_settings", "id != ''", "created,id", 1, 0)
  return rows.length > 0 ? rows[0].getString("tenant_id") : ""
}

function queue(app, event, contentFor) {
  for (const webhook of app.findRecordsByFilter("webhooks", "enabled = true", "created,id", 0, 0)) {
    if ((shape.parsed(webhook, "events") || []).includes(event)) {
      append(app, webhook, event, contentFor(webhook))
    }
  }
}

function append(app, webhook, event, content) {
  const now = Date.now()
  const row = new Record(app.findCollectionByNameOrId("webhook_deliveries"))
  const id = $security.randomStringWithAlphabet(15, "abcdefghijklmnopqrstuvwxyz0123456789")
  const body = webhook.getString("variant") === "v1"
    ? { event: event, timestamp: Math.floor(now / 1000), payload: content }
    : { event: event, timestamp: new Date(now).toISOString(), id: "dlv_" + id, data: content }
  row.set("id", id)
  row.set("webhook", webhook.id)
  row.set("event", event)
  row.set("body", JSON.stringify(body))
  row.set("state", "pending")
  row.set("next_at_ms", now)
  app.save(row)
  return id
}

// The record, or null if it is gone: a webhook may be removed, with its deliveries, while one is under way.
function present(app, collection, id) {
  const found = app.findRecordsByIds(collection, [id])
  return found.length > 0 ? found[0] : null
}

// GET ?now=ms → the deliveries whose time has come, oldest first.
function due(e) {
  const now = Number(e.request.url.query().get("now"))
  const rows = $app.findRecordsByFilter("webhook_deliveries", "state = 'pending' && next_at_ms <= {:now}", "next_at_ms,created,id", 200, 0, { now: now })
  const deliveries = []
  for (const row of rows) {
    const webhook = present($app, "webhooks", row.getString("webhook"))
    if (!webhook) {
      continue
    }
    deliveries.push({
      id: row.id,
      webhook_id: webhook.id,
      url: webhook.getString("url"),
      variant: webhook.getString("variant"),
      secret: webhook.getString("secret"),
      body: row.getString("body"),
      attempts: row.getInt("attempts"),
    })
  }
  return e.json(200, { deliveries: deliveries })
}

// POST {"delivered": bool, "status": int, "error": text, "next_at_ms": int∣null}: how one attempt ended. Without a
// further attempt a failed delivery counts against its webhook, and the fifth in a row switches that off.
function settle(e) {
  const outcome = e.requestInfo().body
  $app.runInTransaction((tx) => {
    const row = present(tx, "webhook_deliveries", e.request.pathValue("id"))
    if (!row) {
      return
    }
    row.set("attempts", row.getInt("attempts") + 1)
    row.set("last_status", outcome.status)
    row.set("last_error", outcome.error)
    const ended = outcome.delivered || outcome.next_at_ms === null
    row.set("state", outcome.delivered ? "delivered" : ended ? "failed" : "pending")
    row.set("next_at_ms", ended ? 0 : outcome.next_at_ms)
    tx.save(row)
    if (ended) {
      count(tx, tx.findRecordById("webhooks", row.getString("webhook")), outcome.delivered)
    }
  })
  return e.noContent(204)
}

function count(tx, webhook, delivered) {
  const failures = delivered ? 0 : webhook.getInt("failures_in_a_row") + 1
  webhook.set("failures_in_a_row", failures)
  if (failures >= FAILED_DELIVERIES_MAX && webhook.getBool("enabled")) {
    webhook.set("enabled", false)
    tx.save(webhook)
    tx.db().newQuery("UPDATE webhook_deliveries SET state = 'dropped' WHERE state = 'pending' AND webhook = {:id}").bind({ id: webhook.id }).execute()
    return
  }
  tx.save(webhook)
}

// test.ping goes to one webhook, whatever events it asked for, even to one that was switched off.
function ping(e) {
  const webhook = $app.findRecordById("webhooks", e.request.pathValue("id"))
  return e.json(200, { id: append($app, webhook, "test.ping", { message: "Hello from the development CMS." }) })
}

module.exports = { postChanged, postDeleted, commentReceived, due, settle, ping }
