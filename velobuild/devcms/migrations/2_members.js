/// The members of the blog: those who subscribed. Only the superuser sees the collection; the API shows e-mails masked.
migrate((app) => {
  app.save(new Collection({
    name: "members", type: "base", listRule: null, viewRule: null,
    fields: [
      { name: "email", type: "email", required: true },
      { name: "name", type: "text", max: 255 },
      { name: "created", type: "autodate", onCreate: true },
      { name: "updated", type: "autodate", onCreate: true, onUpdate: true },
    ],
    indexes: ["CREATE UNIQUE INDEX idx_members_email ON members (email)"],
  }))
}, (app) => {
  app.delete(app.findCollectionByNameOrId("members"))
})
