-- One file, one schema. A change here is a new number in database.SCHEMA_VERSION: older files are rebuilt from the CMS.
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

-- Fetched, but seen by no reader until a complete synchronisation is applied.
CREATE TABLE staged (
    collection TEXT NOT NULL, id TEXT NOT NULL, version TEXT NOT NULL, value TEXT NOT NULL,
    PRIMARY KEY (collection, id)
) STRICT, WITHOUT ROWID;

-- Every entry with the version the CMS gave and the fingerprint of its content. `value` is canonical JSON;
-- a post's body lives in `body`, so that a walk over titles reads no bodies.
CREATE TABLE entry (
    collection TEXT NOT NULL, id TEXT NOT NULL, version TEXT NOT NULL, fingerprint BLOB NOT NULL, value TEXT NOT NULL,
    PRIMARY KEY (collection, id)
) STRICT, WITHOUT ROWID;
-- `input` is the fingerprint of format and body.
CREATE TABLE body (post_id TEXT PRIMARY KEY, format TEXT NOT NULL, body TEXT NOT NULL, input BLOB NOT NULL) STRICT;
-- The memo row whose media uses are recorded. Apart, since to change one column SQLite writes the whole row again.
CREATE TABLE body_use (post_id TEXT PRIMARY KEY, prepared BLOB NOT NULL) STRICT, WITHOUT ROWID;

-- What queries sort and filter by. `sort_at` is the publication time, else the creation time, in a fixed-width UTC form.
CREATE TABLE post (
    id TEXT PRIMARY KEY, slug TEXT NOT NULL, title TEXT NOT NULL, status TEXT NOT NULL, sort_at TEXT NOT NULL,
    author_id TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX post_order ON post (sort_at, id) WHERE status = 'published';
CREATE INDEX post_slug ON post (slug);
CREATE TABLE tag (
    tag TEXT NOT NULL, sort_at TEXT NOT NULL, post_id TEXT NOT NULL, name TEXT NOT NULL,
    PRIMARY KEY (tag, sort_at, post_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX tag_of_post ON tag (post_id);

-- Where each public post is, and where it was.
CREATE TABLE permalink (post_id TEXT PRIMARY KEY, path TEXT NOT NULL UNIQUE, slug TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX permalink_slug ON permalink (slug);
CREATE TABLE former_path (path TEXT PRIMARY KEY, post_id TEXT NOT NULL) STRICT, WITHOUT ROWID;

-- Downloaded files by the address they came from, and which entry uses which address.
CREATE TABLE asset (url TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE media_use (post_id TEXT NOT NULL, url TEXT NOT NULL, PRIMARY KEY (post_id, url)) STRICT, WITHOUT ROWID;

-- Results of pure, costly functions by the fingerprint of everything that went in. With rowids: large values are
-- appended, and only the small index is written at random places.
CREATE TABLE memo (input BLOB PRIMARY KEY, value BLOB NOT NULL) STRICT;
