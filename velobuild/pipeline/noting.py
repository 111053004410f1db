"""The notes that a build leaves of what is live: by which keys the next one finds them."""

from __future__ import annotations

PAGES, POSTS, FILES = "pages_live", "posts_live", "files_live"
"""How many pages, posts and files the live site has."""
PRINTS, UNSHOWN, THEME, PUBLISHING, LOST = "template_prints", "unshown", "theme", "publishing", "lost"
RECIPE = "recipe"
REST = "rest"
"""What `pipeline.rest` compares with."""
