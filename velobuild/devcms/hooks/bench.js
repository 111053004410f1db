/// The back door: many posts in one call, the request log, and the counts of calls.

// {"posts": [{"id"?, field: value, …}]} → {"ids": […]}. A post with a known id is changed, any other is made. All or none.
function savePosts(e) {
  const ids = []
  const collection = $app.findCollectionByNameOrId("posts")
  $app.runInTransaction((tx) => {
    for (const fields of e.requestInfo().body.posts) {
      let record = null
      if (fields.id) {
        const found = tx.findRecordsByIds("posts", [fields.id])
        record = found.length > 0 ? found[0] : null
      }
      if (!record) {
        record = new Record(collection)
      }
      for (const name of Object.keys(fields)) {
        if (name === "created" || name === "updated") {
          // `set` is refused for automatic dates; tests need theirs.
          record.setRaw(name, new DateTime(fields[name]))
        } else {
          record.set(name, fields[name])
        }
      }
      tx.save(record)
      ids.push(record.id)
    }
  })
  return e.json(200, { ids: ids })
}

function listRequests(e) {
  const rows = arrayOf(new DynamicModel({ at_ms: 0, method: "", path: "", query: "", status: 0, key_name: "" }))
  $app.db().newQuery("SELECT at_ms, method, path, query, status, key_name FROM api_requests ORDER BY rowid").all(rows)
  return e.json(200, { requests: rows })
}

function clearRequests(e) {
  $app.nonconcurrentDB().newQuery("DELETE FROM api_requests").execute()
  return e.noContent(204)
}

function forgetCalls(e) {
  for (const key of Object.keys($app.store().getAll())) {
    if (key.startsWith("calls:")) {
      $app.store().remove(key)
    }
  }
  return e.noContent(204)
}

module.exports = { savePosts, listRequests, clearRequests, forgetCalls }
