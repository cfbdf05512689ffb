"""What a synthesized article is about: problems by family, scenarios, checklists, tags.

Constant data. A problem is a gerund phrase, a scenario an adverbial that may end a sentence.
Weights of tags fall with their place, so that an archive has broad tags and a long tail.
"""

from __future__ import annotations

from typing import NamedTuple


class Problem(NamedTuple):
    """A task: its phrase, family, the family's checklist that fits, areas (all when empty)."""

    name: str
    family: str
    checklist: int = 0
    areas: frozenset[str] = frozenset()


_SERVED = frozenset({"backend", "frontend", "content"})
_CLIENTS = frozenset({"backend", "frontend", "mobile", "content", "desktop"})
_STORES = frozenset({"backend", "data", "content"})
_SERVERS = frozenset({"backend", "data", "content", "platform"})

PROBLEMS = (
    Problem("testing critical paths before launch", "testing", 0),
    Problem("making flaky tests trustworthy again", "testing", 1),
    Problem("testing failure paths on purpose", "testing", 0),
    Problem("keeping test data realistic", "testing", 1),
    Problem("splitting slow test suites", "testing", 1),
    Problem("testing upgrades before users do", "testing", 0),
    Problem("reviewing changes in small steps", "testing", 0),
    Problem("catching regressions with golden files", "testing", 0),
    Problem("keeping staging close to production", "delivery", 0),
    Problem("shortening the path from merge to release", "delivery", 0),
    Problem("rolling back without drama", "delivery", 0),
    Problem("releasing behind feature flags", "delivery", 1),
    Problem("making builds reproducible", "delivery", 0),
    Problem("moving configuration out of code", "delivery", 0),
    Problem("planning zero-downtime deployments", "delivery", 0, _SERVERS),
    Problem("retiring an old environment", "delivery", 0),
    Problem("changing database schemas safely", "data", 0, _STORES),
    Problem("importing large files in batches", "data", 0, _STORES),
    Problem("proving that backups can be restored", "data", 0, _SERVERS),
    Problem("finding slow queries early", "data", 1, _STORES),
    Problem("archiving old records", "data", 0, _STORES),
    Problem("keeping search indexes in step", "data", 1, _STORES),
    Problem("cleaning up duplicate records", "data", 0, _STORES),
    Problem("moving data to a new store", "data", 0, _SERVERS),
    Problem(
        "keeping local data consistent", "data", 0, frozenset({"mobile", "embedded", "desktop"})
    ),
    Problem("caching pages that rarely change", "performance", 0, _SERVED),
    Problem("cutting tail latency", "performance", 0, _SERVED | {"platform"}),
    Problem("reducing memory use", "performance", 1),
    Problem("measuring before optimizing", "performance", 0),
    Problem("trimming start-up time", "performance", 1),
    Problem("serving images efficiently", "performance", 1, _SERVED | {"mobile"}),
    Problem("limiting expensive requests", "performance", 1, _SERVERS),
    Problem("finding lock contention", "performance", 0, _SERVERS),
    Problem("retrying failed jobs safely", "reliability", 0, _SERVERS),
    Problem("writing alerts people act on", "reliability", 1, _SERVERS),
    Problem("handling partial outages", "reliability", 0),
    Problem("setting time limits on every call", "reliability", 0),
    Problem("draining queues after an incident", "reliability", 0, _SERVERS),
    Problem("watching disk space and quotas", "reliability", 1, _SERVERS | {"embedded"}),
    Problem("scheduling background work", "reliability", 0),
    Problem("rehearsing recovery", "reliability", 0),
    Problem("rotating secrets without downtime", "security", 0, _SERVERS | {"embedded"}),
    Problem("narrowing service permissions", "security", 0),
    Problem("accepting file uploads safely", "security", 1, _CLIENTS),
    Problem("updating dependencies on a schedule", "security", 1),
    Problem("validating input at the edge", "security", 1),
    Problem("reviewing access logs", "security", 0, _SERVERS),
    Problem("hardening default headers", "security", 1, _SERVED | {"platform"}),
    Problem("auditing administrator actions", "security", 0, _SERVERS),
    Problem("keeping API clients stable", "interfaces", 0, _CLIENTS),
    Problem("versioning public endpoints", "interfaces", 1, frozenset({"backend", "content"})),
    Problem("writing error messages that help", "interfaces", 1),
    Problem("designing pagination that scales", "interfaces", 1, _CLIENTS),
    Problem("sending webhooks reliably", "interfaces", 1, frozenset({"backend", "content"})),
    Problem("agreeing on date and time formats", "interfaces", 0),
    Problem("removing deprecated fields", "interfaces", 0),
    Problem("documenting contracts between teams", "interfaces", 1),
    Problem("documenting production defaults", "upkeep", 0),
    Problem("removing dead code", "upkeep", 1),
    Problem("keeping runbooks short and current", "upkeep", 0),
    Problem("onboarding new maintainers", "upkeep", 0),
    Problem("reducing log noise", "upkeep", 0),
    Problem("tracing requests across services", "upkeep", 0, _SERVERS),
    Problem("splitting oversized modules", "upkeep", 1),
    Problem("naming things consistently", "upkeep", 1),
    Problem("reversing configuration drift", "upkeep", 0),
)

