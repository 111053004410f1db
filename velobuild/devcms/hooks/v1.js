/// VeloCMS's public REST API, version 1.

const policy = require(`${__hooks}/policy.js`)
const shape = require(`${__hooks}/shape.js`)
const log = require(`${__hooks}/log.js`)

const PREFIX = "/api/v1/"
const PER_PAGE = 20

// method, path, scope, what answers it. `{id}` stands for one path segment.
const ROUTES = [
  ["GET", "posts", "posts:read", listPosts],
  ["GET", "posts/{id}", "posts:read", onePost],
  ["POST", "posts", "posts:write", createPost],
  ["PATCH", "posts/{id}", "posts:write", updatePost],
  ["DELETE", "posts/{id}", "posts:write", deletePost],
  ["GET", "media", "media:read", listMedia],
  ["GET", "media/{id}", "media:read", oneMedia],
  ["POST", "media", "media:write", uploadMedia],
  ["GET", "comments", "comments:read", listComments],
  ["POST", "comments", "comments:write", createComment],
  ["PATCH", "comments/{id}/moderate", "comments:moderate", moderateComment],
  ["GET", "members", "members:read", listMembers],
  ["GET", "site-settings", "site-settings:read", siteSettings],
]

function answer(e) {
  let reply
  const call = { e: e, keyName: "", headers: {}, switches: null }
  try {
    call.switches = policy.switches()
    reply = decide(call)
  } catch (error) {
    reply = failed(error, call)
  }
  for (const name of Object.keys(call.headers)) {
    e.response.header().set(name, call.headers[name])
  }
  log.write(e, reply.status, call.keyName)
  return reply.status === 204 ? e.noContent(204) : e.json(reply.status, reply.body)
}

function decide(call) {
  const e = call.e
  const switches = call.switches
  if (switches.https_required && e.request.header.get("X-Forwarded-Proto") !== "https") {
    throw policy.refusal(403, "HTTPS_REQUIRED", "This API answers over https only.")
  }
  if (switches.failing) {
    throw policy.refusal(switches.failing, "INTERNAL_ERROR", "Something went wrong on our side.")
  }
  const key = policy.keyOf(e)
  call.keyName = key.getString("name")
  call.headers = policy.admit(key.id, switches, Date.now())
  if (switches.plan_too_low) {
    throw policy.refusal(403, "PLAN_UPGRADE_REQUIRED", "The API needs the plan Pro or higher.", { required_plan: "pro" })
  }
  const method = e.request.method === "HEAD" ? "GET" : e.request.method
  const segments = e.request.url.path.slice(PREFIX.length).split("/")
  for (const [verb, pattern, scope, act] of ROUTES) {
    if (verb === method && matches(pattern.split("/"), segments)) {
      policy.needScope(key, scope, switches)
      return act(call, segments[1])
    }
  }
  if (method !== "GET") {
    // Nobody learns by writing which addresses exist.
    policy.needScope(key, `${segments[0]}:write`, switches)
  }
  throw notFound()
}

function matches(pattern, segments) {
  return pattern.length === segments.length
    && pattern.every((part, i) => (part === "{id}" ? segments[i] !== "" : part === segments[i]))
}

function failed(error, call) {
  let known = error
  if (!error || !error.refusal) {
    console.error("api/v1:", call.e.request.method, call.e.request.url.path, String(error))
    known = policy.refusal(500, "INTERNAL_ERROR", "Something went wrong on our side.")
  }
  Object.assign(call.headers, known.headers)
  const body = { code: known.code, message: known.message }
  if (!call.switches || call.switches.error_details) {
    body.details = known.details
  }
  return { status: known.status, body: { error: body } }
}

function notFound() {
  return policy.refusal(404, "NOT_FOUND", "There is nothing at this address.")
}

function invalid(details) {
  return policy.refusal(422, "VALIDATION_ERROR", "The request is not valid.", details)
}

function query(call, name) {
  return call.e.request.url.query().get(name)
}

