"""Exports of other systems as a folder of posts that velobuild reads: `wxr` of WordPress, `ghost` of Ghost.

Nothing is fetched, and no existing file is touched. What cannot be taken over is told, each with its reason.
"""
