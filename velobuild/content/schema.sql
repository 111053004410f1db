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
-- `num` is a post's short name in the trace; it lasts as long as the post does. `cover` is a media record's id.
-- `locale` is "" and `translation` NULL in a site of one language; posts of one `translation` are each other's.
CREATE TABLE post (
    num INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, slug TEXT NOT NULL, title TEXT NOT NULL, status TEXT NOT NULL,
    sort_at TEXT NOT NULL, author_id TEXT, cover TEXT, updated_at TEXT NOT NULL,
    locale TEXT NOT NULL, translation TEXT
) STRICT;
CREATE INDEX post_cover ON post (cover) WHERE cover IS NOT NULL;
CREATE INDEX post_order ON post (sort_at, id) WHERE status = 'published';
CREATE INDEX post_locale ON post (locale, sort_at, id) WHERE status = 'published' AND locale <> '';
CREATE INDEX post_translation ON post (translation) WHERE translation IS NOT NULL;
CREATE INDEX post_slug ON post (slug);
-- `tag` is the key of the tag in the post's own locale.
CREATE TABLE tag (
    tag TEXT NOT NULL, sort_at TEXT NOT NULL, post_id TEXT NOT NULL, name TEXT NOT NULL,
    PRIMARY KEY (tag, sort_at, post_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX tag_of_post ON tag (post_id);

-- Where each public post is, and where it was.
-- `key` is equal for paths that are one file on some file system; `moved`: another post, or the site, has the address
-- that the post's own slug asks for.
CREATE TABLE permalink (
    post_id TEXT PRIMARY KEY, path TEXT NOT NULL UNIQUE, slug TEXT NOT NULL, key TEXT NOT NULL, moved INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX permalink_key ON permalink (key);
CREATE INDEX permalink_moved ON permalink (moved) WHERE moved;
CREATE INDEX permalink_slug ON permalink (slug);
CREATE TABLE former_path (path TEXT PRIMARY KEY, post_id TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX former_path_of ON former_path (post_id);
CREATE INDEX former_path_in_any_case ON former_path (path COLLATE NOCASE);

-- Downloaded files by the address they came from, and which entry uses which address.
CREATE TABLE asset (url TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX asset_file ON asset (json_extract(value, '$.sha256'));
CREATE TABLE media_use (post_id TEXT NOT NULL, url TEXT NOT NULL, PRIMARY KEY (post_id, url)) STRICT, WITHOUT ROWID;
CREATE INDEX media_use_url ON media_use (url);
-- A media record by the address that it gives, as it is written there.
CREATE TABLE media_at (url TEXT NOT NULL, id TEXT NOT NULL, PRIMARY KEY (url, id)) STRICT, WITHOUT ROWID;
-- Which posts' bodies hold a link to a path of the site whose last part is `name`.
CREATE TABLE body_link (name TEXT NOT NULL, post_id TEXT NOT NULL, PRIMARY KEY (name, post_id)) STRICT, WITHOUT ROWID;
CREATE INDEX body_link_of_post ON body_link (post_id);
CREATE TABLE comment_of (post_id TEXT NOT NULL, id TEXT NOT NULL, PRIMARY KEY (post_id, id)) STRICT, WITHOUT ROWID;
CREATE INDEX comment_id ON comment_of (id);
CREATE INDEX media_id ON media_at (id);

-- Results of pure, costly functions by the fingerprint of everything that went in. With rowids: large values are
-- appended, and only the small index is written at random places.
CREATE TABLE memo (input BLOB PRIMARY KEY, value BLOB NOT NULL) STRICT;

-- What changed since the trace below was written, with how it was then (NULL: it was not there). Written in the very
-- transaction that changes it, so that a crash can lose a page, never the knowledge that it is due.
-- `counted` is the place that the tables of terms and tallies know of a post: JSON, NULL while that is the one before.
CREATE TABLE dirty (
    kind TEXT NOT NULL, id TEXT NOT NULL, before TEXT, counted TEXT, PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;

-- The tags of public posts as readers see them, and how many public posts each facet (`tag=tea`, `year=2026`) has.
CREATE TABLE term (key TEXT PRIMARY KEY, name TEXT NOT NULL, slug TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE tally (facet TEXT PRIMARY KEY, posts INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE spelling (
    key TEXT NOT NULL, name TEXT NOT NULL, posts INTEGER NOT NULL, PRIMARY KEY (key, name)
) STRICT, WITHOUT ROWID;

-- The trace: every output with what it was made from. `reads` lists the posts with a bit for each field that was read
-- and the queries; `bundle` is the set of all other keys, which most outputs share. `reason`: why it was rendered
-- last, in the build of this number.
CREATE TABLE output (
    id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE, url TEXT NOT NULL, route TEXT NOT NULL, renderer TEXT NOT NULL,
    template TEXT, params TEXT NOT NULL, phase TEXT NOT NULL, sha256 TEXT NOT NULL, size_bytes INTEGER NOT NULL,
    bundle INTEGER NOT NULL, reads TEXT NOT NULL, render_us INTEGER NOT NULL, failed INTEGER NOT NULL, reason TEXT,
    build INTEGER NOT NULL
) STRICT;
CREATE INDEX output_bundle ON output (bundle);
CREATE INDEX output_failed ON output (failed) WHERE failed;
-- The last builds that changed anything: `changes` is what was different, `removed` maps the paths that went to why.
CREATE TABLE build (
    number INTEGER PRIMARY KEY, at TEXT NOT NULL, rendered INTEGER NOT NULL, changes TEXT NOT NULL, removed TEXT NOT NULL
) STRICT;
CREATE TABLE key (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, fingerprint BLOB NOT NULL) STRICT;
CREATE TABLE bundle (id INTEGER PRIMARY KEY, keys TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE bundle_key (
    key INTEGER NOT NULL, bundle INTEGER NOT NULL, PRIMARY KEY (key, bundle)
) STRICT, WITHOUT ROWID;
CREATE TABLE query_read (
    key INTEGER NOT NULL, output INTEGER NOT NULL, PRIMARY KEY (key, output)
) STRICT, WITHOUT ROWID;
CREATE TABLE post_read (
    post INTEGER NOT NULL, output INTEGER NOT NULL, fields INTEGER NOT NULL, PRIMARY KEY (post, output)
) STRICT, WITHOUT ROWID;
-- Where a change must fall to alter a query's answer: on a facet, between two moments.
CREATE TABLE footprint (
    facet TEXT NOT NULL, key INTEGER NOT NULL, low TEXT NOT NULL, high TEXT NOT NULL, several INTEGER NOT NULL,
    PRIMARY KEY (facet, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX footprint_high ON footprint (facet, high);
CREATE INDEX footprint_key ON footprint (key);
