"""Media: which files may be published, what is taken out of them, and where the copies are kept."""
