"""The stacks a synthesized article may be about, each with its area, code language and tools.

Constant data. Names are plural nouns, so that every sentence may say "{stack} are"; the lower-cased
name is the tag and the entity.
"""

from __future__ import annotations

from typing import NamedTuple


class Stack(NamedTuple):
    """A technology: display name, area, code language as a fence names it, pool of tools."""

    name: str
    area: str
    language: str
    tools: tuple[str, ...]


#: Tools that belong to every pool.
COMMON_TOOLS = ("git", "make", "curl", "logs")


def _stack(name: str, area: str, language: str, tools: str) -> Stack:
    return Stack(name, area, language, tuple(tools.split()))


STACKS = (
    _stack(
        "Python services", "backend", "python",
        "fastapi pytest uvicorn ruff httpx pydantic sqlalchemy alembic structlog mypy",
    ),
    _stack(
        "Django sites", "backend", "python",
        "django pytest gunicorn ruff whitenoise psycopg celery redis coverage mypy",
    ),
    _stack(
        "Flask applications", "backend", "python",
        "flask pytest gunicorn jinja sqlalchemy marshmallow ruff tox redis coverage",
    ),
    _stack(
        "Go services", "backend", "go",
        "golangci-lint pprof testify sqlc chi zap delve govulncheck goreleaser air",
    ),
    _stack(
        "gRPC services", "backend", "go",
        "protoc buf grpcurl grpc-gateway ghz golangci-lint pprof testify zap delve",
    ),
    _stack(
        "Rust services", "backend", "rust",
        "cargo axum tokio clippy sqlx tracing rustfmt criterion serde cargo-audit",
    ),
    _stack(
        "Node.js APIs", "backend", "javascript",
        "express jest pino eslint knex helmet npm autocannon zod nodemon",
    ),
    _stack(
        "NestJS backends", "backend", "typescript",
        "nestjs jest typeorm eslint swagger pino pnpm class-validator bullmq prettier",
    ),
    _stack(
        "GraphQL gateways", "backend", "typescript",
        "apollo graphql-codegen dataloader jest eslint pino pnpm envelop prettier k6",
    ),
    _stack(
        "Spring Boot services", "backend", "java",
        "spring-boot junit maven micrometer flyway hibernate "
        "testcontainers checkstyle logback jacoco",
    ),
    _stack(
        "Quarkus services", "backend", "java",
        "quarkus junit maven micrometer liquibase panache "
        "testcontainers rest-assured graalvm spotbugs",
    ),
    _stack(
        "Kotlin microservices", "backend", "kotlin",
        "ktor gradle kotest ktlint exposed detekt mockk micrometer koin jib",
    ),
    _stack(
        "Rails applications", "backend", "ruby",
        "rails rspec puma sidekiq rubocop bundler brakeman rake capybara lograge",
    ),
    _stack(
        "Laravel applications", "backend", "php",
        "laravel phpunit composer horizon artisan phpstan pint redis telescope pest",
    ),
    _stack(
        "Symfony applications", "backend", "php",
        "symfony phpunit composer doctrine twig phpstan messenger monolog rector xdebug",
    ),
    _stack(
        "ASP.NET services", "backend", "csharp",
        "dotnet xunit nuget serilog dapper polly kestrel benchmarkdotnet efcore swashbuckle",
    ),
    _stack(
        "Elixir applications", "backend", "elixir",
        "phoenix mix ecto exunit credo oban dialyzer telemetry plug benchee",
    ),
    _stack(
        "Scala services", "backend", "scala",
        "sbt scalatest scalafmt http4s cats-effect doobie wartremover gatling circe munit",
    ),
    _stack(
        "React applications", "frontend", "typescript",
        "react vite vitest eslint playwright storybook prettier axe lighthouse msw",
    ),
    _stack(
        "Vue applications", "frontend", "typescript",
        "vue vite pinia vitest eslint cypress vue-tsc storybook lighthouse prettier",
    ),
    _stack(
        "Angular applications", "frontend", "typescript",
        "angular rxjs jest eslint cypress nx playwright prettier lighthouse compodoc",
    ),
    _stack(
        "Next.js sites", "frontend", "typescript",
        "next react swc jest playwright eslint lighthouse tailwind turborepo prettier",
    ),
    _stack(
        "Svelte sites", "frontend", "javascript",
        "svelte sveltekit vite vitest playwright eslint prettier lighthouse postcss rollup",
    ),
    _stack(
        "web component libraries", "frontend", "javascript",
        "lit web-test-runner rollup eslint prettier axe storybook playwright esbuild stylelint",
    ),
    _stack(
        "Android apps", "mobile", "kotlin",
        "gradle espresso ktlint retrofit room leakcanary detekt junit adb bundletool",
    ),
    _stack(
        "iOS apps", "mobile", "swift",
        "xcodebuild xctest swiftlint fastlane instruments cocoapods "
        "swiftformat alamofire simctl periphery",
    ),
    _stack(
        "Flutter apps", "mobile", "dart",
        "flutter pub bloc riverpod fastlane mockito dio hive devtools patrol",
    ),
    _stack(
        "React Native apps", "mobile", "typescript",
        "metro expo detox jest eslint hermes fastlane maestro prettier reanimated",
    ),
    _stack(
        "Airflow pipelines", "data", "python",
        "airflow pytest pandas great-expectations pyarrow ruff boto3 sqlalchemy duckdb openlineage",
    ),
    _stack(
        "Spark jobs", "data", "scala",
        "spark sbt delta parquet scalatest hdfs scalafmt hive iceberg livy",
    ),
    _stack(
        "dbt projects", "data", "sql",
        "dbt sqlfluff snowflake elementary duckdb pre-commit re-data airbyte metabase yamllint",
    ),
    _stack(
        "Kafka consumers", "data", "java",
        "kafka avro kcat schema-registry maven junit testcontainers debezium micrometer ksqldb",
    ),
    _stack(
        "PostgreSQL databases", "data", "sql",
        "psql pgbench pgbouncer pg_dump pgbackrest patroni pgtap auto_explain pg_repack vacuumdb",
    ),
    _stack(
        "MySQL databases", "data", "sql",
        "mysqldump xtrabackup gh-ost proxysql mysqltuner pt-query-digest "
        "orchestrator sysbench mydumper skeema",
    ),
    _stack(
        "ClickHouse clusters", "data", "sql",
        "clickhouse-client clickhouse-keeper grafana vector chproxy parquet "
        "dbt superset clickhouse-backup lz4",
    ),
    _stack(
        "Jupyter notebooks", "data", "python",
        "jupyter pandas numpy nbconvert papermill nbstripout matplotlib polars scikit-learn conda",
    ),
    _stack(
        "Kubernetes clusters", "platform", "yaml",
        "kubectl helm kustomize argocd cert-manager kubeconform velero k9s prometheus trivy",
    ),
    _stack(
        "Terraform modules", "platform", "hcl",
        "terraform tflint terragrunt checkov terraform-docs infracost terratest tfsec packer vault",
    ),
    _stack(
        "Ansible playbooks", "platform", "yaml",
        "ansible ansible-lint molecule yamllint ansible-vault jinja "
        "pytest-testinfra ssh rsync systemd",
    ),
    _stack(
        "Docker images", "platform", "dockerfile",
        "docker buildkit hadolint trivy dive compose syft cosign skopeo grype",
    ),
    _stack(
        "GitHub Actions workflows", "platform", "yaml",
        "actionlint gh act dependabot reviewdog renovate codecov shellcheck zizmor yamllint",
    ),
    _stack(
        "Nginx front ends", "platform", "nginx",
        "nginx certbot openssl wrk goaccess fail2ban gixy varnish logrotate hey",
    ),
    _stack(
        "Linux servers", "platform", "bash",
        "systemd journalctl rsync restic shellcheck ansible nftables logrotate iostat sshd",
    ),
    _stack(
        "Prometheus servers", "platform", "yaml",
        "prometheus alertmanager promtool grafana thanos node-exporter "
        "blackbox-exporter loki karma pint",
    ),
    _stack(
        "C firmware projects", "embedded", "c",
        "gcc cmake openocd gdb cppcheck unity ceedling clang-format freertos jlink",
    ),
    _stack(
        "Zephyr boards", "embedded", "c",
        "west zephyr twister devicetree openocd mcuboot clang-format cmake renode kconfig",
    ),
    _stack(
        "ESP32 devices", "embedded", "cpp",
        "esp-idf esptool platformio cmake openocd mosquitto ccache clang-tidy gdb nvs",
    ),
    _stack(
        "Rust firmware projects", "embedded", "rust",
        "cargo probe-rs embassy defmt clippy rtic cargo-binutils flip-link rustfmt svd2rust",
    ),
    _stack(
        "Qt desktop tools", "desktop", "cpp",
        "qt cmake clang-tidy valgrind qtest ccache clazy conan linguist clang-format",
    ),
    _stack(
        "Electron apps", "desktop", "typescript",
        "electron electron-builder vite vitest playwright eslint prettier esbuild pnpm asar",
    ),
    _stack(
        "WordPress sites", "content", "php",
        "wp-cli composer phpunit phpcs redis mariadb query-monitor varnish phpstan nginx",
    ),
    _stack(
        "Drupal sites", "content", "php",
        "drush composer phpunit twig phpcs solr mariadb varnish phpstan redis",
    ),
)  # fmt: skip

#: Areas whose software answers requests of strangers over a network.
ONLINE_AREAS = frozenset({"backend", "frontend", "platform", "content"})