SCENARIOS = (
    "for API-first products",
    "for a high traffic article archive",
    "before a major migration",
    "with practical defaults",
    "with simple rollback steps",
    "for small teams without a dedicated operator",
    "under a fixed release calendar",
    "for products with paying customers",
    "after a difficult incident",
    "during a gradual rewrite",
    "with limited staging hardware",
    "for regulated data",
    "for a team that is growing quickly",
    "with one release a week",
    "across several time zones",
    "for read-heavy workloads",
    "for write-heavy workloads",
    "on a modest hosting budget",
    "with clear ownership",
    "when documentation is thin",
    "for long-lived codebases",
    "for internal tools",
    "during a change of hosting provider",
    "for seasonal traffic peaks",
    "with strict uptime targets",
    "for a first public launch",
    "with several teams in one repository",
    "on shared infrastructure",
    "for software installed at customer sites",
    "with a short maintenance window",
    "ahead of an external audit",
    "for users on slow connections",
)

#: family -> sets of five steps; the body's list and the meta checklist show the same one.
CHECKLISTS: dict[str, tuple[tuple[str, ...], ...]] = {
    "testing": (
        (
            "name the paths that must never break",
            "write one failing test for each of them",
            "run the suite twice in random order",
            "time the slowest ten tests",
            "note what is not covered and why",
        ),
        (
            "reproduce the failure on a clean checkout",
            "remove the shared state",
            "replace sleeping with waiting for a condition",
            "repeat the test a hundred times",
            "delete tests that nobody can explain",
        ),
    ),
    "delivery": (
        (
            "compare the settings of both environments",
            "build once and keep the artifact",
            "deploy the artifact to staging",
            "roll back and forward again",
            "announce the release with its version",
        ),
        (
            "agree on the time of the release",
            "turn the flag on for the team only",
            "watch the error rate for an hour",
            "widen the audience step by step",
            "remove the flag when it is no longer needed",
        ),
    ),
    "data": (
        (
            "take a backup and restore it elsewhere",
            "count the rows before the change",
            "try the change on a recent copy",
            "run it in batches with a pause",
            "count the rows again and keep both numbers",
        ),
        (
            "write down the query and its current time",
            "read the plan with real parameters",
            "add the index without blocking writers",
            "measure again on warm and cold data",
            "remove the index that is no longer used",
        ),
    ),
    "performance": (
        (
            "choose one number to improve",
            "record it for a normal day",
            "change one thing",
            "record the number again under the same load",
            "keep or revert, and say which",
        ),
        (
            "profile a real workload",
            "list the three largest costs",
            "set a limit for each of them",
            "add the limits to the automated checks",
            "look again after two weeks",
        ),
    ),
    "reliability": (
        (
            "set a time limit for every remote call",
            "make the job safe to repeat",
            "stop a worker in the middle of a job",
            "check that the job is finished exactly once",
            "write the recovery steps into the runbook",
        ),
        (
            "list the signals that wake somebody up",
            "delete the ones without an action",
            "link each alert to its page in the runbook",
            "trigger every alert once on purpose",
            "review the list after the next incident",
        ),
    ),
    "security": (
        (
            "list who and what has access",
            "remove what nobody can explain",
            "replace long-lived credentials",
            "check that the logs hold no secrets",
            "put the next review in the calendar",
        ),
        (
            "read the advisories for the versions in use",
            "upgrade one dependency at a time",
            "run the full test suite after each upgrade",
            "try a request with oversized input",
            "write down accepted risks with a date",
        ),
    ),
    "interfaces": (
        (
            "write down what clients rely on",
            "add the new field next to the old one",
            "record who still uses the old one",
            "announce the date of removal",
            "remove it and keep the test",
        ),
        (
            "collect real requests of every client",
            "replay them against the new version",
            "compare status, fields and order",
            "document each intended difference",
            "publish an example for every endpoint",
        ),
    ),
    "upkeep": (
        (
            "find the page that is read most often",
            "check each command on a fresh machine",
            "delete steps that no longer apply",
            "name an owner and a review date",
            "link the page from the place of need",
        ),
        (
            "list the modules that change together",
            "move one responsibility at a time",
            "keep the tests green after each move",
            "update names in code, settings and manual",
            "remove the old entry point",
        ),
    ),
}

