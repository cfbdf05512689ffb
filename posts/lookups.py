"""A lookup that takes a set of whole numbers as one parameter: `pk__among=ids`.

In: numbers, however many. Out: a condition that both databases answer by an index. `in` makes a
parameter of each number, and making those cost more than finding a thousand rows by them.
"""

from __future__ import annotations

from typing import Any

import msgspec
from django.db.models import ForeignKey, IntegerField, Lookup


@IntegerField.register_lookup
@ForeignKey.register_lookup
class Among(Lookup):
    """Equality with one of many whole numbers; none finds nothing."""

    lookup_name = "among"
    prepare_rhs = False

    def as_postgresql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        lhs, parameters = self.process_lhs(compiler, connection)
        return f"{lhs} = ANY(%s::bigint[])", (*parameters, list(self.rhs))

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        lhs, parameters = self.process_lhs(compiler, connection)
        values = msgspec.json.encode(list(self.rhs)).decode()
        return f"{lhs} IN (SELECT value FROM json_each(%s))", (*parameters, values)  # noqa: S608
