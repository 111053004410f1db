"""What we know of the CMS, in SQLite: the store, its queries, permalinks and the memo."""
