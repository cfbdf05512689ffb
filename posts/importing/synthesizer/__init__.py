"""Our own generator of engineering notes: `articles` makes them, `output` writes them."""
