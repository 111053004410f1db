/// Records as the REST API shows them.

function parsed(record, field) {
  const text = record.getString(field)
  return text === "" ? null : JSON.parse(text)
}

// PocketBase keeps `YYYY-MM-DD HH:MM:SS.sssZ`, or "".
function date(record, field, switches) {
  const text = record.getString(field)
  const iso = switches.dates === "iso" || (switches.dates === "mixed" && field === "published_at")
  return iso ? text.replace(" ", "T") : text
}

// Puts optional fields on `item` as the switch says when they have no value.
function optional(item, fields, switches) {
  for (const name of Object.keys(fields)) {
    const value = fields[name]
    const hasValue = !(value === null || value === "" || (Array.isArray(value) && value.length === 0))
    if (hasValue || switches.empty_fields === "empty") {
      item[name] = value === null ? "" : value
    } else if (switches.empty_fields === "null") {
      item[name] = null
    }
  }
  return item
}

function post(record, switches, withBody) {
  // Fields that the API does not know come first, so that they never replace one that it does.
  const item = Object.assign({}, parsed(record, "extra") || {}, {
    id: record.id,
    title: record.getString("title"),
    slug: record.getString("slug"),
    status: record.getString("status"),
    created: date(record, "created", switches),
    updated: date(record, "updated", switches),
  })
  optional(item, {
    excerpt: record.getString("excerpt"),
    tags: parsed(record, "tags") || [],
    published_at: date(record, "published_at", switches),
  }, switches)
  if (withBody) {
    item.content_html = record.getString("content_html")
    optional(item, {
      content_json: parsed(record, "content_json"),
      seo_title: record.getString("seo_title"),
      seo_description: record.getString("seo_description"),
    }, switches)
  }
  return item
}

function media(record, switches, origin) {
  const path = `/api/files/media/${record.id}/${record.getString("file")}`
  return optional({
    id: record.id,
    filename: record.getString("filename") || record.getString("file"),
    url: switches.media_urls === "absolute" ? origin + path : path,
    mime_type: record.getString("mime_type") || "application/octet-stream",
    size: record.getInt("size"),
    created: date(record, "created", switches),
  }, {
    width: record.getInt("width") || null,
    height: record.getInt("height") || null,
    alt: record.getString("alt"),
  }, switches.empty_fields === "empty" ? Object.assign({}, switches, { empty_fields: "null" }) : switches)
}

function comment(record, switches) {
  return optional({
    id: record.id,
    post_id: record.getString("post_id"),
    author_name: record.getString("author_name"),
    body: record.getString("body"),
    status: record.getString("status"),
    created: date(record, "created", switches),
    updated: date(record, "updated", switches),
  }, { author_email: record.getString("author_email"), parent_id: record.getString("parent_id") }, switches)
}

// An e-mail address as far as the API tells it: `ana@example.org` is `a***@example.org`.
function masked(email) {
  const at = email.lastIndexOf("@")
  return [...email.slice(0, at)][0] + "***" + email.slice(at)
}

function member(record, switches) {
  return optional({
    id: record.id,
    email: masked(record.getString("email")),
    created: date(record, "created", switches),
    updated: date(record, "updated", switches),
  }, { name: record.getString("name") }, switches)
}

function settings(record, switches) {
  return optional(Object.assign({}, parsed(record, "extra") || {}, {
    id: record.id,
    tenant_id: record.getString("tenant_id"),
    site_name: record.getString("site_name"),
    members_enabled: record.getBool("members_enabled"),
    comments_enabled: record.getBool("comments_enabled"),
    created: date(record, "created", switches),
    updated: date(record, "updated", switches),
  }), {
    site_description: record.getString("site_description"),
    site_logo: record.getString("site_logo"),
    site_favicon: record.getString("site_favicon"),
  }, switches)
}

module.exports = { parsed, post, media, comment, member, settings }
