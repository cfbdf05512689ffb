"""Search of the public site: language, words, entries, both databases, finding, passages.

`entries` and `vocabulary` write, as the gate moves; everything else reads. A post is found only
through the gate: `database.candidates` joins it, whatever the entries say.
"""
