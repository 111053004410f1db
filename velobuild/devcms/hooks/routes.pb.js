/// What this server adds to PocketBase's own API. Each handler runs in a JavaScript context of its own, so all that they
// share is reached through `require`.

// One by one: a route for any method would clash with PocketBase's own `GET /{path...}`. GET answers HEAD too.
for (const method of ["GET", "POST", "PUT", "PATCH", "DELETE"]) {
  routerAdd(method, "/api/v1/{path...}", (e) => require(`${__hooks}/v1.js`).answer(e))
}

// The back door for tests and the command line: superusers only, and none of it is in the request log.
routerAdd("POST", "/api/dev/posts", (e) => require(`${__hooks}/bench.js`).savePosts(e), $apis.requireSuperuserAuth(), $apis.bodyLimit(1 << 30))
routerAdd("GET", "/api/dev/requests", (e) => require(`${__hooks}/bench.js`).listRequests(e), $apis.requireSuperuserAuth())
routerAdd("DELETE", "/api/dev/requests", (e) => require(`${__hooks}/bench.js`).clearRequests(e), $apis.requireSuperuserAuth())
routerAdd("POST", "/api/dev/limits/forget", (e) => require(`${__hooks}/bench.js`).forgetCalls(e), $apis.requireSuperuserAuth())
routerAdd("GET", "/api/dev/outbox", (e) => require(`${__hooks}/outbox.js`).due(e), $apis.requireSuperuserAuth())
routerAdd("POST", "/api/dev/outbox/{id}", (e) => require(`${__hooks}/outbox.js`).settle(e), $apis.requireSuperuserAuth())
routerAdd("POST", "/api/dev/ping/{id}", (e) => require(`${__hooks}/outbox.js`).ping(e), $apis.requireSuperuserAuth())

// PocketBase's own API and the files go into the request log too, except for what the superuser does.
routerUse((e) => {
  const path = e.request.url.path
  if (!path.startsWith("/api/") || path.startsWith("/api/v1/") || path.startsWith("/api/dev/") || path === "/api/health") {
    return e.next()
  }
  const log = require(`${__hooks}/log.js`)
  if (log.isSuperusers(e, path)) {
    return e.next()
  }
  let status = 500
  try {
    e.next()
    status = e.status()
  } catch (error) {
    status = log.statusOf(error)
    throw error
  } finally {
    log.write(e, status, e.auth ? "user" : "")
  }
})
