"""Foreign HTML as Markdown, a module a part; `posts.importing.html_markdown` is the door."""
