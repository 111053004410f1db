"""Bytes become the live folder, in one step or not at all (docs/publishing.md)."""
