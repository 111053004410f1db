/// What the editor does by itself when something is saved, in the dashboard or over any API.

// The tags of a post are names; PocketBase's own API shows them as records too.
onRecordCreate((e) => {
  require(`${__hooks}/content.js`).linkTags(e.app, e.record)
  e.next()
}, "posts")

onRecordUpdate((e) => {
  const content = require(`${__hooks}/content.js`)
  content.linkTags(e.app, e.record)
  content.stampOnPublishing(e.record)
  e.next()
}, "posts")

// A post that an editor creates as published has a date; one that a test or a seed makes keeps what it was given.
onRecordCreateRequest((e) => {
  require(`${__hooks}/content.js`).stamp(e.record)
  e.next()
}, "posts")

onRecordCreate((e) => {
  require(`${__hooks}/content.js`).describeUpload(e.record)
  e.next()
}, "media")

onRecordUpdate((e) => {
  require(`${__hooks}/content.js`).describeUpload(e.record)
  e.next()
}, "media")

// Scheduled posts go out at their minute.
cronAdd("publish-due-posts", "* * * * *", () => {
  require(`${__hooks}/content.js`).publishDue()
})
