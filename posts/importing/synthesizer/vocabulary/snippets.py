"""Short code blocks of a synthesized article, in the code language of its stack.

Constant data. Slots: @slug@ and @snake@ (the problem as a name), @stack@. Each snippet stands on
its own; its lead ends the paragraph before it.
"""

from __future__ import annotations

from typing import NamedTuple


class Snippet(NamedTuple):
    """A code block: fence language, lead sentence, code, and where it fits (anywhere if empty)."""

    language: str
    lead: str
    code: str
    families: tuple[str, ...] = ()
    areas: tuple[str, ...] = ()
    stacks: tuple[str, ...] = ()


SNIPPETS = (
    Snippet(
        "python",
        "A retry helper needs no library:",
        '''\
import time


def call_with_retry(action, attempts=4, first_wait=0.5):
    """Call action; wait 0.5, 1, 2 ... seconds between failed attempts."""
    for attempt in range(attempts):
        try:
            return action()
        except TimeoutError:
            if attempt == attempts - 1:
                raise
            time.sleep(first_wait * 2**attempt)''',
    ),
    Snippet(
        "python",
        "Batches keep memory flat, whatever the size of the input:",
        '''\
from itertools import islice


def batches(rows, size):
    """Yield lists of at most `size` rows without loading all of them."""
    rows = iter(rows)
    while batch := list(islice(rows, size)):
        yield batch''',
    ),
    Snippet(
        "python",
        "One context manager is enough to put every step on record:",
        """\
import logging
from contextlib import contextmanager
from time import perf_counter

log = logging.getLogger("@snake@")


@contextmanager
def timed(step):
    started = perf_counter()
    try:
        yield
    finally:
        log.info("step=%s ms=%.1f", step, (perf_counter() - started) * 1000)""",
    ),
    Snippet(
        "python",
        "The test says what must not change:",
        """\
def test_second_run_changes_nothing(tmp_path):
    target = tmp_path / "report.txt"
    write_report(target)
    first = target.read_bytes()
    write_report(target)
    assert target.read_bytes() == first""",
        ("testing", "data", "reliability"),
    ),
    Snippet(
        "javascript",
        "A time limit belongs to every request:",
        """\
export async function getJson(url, timeoutMs = 3000) {
  const response = await fetch(url, { signal: AbortSignal.timeout(timeoutMs) });
  if (!response.ok) {
    throw new Error(`${url} answered ${response.status}, expected 200`);
  }
  return response.json();
}""",
    ),
    Snippet(
        "javascript",
        "Measure with the tools that are there already:",
        """\
export async function timed(step, action) {
  const started = performance.now();
  try {
    return await action();
  } finally {
    const ms = (performance.now() - started).toFixed(1);
    console.info(`step=${step} ms=${ms}`);
  }
}""",
    ),
    Snippet(
        "typescript",
        "Let the compiler find the forgotten case:",
        """\
type State = "draft" | "queued" | "done" | "failed";

export function label(state: State): string {
  switch (state) {
    case "draft":
      return "not started";
    case "queued":
      return "waiting";
    case "done":
      return "finished";
    case "failed":
      return "needs attention";
    default: {
      const missing: never = state;
      throw new Error(`unknown state ${String(missing)}`);
    }
  }
}""",
    ),
    Snippet(
        "typescript",
        "Check what comes from outside once, at the edge:",
        """\
interface Page {
  size: number;
  after?: string;
}

export function parsePage(query: URLSearchParams): Page {
  const size = Number(query.get("size") ?? "20");
  if (!Number.isInteger(size) || size < 1 || size > 100) {
    throw new RangeError(`size is ${query.get("size")}, expected 1 to 100`);
  }
  return { size, after: query.get("after") ?? undefined };
}""",
    ),
    Snippet(
        "go",
        "The deadline travels with the request:",
        """\
func fetch(ctx context.Context, client *http.Client, url string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()

	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("fetch %s: %w", url, err)
	}
	defer resp.Body.Close()
	return io.ReadAll(io.LimitReader(resp.Body, 1<<20))
}""",
    ),
    Snippet(
        "go",
        "A table of cases keeps the test readable:",
        """\
func TestClamp(t *testing.T) {
	cases := map[string]struct{ in, want int }{
		"below": {-5, 0},
		"inside": {42, 42},
		"above": {250, 100},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if got := clamp(c.in, 0, 100); got != c.want {
				t.Errorf("clamp(%d) = %d, want %d", c.in, got, c.want)
			}
		})
	}
}""",
    ),
    Snippet(
        "rust",
        "An error should carry what was expected:",
        """\
pub fn parse_limit(text: &str) -> Result<u32, String> {
    let limit: u32 = text
        .trim()
        .parse()
        .map_err(|_| format!("limit is {text:?}, expected a whole number"))?;
    if (1..=1000).contains(&limit) {
        Ok(limit)
    } else {
        Err(format!("limit is {limit}, expected 1 to 1000"))
    }
}""",
    ),
    Snippet(
        "rust",
        "States as an enum make wrong moves impossible to write:",
        """\
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Idle,
    Running,
    Done,
}

impl State {
    pub fn next(self) -> Option<State> {
        match self {
            State::Idle => Some(State::Running),
            State::Running => Some(State::Done),
            State::Done => None,
        }
    }
}""",
    ),
    Snippet(
        "java",
        "Both time limits are set, for connecting and for the answer:",
        """\
HttpClient client = HttpClient.newBuilder()
    .connectTimeout(Duration.ofSeconds(2))
    .build();

HttpRequest request = HttpRequest.newBuilder(URI.create("http://localhost:8080/health"))
    .timeout(Duration.ofSeconds(3))
    .GET()
    .build();

HttpResponse<String> response = client.send(request, BodyHandlers.ofString());""",
    ),
    Snippet(
        "java",
        "A record with a check in its constructor can be trusted everywhere else:",
        """\
public record PageSize(int value) {
    public PageSize {
        if (value < 1 || value > 100) {
            throw new IllegalArgumentException(
                "page size is " + value + ", expected 1 to 100");
        }
    }
}""",
    ),
    Snippet(
        "kotlin",
        "Retrying is short, and so is giving up:",
        """\
suspend fun <T> retry(attempts: Int = 4, firstWaitMs: Long = 500, action: suspend () -> T): T {
    var wait = firstWaitMs
    repeat(attempts - 1) {
        try {
            return action()
        } catch (error: IOException) {
            delay(wait)
            wait *= 2
        }
    }
    return action()
}""",
    ),
    Snippet(
        "swift",
        "State the time limit where the request is made:",
        """\
func loadStatus(from url: URL) async throws -> Data {
    var request = URLRequest(url: url)
    request.timeoutInterval = 5
    let (data, response) = try await URLSession.shared.data(for: request)
    guard let http = response as? HTTPURLResponse, http.statusCode == 200 else {
        throw URLError(.badServerResponse)
    }
    return data
}""",
    ),
    Snippet(
        "dart",
        "A slow answer is handled like a missing one:",
        """\
Future<String> loadStatus(Future<String> Function() request) async {
  try {
    return await request().timeout(const Duration(seconds: 5));
  } on TimeoutException {
    return 'unknown';
  }
}""",
    ),
    Snippet(
        "ruby",
        "Working in slices keeps each transaction short:",
        """\
ids = records.pluck(:id)

ids.each_slice(500).with_index(1) do |slice, number|
  Record.transaction { Record.where(id: slice).update_all(archived: true) }
  logger.info("batch=#{number} size=#{slice.size}")
end""",
    ),
    Snippet(
        "php",
        "Write to a temporary file and rename, so that no reader sees half of it:",
        """\
function writeAtomically(string $path, string $content): void
{
    $temporary = tempnam(dirname($path), 'part');
    if ($temporary === false || file_put_contents($temporary, $content) === false) {
        throw new RuntimeException("Cannot write {$path}");
    }
    rename($temporary, $path);
}""",
    ),
    Snippet(
        "php",
        "A value that is checked once does not have to be checked again:",
        """\
final class PageSize
{
    public function __construct(public readonly int $value)
    {
        if ($value < 1 || $value > 100) {
            throw new InvalidArgumentException("Page size is {$value}, expected 1 to 100");
        }
    }
}""",
    ),
    Snippet(
        "csharp",
        "Cancellation is part of the signature:",
        """\
public async Task<string> GetStatusAsync(HttpClient client, CancellationToken outer)
{
    using var limit = CancellationTokenSource.CreateLinkedTokenSource(outer);
    limit.CancelAfter(TimeSpan.FromSeconds(3));
    using var response = await client.GetAsync("/health", limit.Token);
    response.EnsureSuccessStatusCode();
    return await response.Content.ReadAsStringAsync(limit.Token);
}""",
    ),
    Snippet(
        "elixir",
        "Bounded concurrency with a time limit fits in one pipeline:",
        """\
jobs
|> Task.async_stream(&run/1, max_concurrency: 4, timeout: 5_000, on_timeout: :kill_task)
|> Enum.frequencies_by(fn
  {:ok, _result} -> :done
  {:exit, _reason} -> :failed
end)""",
    ),
    Snippet(
        "scala",
        "A few lines make the number of attempts explicit:",
        """\
import scala.annotation.tailrec
import scala.util.{Failure, Success, Try}

@tailrec
def retry[A](attempts: Int)(action: => A): Try[A] =
  Try(action) match {
    case Success(value)             => Success(value)
    case Failure(_) if attempts > 1 => retry(attempts - 1)(action)
    case failure                    => failure
  }""",
    ),
    Snippet(
        "c",
        "Every copy has a limit and a result that is looked at:",
        """\
#include <stdbool.h>
#include <stdio.h>

bool set_label(char *target, size_t size, const char *text)
{
    int written = snprintf(target, size, "%s", text);
    return written >= 0 && (size_t)written < size;
}""",
    ),
    Snippet(
        "cpp",
        "Scope is the simplest stopwatch:",
        """\
#include <chrono>
#include <cstdio>

class Timed {
public:
    explicit Timed(const char *step) : step_(step), started_(clock::now()) {}
    ~Timed() {
        const std::chrono::duration<double, std::milli> ms = clock::now() - started_;
        std::printf("step=%s ms=%.1f\\n", step_, ms.count());
    }

private:
    using clock = std::chrono::steady_clock;
    const char *step_;
    clock::time_point started_;
};""",
    ),
    Snippet(
        "hcl",
        "Some resources should refuse to disappear by accident:",
        """\
variable "retention_days" {
  type        = number
  description = "Days to keep backups, 7 to 365."
  default     = 30

  validation {
    condition     = var.retention_days >= 7 && var.retention_days <= 365
    error_message = "retention_days must be 7 to 365."
  }
}""",
    ),
    Snippet(
        "dockerfile",
        "A small image with its own user is easier to trust:",
        """\
FROM python:3.12-slim
RUN useradd --create-home --uid 10001 app
WORKDIR /app
COPY requirements.txt .
RUN pip install --no-cache-dir --require-hashes -r requirements.txt
COPY . .
USER app
CMD ["python", "-m", "app"]""",
    ),
    Snippet(
        "nginx",
        "Limits read best when they stand together:",
        """\
limit_req_zone $binary_remote_addr zone=search:10m rate=5r/s;

server {
    listen 8080;
    client_max_body_size 10m;
    client_body_timeout 15s;

    location /search/ {
        limit_req zone=search burst=10 nodelay;
        proxy_read_timeout 5s;
        proxy_pass http://127.0.0.1:9000;
    }
}""",
    ),
    Snippet(
        "bash",
        "The script stops at the first mistake and cleans up after itself:",
        """\
#!/usr/bin/env bash
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

tar --create --gzip --file "$work/config.tar.gz" /etc/myservice
sha256sum "$work/config.tar.gz"
cp "$work/config.tar.gz" "/srv/backup/config-$(date +%F).tar.gz\"""",
    ),
)