#: Tags of any article, broadest first.
GENERAL_TAGS = (
    "operations", "best practices", "checklists", "developer experience", "team habits",
    "measurement", "rollback", "ownership", "code review", "planning", "runbooks", "automation",
    "defaults", "documentation", "small steps", "communication", "risk", "cost", "maintenance",
    "simplicity", "post-mortems", "handover", "open source", "remote work",
)  # fmt: skip

#: family -> its own tags, broadest first.
FAMILY_TAGS: dict[str, tuple[str, ...]] = {
    "testing": (
        "testing", "quality", "regressions", "flaky tests", "test data", "integration tests",
        "unit tests", "fixtures", "property testing", "end-to-end tests", "mutation testing",
        "snapshot tests",
    ),
    "delivery": (
        "deployment", "releases", "staging", "feature flags", "configuration",
        "continuous integration", "builds", "environments", "canary releases", "artifacts",
        "blue-green", "release notes",
    ),
    "data": (
        "databases", "migrations", "backups", "indexes", "query plans", "batch import",
        "data quality", "retention", "replication", "search index", "partitioning",
        "deduplication",
    ),
    "performance": (
        "performance", "latency", "caching", "profiling", "memory", "load testing",
        "response time", "concurrency", "images", "cold start", "rate limits", "lock contention",
    ),
    "reliability": (
        "reliability", "monitoring", "retries", "background jobs", "timeouts", "queues",
        "alerting", "incidents", "recovery", "capacity", "idempotency", "circuit breakers",
    ),
    "security": (
        "security", "secrets", "permissions", "dependencies", "input validation", "audit",
        "uploads", "headers", "access logs", "supply chain", "least privilege", "threat model",
    ),
    "interfaces": (
        "api design", "compatibility", "versioning", "error handling", "pagination", "contracts",
        "webhooks", "deprecation", "schemas", "time zones", "serialization", "content negotiation",
    ),
    "upkeep": (
        "refactoring", "onboarding", "logging", "naming", "technical debt", "tracing",
        "modularity", "dead code", "observability", "style guides", "configuration drift",
        "knowledge sharing",
    ),
}  # fmt: skip

#: The long tail: each stands on about one post in two thousand.
RARE_TAGS = (
    "bloom filters", "clock skew", "leap seconds", "endianness", "zero-width characters",
    "byte order marks", "copy-on-write", "thundering herd", "write amplification", "dns caching",
    "split brain", "priority inversion", "false sharing", "head-of-line blocking", "soft deletes",
    "surrogate keys", "unicode normalization", "float rounding", "daylight saving",
    "case folding", "memory-mapped files", "file descriptors", "signal handling",
    "zombie processes", "path traversal", "hash flooding", "certificate pinning", "key ceremonies",
    "watchdog timers", "wear levelling", "brown-outs", "tail sampling", "shadow traffic",
    "dark launches",
    "strangler pattern", "expand and contract", "vector clocks", "write-ahead logs", "fsync",
    "torn pages", "hot partitions", "cache stampede", "negative caching", "backpressure",
    "poison messages", "dead letter queues", "exactly once", "lease renewal", "fencing tokens",
    "graceful shutdown", "connection draining", "keep-alive", "nagle", "path mtu", "ipv6 only",
    "captive portals", "right-to-left text", "screen readers", "print styles", "reduced motion",
)  # fmt: skip

#: Share of posts that one rare tag stands on.
RARE_TAG_SHARE = 1 / 2000
