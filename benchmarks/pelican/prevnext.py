"""A post's neighbours, which Pelican itself does not know."""

from pelican import signals


def link_neighbours(generator):
    newer = None
    for article in generator.articles:
        article.next_article, article.prev_article = newer, None
        if newer is not None:
            newer.prev_article = article
        newer = article


def register():
    signals.article_generator_finalized.connect(link_neighbours)
