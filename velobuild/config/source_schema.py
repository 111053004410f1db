"""The shape of a `[source]` table as frozen values: where posts come from, and what its fields are called there.

Apart from `config.schema` for its length; `config.schema` offers these names too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from velobuild.config.bounds import Bound

TOKENLESS = frozenset({"polycms", "cometcms", "folder"})
"""The types of source whose posts anybody may read."""


MAIN = "main"
"""What a source without a name is called where one has to be."""
FOLDER_HOST = ".folder.invalid"
"""How the hosts end that stand for folders."""
BUILT_IN = ("velocms", "pocketbase", "polycms", "cometcms", "folder")
"""The types of source that velobuild brings along; an installed package may add others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectionsConfig:
    """PocketBase, CometCMS: the names of the collections. Empty, there is none."""

    posts: Annotated[str, Bound(min_length=1)] = "posts"
    """The collection of the posts."""
    media: str = "media"
    """The collection of pictures and other files."""
    settings: str = "site_settings"
    """The collection whose one record holds the site's settings."""
    tags: str = ""
    """CometCMS: the collection of the tags; the posts' relation to it is read as their tags."""
    authors: str = ""
    """CometCMS: the collection of the authors; the posts' relation to it is read as their author."""
    pages: str = ""
    """CometCMS: the collection of pages beside the posts, such as an imprint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldsConfig:
    """PocketBase: which field of a post's record is what. Empty, there is none; `tag_refs.name` goes by a relation."""

    title: Annotated[str, Bound(min_length=1)] = "title"
    """The title."""
    slug: Annotated[str, Bound(min_length=1)] = "slug"
    """The post's part of its address; `id` if the records have no better one."""
    body: Annotated[str, Bound(min_length=1)] = "content_html"
    """The text, as HTML."""
    status: str = "status"
    """What `source.published` is compared with; empty, every record that the token sees is published."""
    published_at: str = "published_at"
    """The date of the post."""
    updated: str = "updated"
    """When the record was changed last, kept by PocketBase; without it every build reads all posts."""
    excerpt: str = "excerpt"
    """A short text for lists and feeds."""
    tags: str = "tags"
    """The tags: JSON, a text with commas, or a relation."""
    cover: str = "cover"
    """The picture of the post: a file, a relation to a media record, or an address."""
    author: str = "author"
    """Who wrote it: a text, or a relation."""
    seo_title: str = "seo_title"
    """The title for search engines."""
    seo_description: str = "seo_description"
    """The description for search engines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaFieldsConfig:
    """PocketBase: which field of a media record is what."""

    file: str = "file"
    """The stored file."""
    url: str = "url"
    """An address of the file; where it has a value, it goes before the stored file."""
    filename: str = "filename"
    """The name under which it was uploaded."""
    mime_type: str = "mime_type"
    """Its kind."""
    size: str = "size"
    """Its size in bytes."""
    width: str = "width"
    """Its width in pixels."""
    height: str = "height"
    """Its height in pixels."""
    alt: str = "alt"
    """What a picture shows, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsFieldsConfig:
    """PocketBase: which field of the settings record is what."""

    title: str = "site_name"
    """The site's name."""
    description: str = "site_description"
    """One sentence about the site."""
    logo: str = "site_logo"
    """A file, or an address."""
    favicon: str = "site_favicon"
    """A file, or an address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceConfig:
    """Where the posts come from."""

    type: Literal["velocms", "pocketbase", "polycms", "cometcms", "folder"] | str = "velocms"
    """The kind of CMS, or `folder`; an installed package may add others."""
    name: str | None = None
    """Several sources: what this one is called; a part of its posts' ids, so that they stay apart from the others'."""
    path: Annotated[str, Bound(min_length=1)] = "content"
    """Folder: where the Markdown files are, relative to velobuild.toml."""
    url: str | None = None
    """The CMS's address; falls back to the environment variable VELOCMS_SITE_URL."""
    token_env: str = "VELOCMS_API_KEY"  # noqa: S105 - the name of a variable
    """The environment variable that holds the token; `NAME_2` may hold another, tried when the first is refused."""
    token_file: str | None = None
    """A file of mode 0600 that holds the token, one a line."""
    rate_limit: str | None = None
    """Calls per time, such as `95/min`; overrides what the CMS's headers say."""
    members_only: Literal["skip", "include"] = "skip"
    """Whether posts that the CMS keeps for members are published."""
    exclude_tags: tuple[str, ...] = ()
    """Tags that stay inside the CMS: neither shown nor given a page."""
    comments: bool = False
    """Fetch approved comments (needs the scope comments:read and costs a call per 100 comments)."""
    media_hosts: tuple[str, ...] = ()
    """Further hosts from which media may be downloaded."""
    external_media: Literal["keep", "drop"] = "keep"
    """What happens to pictures on hosts that are not allowed: they stay links, or are left out."""
    published: Annotated[str, Bound(min_length=1)] = "published"
    """PocketBase: the status of a published post; `true` for a field that is true or false."""
    api: Literal["auto", "v1", "legacy"] = "auto"
    """PolyCMS: which generation of its API answers; `auto` asks for it before every synchronisation."""
    types: Annotated[tuple[Literal["post", "news", "page"], ...], Bound(min_length=1)] = ("post",)
    """PolyCMS: which kinds of its posts are taken; those of the kind `page` become pages beside the posts."""
    workspace: str = ""
    """CometCMS: the workspace that is read, by its name in addresses."""
    locales: tuple[str, ...] = ()
    """The languages of the site, such as `["en", "de"]`: the first at `/`, each other one at `/de/`. Of CometCMS they
    are the locales that are read; empty, the default one alone."""
    author_names: Mapping[str, str] = field(default_factory=dict)
    """CometCMS: who an `author_id` is: `{ admin = "Jane Doe" }`. Users themselves cannot be read."""
    collections: CollectionsConfig = field(default_factory=CollectionsConfig)
    fields: FieldsConfig = field(default_factory=FieldsConfig)
    media_fields: MediaFieldsConfig = field(default_factory=MediaFieldsConfig)
    settings_fields: SettingsFieldsConfig = field(default_factory=SettingsFieldsConfig)
    options: Mapping[str, Any] = field(default_factory=dict)
    """What a source that another package added lets you choose; its documentation lists it."""

    @property
    def key(self) -> str:
        """How the source is called where it has to have a name."""
        return self.name or MAIN

    @property
    def address(self) -> str | None:
        """The base of what the source's posts name relatively: the CMS, or what stands for a folder.

        `.invalid` is reserved for names that never lead anywhere (RFC 6761), so nobody is asked for a folder's files.
        """
        return f"https://{self.name or 'content'}{FOLDER_HOST}" if self.type == "folder" else self.url

    @property
    def needs_token(self) -> bool:
        """Whether nothing can be asked without one. Of PolyCMS only the older generation says no, once it is asked."""
        return self.type in BUILT_IN and self.type not in TOKENLESS