function choice(call, name, allowed) {
  const value = query(call, name)
  if (value !== "" && !allowed.includes(value)) {
    throw invalid({ [name]: "must be one of " + allowed.join(", ") })
  }
  return value
}

function wholeNumber(call, name, otherwise) {
  const text = query(call, name)
  if (text === "") {
    return otherwise
  }
  if (!/^[0-9]{1,9}$/.test(text) || Number(text) < 1) {
    throw invalid({ [name]: "must be a whole number from 1 on" })
  }
  return Number(text)
}

// One page of a collection. `where` maps a field to what it must equal; `prefix` maps one to how it must begin.
function list(call, collection, where, toItem, prefix) {
  const most = call.switches.per_page_max
  const page = wholeNumber(call, "page", 1)
  let perPage = wholeNumber(call, "per_page", Math.min(PER_PAGE, most))
  if (perPage > most && call.switches.over_per_page_max === "refuse") {
    throw invalid({ per_page: `must be at most ${most}` })
  }
  perPage = Math.min(perPage, most)

  const conditions = [$dbx.exp("TRUE"), $dbx.hashExp(where)]
  for (const field of Object.keys(prefix || {})) {
    conditions.push($dbx.like(field, prefix[field]).match(false, true))
  }
  const total = $app.countRecords(collection, ...conditions)
  const records = arrayOf(new Record())
  $app.recordQuery(collection).andWhere($dbx.and(...conditions))
    .orderBy("created DESC", "id ASC").limit(perPage).offset((page - 1) * perPage).all(records)
  const items = []
  for (const record of records) {
    items.push(toItem(record))
  }
  return {
    status: 200,
    body: { page: page, per_page: perPage, total: total, total_pages: Math.ceil(total / perPage), items: items },
  }
}

function find(collection, id) {
  try {
    return $app.findRecordById(collection, id)
  } catch (_) {
    throw notFound()
  }
}

function listPosts(call) {
  const status = choice(call, "status", ["draft", "published"])
  const where = status !== "" && !call.switches.ignore_status_filter ? { status: status } : {}
  return list(call, "posts", where, (record) => shape.post(record, call.switches, call.switches.list_bodies))
}

function onePost(call, id) {
  const item = shape.post(find("posts", id), call.switches, true)
  return { status: 200, body: call.switches.single_posts === "wrapped" ? { data: item } : item }
}

const LONGEST = { title: 255, slug: 255, excerpt: 500, seo_title: 60, seo_description: 160 }
const WRITABLE = ["title", "slug", "status", "excerpt", "content_html", "content_json", "tags", "published_at", "seo_title", "seo_description"]

// The fields that were sent.
function sent(call) {
  try {
    return call.e.requestInfo().body
  } catch (_) {
    throw invalid({ body: "must be a JSON object" })
  }
}

function write(call, record, status) {
  const body = sent(call)
  const details = {}
  for (const name of Object.keys(LONGEST)) {
    if (body[name] !== undefined && body[name] !== null && String(body[name]).length > LONGEST[name]) {
      details[name] = `must have at most ${LONGEST[name]} characters`
    }
  }
  if (body.status !== undefined && !["draft", "published"].includes(body.status)) {
    details.status = "must be one of draft, published"
  }
  for (const name of WRITABLE) {
    if (body[name] !== undefined) {
      record.set(name, body[name])
    }
  }
  for (const name of ["title", "slug"]) {
    if (record.getString(name) === "") {
      details[name] = "is required"
    }
  }
  if (Object.keys(details).length > 0) {
    throw invalid(details)
  }
  try {
    $app.save(record)
  } catch (error) {
    throw invalid({ post: String(error) })
  }
  return { status: status, body: { data: shape.post(record, call.switches, true) } }
}

function createPost(call) {
  const record = new Record($app.findCollectionByNameOrId("posts"))
  record.set("status", "draft")
  return write(call, record, 201)
}

function updatePost(call, id) {
  return write(call, find("posts", id), 200)
}

