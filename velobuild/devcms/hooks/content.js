/// The editor's own rules: tag records, publication dates, what is known of an upload.

const MIME_TYPES = {
  avif: "image/avif", gif: "image/gif", jpeg: "image/jpeg", jpg: "image/jpeg", mp3: "audio/mpeg", mp4: "video/mp4",
  pdf: "application/pdf", png: "image/png", svg: "image/svg+xml", txt: "text/plain", webm: "video/webm", webp: "image/webp",
}

function slugOf(name) {
  return name.normalize("NFC").toLowerCase().replace(/[\s!-\/:-@\[-`{-~]+/g, "-").replace(/^-+|-+$/g, "")
}

function linkTags(app, post) {
  const names = JSON.parse(post.getString("tags") || "null") || []
  const ids = []
  for (const name of names) {
    const slug = typeof name === "string" ? slugOf(name) : ""
    if (slug !== "") {
      const id = tagId(app, name, slug)
      if (!ids.includes(id)) {
        ids.push(id)
      }
    }
  }
  post.set("tag_refs", ids)
}

function tagId(app, name, slug) {
  const known = app.findRecordsByFilter("tags", "slug = {:slug}", "", 1, 0, { slug: slug })
  if (known.length > 0) {
    return known[0].id
  }
  const tag = new Record(app.findCollectionByNameOrId("tags"))
  tag.set("name", name)
  tag.set("slug", slug)
  app.save(tag)
  return tag.id
}

function stamp(post) {
  if (post.getString("status") === "published" && post.getString("published_at") === "") {
    post.set("published_at", new DateTime())
  }
}

function stampOnPublishing(post) {
  if (post.original().getString("status") !== "published") {
    stamp(post)
  }
}

function describeUpload(media) {
  const files = media.getUnsavedFiles("file")
  if (files.length === 0) {
    return
  }
  const file = files[0]
  if (media.getString("filename") === "") {
    media.set("filename", file.originalName)
  }
  if (media.getString("mime_type") === "") {
    const extension = file.originalName.split(".").pop().toLowerCase()
    media.set("mime_type", MIME_TYPES[extension] || "application/octet-stream")
  }
  media.set("size", file.size)
}

function publishDue() {
  const due = $app.findRecordsByFilter("posts", "status = 'scheduled' && published_at != '' && published_at <= @now", "published_at,id", 0, 0)
  for (const post of due) {
    post.set("status", "published")
    $app.save(post)
  }
}

module.exports = { linkTags, stamp, stampOnPublishing, describeUpload, publishDue }
