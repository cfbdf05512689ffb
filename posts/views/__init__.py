"""The public pages: read-only, without cookie, without cache headers."""
