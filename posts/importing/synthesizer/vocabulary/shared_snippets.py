"""Short code blocks of a synthesized article in languages that fit beside any stack.

Constant data, in the form described in `snippets`.
"""

from __future__ import annotations

from posts.importing.synthesizer.vocabulary.snippets import Snippet

#: Languages that fit beside any code language.
SHARED_LANGUAGES = ("sh", "sql", "yaml", "toml")

SHARED_SNIPPETS = (
    Snippet(
        "yaml",
        "The two probes answer different questions:",
        """\
livenessProbe:
  httpGet:
    path: /livez
    port: 8080
  periodSeconds: 10
  failureThreshold: 3
readinessProbe:
  httpGet:
    path: /readyz
    port: 8080
  periodSeconds: 5""",
        stacks=("Kubernetes clusters",),
    ),
    Snippet(
        "yaml",
        "A play that can be run twice is a play that can be trusted:",
        """\
- name: Keep the service configuration in place
  hosts: app
  become: true
  tasks:
    - name: Install the configuration
      ansible.builtin.template:
        src: app.conf.j2
        dest: /etc/app.conf
        mode: "0640"
      notify: Restart app
  handlers:
    - name: Restart app
      ansible.builtin.service:
        name: app
        state: restarted""",
        stacks=("Ansible playbooks",),
    ),
    Snippet(
        "yaml",
        "An alert needs a duration and a place to read on:",
        """\
groups:
  - name: @slug@
    rules:
      - alert: JobsWaitingTooLong
        expr: max(queue_oldest_age_seconds) > 1800
        for: 10m
        labels:
          severity: page
        annotations:
          summary: The oldest job has waited for more than 30 minutes
          runbook: docs/runbooks.md#waiting-jobs""",
        stacks=("Prometheus servers",),
    ),
    Snippet(
        "yaml",
        "The automated check is short enough to read in review:",
        """\
name: check
on: [push]
permissions:
  contents: read
jobs:
  check:
    runs-on: ubuntu-latest
    timeout-minutes: 15
    steps:
      - uses: actions/checkout@v4
      - run: make check""",
        ("testing", "delivery", "security", "upkeep"),
    ),
    Snippet(
        "yaml",
        "A decision fits in a file next to the code:",
        """\
decision: @slug@
applies_to: @stack@
owner: team-on-duty
review_after_days: 90
undo: revert the commit and deploy the previous tag
evidence:
  - baseline before the change
  - the same measurement after it""",
    ),
    Snippet(
        "sql",
        "The plan with real parameters tells more than any rule of thumb:",
        """\
EXPLAIN (ANALYZE, BUFFERS)
SELECT id, title, published_at
FROM article
WHERE published_at < '2026-01-01'
ORDER BY published_at DESC, id DESC
LIMIT 20;""",
        ("data", "performance"),
        ("backend", "content"),
    ),
    Snippet(
        "sql",
        "Duplicates are found before they are forbidden:",
        """\
SELECT source, external_key, count(*) AS copies
FROM article
GROUP BY source, external_key
HAVING count(*) > 1
ORDER BY copies DESC
LIMIT 50;""",
        ("data", "testing", "interfaces", "upkeep", "security"),
        ("backend", "data", "content"),
    ),
    Snippet(
        "sql",
        "The age of the oldest open job says more than their number:",
        """\
SELECT state, count(*) AS jobs, min(created_at) AS oldest
FROM job
WHERE finished_at IS NULL
GROUP BY state
ORDER BY oldest;""",
        ("reliability", "performance", "delivery"),
        ("backend", "data", "content"),
    ),
    Snippet(
        "sh",
        "Three times are enough to see where a request waits:",
        """\
curl --silent --output /dev/null --max-time 10 \\
  --write-out 'connect=%{time_connect} first=%{time_starttransfer} total=%{time_total}\\n' \\
  http://127.0.0.1:8000/""",
        ("performance", "reliability", "interfaces", "delivery"),
        ("backend", "frontend", "content", "platform"),
    ),
    Snippet(
        "sh",
        "The difference between two environments should fit on one screen:",
        """\
sed 's/=.*//' staging.env | sort > staging.names
sed 's/=.*//' production.env | sort > production.names
diff -u staging.names production.names""",
        ("delivery", "upkeep", "security"),
    ),
    Snippet(
        "sh",
        "Repeating a check by hand is fine, as long as it is the same check:",
        """\
for run in 1 2 3 4 5; do
  make check || { echo "failed in run $run"; break; }
done""",
        ("testing", "reliability", "performance", "interfaces", "data"),
    ),
    Snippet(
        "sh",
        "The history often knows the reason:",
        """\
git log --since='90 days ago' --name-only --pretty=format: \\
  | grep -v '^$' | sort | uniq -c | sort -rn | head -20""",
        ("upkeep", "testing", "security"),
    ),
    Snippet(
        "toml",
        "Limits that stand in one file can be reviewed together:",
        """\
[limits]
request_seconds = 10
upload_megabytes = 20
page_size = 50

[retry]
attempts = 4
first_wait_seconds = 0.5""",
        ("performance", "reliability", "security", "interfaces", "data"),
    ),
    Snippet(
        "toml",
        "The entry in the register of checks is six lines long:",
        """\
[check.@slug@]
owner = "team on duty"
command = "make check"
timeout_seconds = 300
every = "day"
on_failure = "open a ticket\"""",
    ),
)
