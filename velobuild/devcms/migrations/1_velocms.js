/// The collections of the development CMS, and its one superuser.
//
// Rules: a signed-in user may read what a published site needs, a guest sees published posts only, and nobody but the
// superuser writes. What is nobody's business (keys, webhooks, switches, the request log) has no rules at all, which
// PocketBase reads as "superusers only".
migrate((app) => {
  const created = { name: "created", type: "autodate", onCreate: true }
  const updated = { name: "updated", type: "autodate", onCreate: true, onUpdate: true }
  const SIGNED_IN = "@request.auth.id != \"\""
  const PUBLISHED = "status = \"published\" || " + SIGNED_IN

  function make(name, rule, fields, indexes) {
    const collection = new Collection({
      name: name, type: "base", listRule: rule, viewRule: rule,
      fields: fields.concat([created, updated]), indexes: indexes || [],
    })
    app.save(collection)
    return collection.id
  }

  const text = (name, max, more) => Object.assign({ name: name, type: "text", max: max || 5000 }, more || {})
  const json = (name, bytes) => ({ name: name, type: "json", maxSize: bytes || 1000000 })

  const tags = make("tags", "", [text("name", 255, { required: true }), text("slug", 255, { required: true })],
    ["CREATE UNIQUE INDEX idx_tags_slug ON tags (slug)"])

  make("categories", "", [text("name", 255, { required: true }), text("slug", 255), text("description")])

  const posts = make("posts", PUBLISHED, [
    text("title", 1000, { required: true }),
    text("slug", 255, { required: true }),
    { name: "status", type: "select", maxSelect: 1, values: ["draft", "published", "scheduled"], required: true },
    text("excerpt", 500),
    { name: "content_html", type: "editor", maxSize: 20000000, convertURLs: false },
    json("content_json", 20000000),
    json("tags"),
    { name: "tag_refs", type: "relation", collectionId: tags, maxSelect: 200 },
    { name: "published_at", type: "date" },
    text("seo_title", 60),
    text("seo_description", 160),
    json("extra"),
  ], [
    "CREATE UNIQUE INDEX idx_posts_slug ON posts (slug)",
    "CREATE INDEX idx_posts_status_created ON posts (status, created)",
  ])

  make("media", SIGNED_IN, [
    { name: "file", type: "file", maxSelect: 1, maxSize: 100000000, thumbs: ["480x0"], required: true },
    text("filename", 255), text("mime_type", 255), { name: "size", type: "number" },
    { name: "width", type: "number" }, { name: "height", type: "number" }, text("alt", 1000),
    text("sha256", 64),
  ])

  make("site_settings", SIGNED_IN, [
    text("tenant_id"), text("site_name", 255), text("site_description"), text("site_logo"), text("site_favicon"),
    { name: "members_enabled", type: "bool" }, { name: "comments_enabled", type: "bool" }, json("extra"),
  ])

  const blog = new Record(app.findCollectionByNameOrId("site_settings"))
  blog.set("tenant_id", "tenant_dev")
  blog.set("site_name", "Development blog")
  app.save(blog)

  make("comments", "status = \"approved\" && " + SIGNED_IN, [
    { name: "post_id", type: "relation", collectionId: posts, maxSelect: 1, required: true, cascadeDelete: true },
    text("author_name", 255),
    // Hidden: a reader's address is seen in the dashboard alone.
    text("author_email", 255, { hidden: true }),
    text("body", 20000, { required: true }),
    { name: "status", type: "select", maxSelect: 1, values: ["approved", "pending", "spam"], required: true },
    text("parent_id", 15),
  ])

  make("api_keys", null, [
    text("name", 255, { required: true }), text("sha256", 64, { required: true, hidden: true }), json("scopes"),
    { name: "revoked_at", type: "date" },
  ], ["CREATE UNIQUE INDEX idx_api_keys_sha256 ON api_keys (sha256)"])

  const webhooks = make("webhooks", null, [
    text("url", 2000, { required: true }), json("events"),
    { name: "variant", type: "select", maxSelect: 1, values: ["v1", "raw"], required: true },
    text("secret", 255, { required: true, hidden: true }), { name: "enabled", type: "bool" },
    { name: "failures_in_a_row", type: "number" },
  ])

  make("webhook_deliveries", null, [
    { name: "webhook", type: "relation", collectionId: webhooks, maxSelect: 1, required: true, cascadeDelete: true },
    text("event", 64), text("body", 1000000),
    { name: "state", type: "select", maxSelect: 1, values: ["pending", "delivered", "failed", "dropped"] },
    { name: "attempts", type: "number" }, { name: "next_at_ms", type: "number" }, { name: "last_status", type: "number" },
    text("last_error"),
  ], ["CREATE INDEX idx_webhook_deliveries_due ON webhook_deliveries (state, next_at_ms)"])

  make("switches", null, [json("settings")])

  make("api_requests", null, [
    { name: "at_ms", type: "number" }, text("method", 16), text("path", 2000), text("query", 5000),
    { name: "status", type: "number" }, text("key_name", 255),
  ])

  // Readers may sign in; nobody signs up, and a reader's token changes nothing, not even the reader.
  const users = app.findCollectionByNameOrId("users")
  users.createRule = null
  users.updateRule = null
  users.deleteRule = null
  app.save(users)

  const settings = app.settings()
  settings.meta.appName = "Development CMS"
  // PocketBase's own request log would double every write; api_requests is the log here.
  settings.logs.maxDays = 0
  app.save(settings)

  const login = JSON.parse(toString($os.readFile($filepath.join(app.dataDir(), "..", "login.json"))))
  const superuser = new Record(app.findCollectionByNameOrId("_superusers"))
  superuser.set("email", login.email)
  superuser.set("password", login.password)
  app.save(superuser)
}, (app) => {
  for (const name of ["api_requests", "switches", "webhook_deliveries", "webhooks", "api_keys", "comments",
    "site_settings", "media", "posts", "categories", "tags"]) {
    app.delete(app.findCollectionByNameOrId(name))
  }
})
