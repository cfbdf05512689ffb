"""What `make bench-import` runs; nothing here is part of the site."""
