/// Each hook writes rows into the outbox and returns: a delivery never holds up a save. The process beside this server
// delivers them.

onRecordAfterCreateSuccess((e) => {
  e.next()
  require(`${__hooks}/outbox.js`).postChanged(e.app, null, e.record)
}, "posts")

onRecordUpdate((e) => {
  const before = e.record.original().getString("status")
  e.next()
  // After `next` the record counts as saved and no longer knows what it was.
  e.app.store().set("status-before:" + e.record.id, before)
}, "posts")

onRecordAfterUpdateSuccess((e) => {
  e.next()
  const before = e.app.store().get("status-before:" + e.record.id)
  e.app.store().remove("status-before:" + e.record.id)
  require(`${__hooks}/outbox.js`).postChanged(e.app, before, e.record)
}, "posts")

onRecordAfterDeleteSuccess((e) => {
  e.next()
  require(`${__hooks}/outbox.js`).postDeleted(e.app, e.record)
}, "posts")

onRecordAfterCreateSuccess((e) => {
  e.next()
  require(`${__hooks}/outbox.js`).commentReceived(e.app, e.record)
}, "comments")
