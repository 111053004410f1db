"""velobuild: a CMS's published posts become a static site, published in one atomic step."""

__version__ = "0.1.0"
