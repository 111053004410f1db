/// The request log: one row a call, without any secret.

const ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"
const INSERT = "INSERT INTO api_requests (id, at_ms, method, path, query, status, key_name, created, updated) "
  + "VALUES ({:id}, {:at}, {:method}, {:path}, {:query}, {:status}, {:key}, {:now}, {:now})"

function write(e, status, keyName) {
  const now = new Date()
  $app.nonconcurrentDB().newQuery(INSERT).bind({
    id: $security.randomStringWithAlphabet(15, ALPHABET),
    at: now.getTime(),
    method: e.request.method,
    path: e.request.url.path,
    query: e.request.url.rawQuery.replace(/(^|&)token=[^&]*/g, "$1token=****"),
    status: status,
    key: keyName,
    now: now.toISOString().replace("T", " "),
  }).execute()
}

function isSuperusers(e, path) {
  return path.startsWith("/api/collections/_superusers/") || (e.auth && e.auth.isSuperuser())
}

// What PocketBase will answer for an error that a route ended in.
function statusOf(error) {
  const known = error && (error.status || (error.value && error.value.status))
  return typeof known === "number" && known > 0 ? known : 500
}

module.exports = { write, isSuperusers, statusOf }
