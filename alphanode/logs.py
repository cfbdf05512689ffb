"""What a log line may hold.

In: the fields of one line, from this project or from a library. Out: the same without personal
data. Runs inside logging, so it must not query, log or raise.
"""

from structlog.typing import EventDict, WrappedLogger

# A line says what happened to which row, by its number. Who a person is, where they came from and
# what they sent stays out, also when somebody passes it by mistake.
PERSONAL_FIELDS = frozenset(
    {
        "address",
        "authorization",
        "client",
        "cookie",
        "cookies",
        "email",
        "first_name",
        "forwarded_for",
        "ip",
        "last_name",
        "password",
        "query_string",
        "referer",
        "remote_addr",
        "session",
        "token",
        "user",
        "user_agent",
        "username",
    }
)


def drop_personal_fields(logger: WrappedLogger, method_name: str, event: EventDict) -> EventDict:
    """Remove the fields whose name says that they describe a person."""
    for name in PERSONAL_FIELDS.intersection(event):
        del event[name]
    return event
