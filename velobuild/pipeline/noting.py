"""The notes that a build leaves of what is live: by which keys the next one finds them."""

from __future__ import annotations

PAGES, POSTS, FILES = "pages_live", "posts_live", "files_live"
"""How many pages, posts and files the live site has."""
PRINTS, UNSHOWN, THEME, PUBLISHING, LOST = "template_prints", "unshown", "theme", "publishing", "lost"
RECIPE = "recipe"
PAGES_READ = "pages_read"
"""The site's own pages as the database has them: `sources.page_files.print_of` their files' bytes."""
REST = "rest"
"""What `pipeline.rest` compares with."""
