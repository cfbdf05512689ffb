"""A Wagtail site of one page type, as a peer of the import benchmark; needs `.venv-bench`."""
