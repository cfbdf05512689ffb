"""The API for programs: read-only JSON under /api/v1/, only what the gate lists.

In: GET requests. Out: what `posts.api.schemas` says, lists in keyset pages, errors as problems.
Its document is a promise: fields and addresses are added, never taken away or given another
meaning (tests/test_api_promise.py).
"""

from posts.api.service import api

__all__ = ["api"]
