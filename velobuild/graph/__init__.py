"""What a site is made of, and the one door through which a page sees content."""