function deletePost(call, id) {
  $app.delete(find("posts", id))
  return { status: 204 }
}

function origin(call) {
  return "http://" + call.e.request.host
}

function listMedia(call) {
  const type = query(call, "type")
  return list(call, "media", {}, (record) => shape.media(record, call.switches, origin(call)), type ? { mime_type: type } : {})
}

function oneMedia(call, id) {
  return { status: 200, body: shape.media(find("media", id), call.switches, origin(call)) }
}

// A form with the file as `file` and, if wanted, `alt`. Width and height stay unknown: nothing here reads pictures.
function uploadMedia(call) {
  let files = []
  try {
    files = call.e.findUploadedFiles("file")
  } catch (_) {
    // No form, or none with that field.
  }
  if (files.length !== 1) {
    throw invalid({ file: "is required: one file, as multipart/form-data" })
  }
  const record = new Record($app.findCollectionByNameOrId("media"))
  record.set("file", files[0])
  record.set("alt", call.e.request.formValue("alt"))
  try {
    $app.save(record)
  } catch (error) {
    throw invalid({ file: String(error) })
  }
  return { status: 201, body: { data: shape.media(record, call.switches, origin(call)) } }
}

function listComments(call) {
  const where = {}
  const status = choice(call, "status", ["approved", "pending", "spam"])
  if (status !== "") {
    where.status = status
  }
  if (query(call, "post_id") !== "") {
    where.post_id = query(call, "post_id")
  }
  return list(call, "comments", where, (record) => shape.comment(record, call.switches))
}

const COMMENT_LONGEST = { author_name: 255, author_email: 255, body: 20000 }

// A comment that comes over the API is approved at once, as the documents say.
function createComment(call) {
  const body = sent(call)
  const details = {}
  const record = new Record($app.findCollectionByNameOrId("comments"))
  record.set("status", "approved")
  for (const name of ["post_id", "author_name", "body", "author_email", "parent_id"]) {
    const value = body[name] === undefined || body[name] === null ? "" : body[name]
    if (typeof value !== "string") {
      details[name] = "must be a text"
    } else if (value.length > (COMMENT_LONGEST[name] || 15)) {
      details[name] = `must have at most ${COMMENT_LONGEST[name] || 15} characters`
    } else {
      record.set(name, value)
    }
  }
  for (const name of ["post_id", "author_name", "body"]) {
    if (!details[name] && record.getString(name).trim() === "") {
      details[name] = "is required"
    }
  }
  const email = record.getString("author_email")
  if (email !== "" && !/^[^\s@]+@[^\s@]+$/.test(email)) {
    details.author_email = "must be an e-mail address"
  }
  if (!details.post_id && $app.findRecordsByIds("posts", [record.getString("post_id")]).length === 0) {
    details.post_id = "there is no such post"
  }
  const parent = record.getString("parent_id")
  if (parent !== "" && !$app.findRecordsByIds("comments", [parent])
    .some((other) => other.getString("post_id") === record.getString("post_id"))) {
    details.parent_id = "there is no such comment on this post"
  }
  if (Object.keys(details).length > 0) {
    throw invalid(details)
  }
  $app.save(record)
  return { status: 201, body: { data: shape.comment(record, call.switches) } }
}

function moderateComment(call, id) {
  const record = find("comments", id)
  const status = sent(call).status
  if (!["approved", "pending", "spam"].includes(status)) {
    throw invalid({ status: "must be one of approved, pending, spam" })
  }
  record.set("status", status)
  $app.save(record)
  return { status: 200, body: { data: shape.comment(record, call.switches) } }
}

function listMembers(call) {
  return list(call, "members", {}, (record) => shape.member(record, call.switches))
}

function siteSettings(call) {
  const records = $app.findRecordsByFilter("site_settings", "id != ''", "created,id", 1, 0)
  if (records.length === 0) {
    throw notFound()
  }
  return { status: 200, body: shape.settings(records[0], call.switches) }
}

module.exports = { answer }
