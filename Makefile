# Every task of this project in one command. `make` lists them.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PORT ?= 8000
POSTS ?= 500
ROUNDS ?= 20
KILLS ?= 200
RACES ?= 1000

# The environment's own Python runs the bootstrap once it exists; before that, the first that runs.
# Being on the PATH is not enough: the shim of a version manager can be there and fail.
bootstrap_python = $(shell \
	for python in .venv/bin/python $(PYTHON) python3 python3.13 python3.12 python3.11; do \
		"$$python" -c "" >/dev/null 2>&1 && echo "$$python" && break; \
	done)
bootstrap = @PYTHON="$(PYTHON)" $(or $(bootstrap_python),$(error no Python 3 found. \
	Install one: Debian and Ubuntu, sudo apt-get install python3 python3-venv; macOS, \
	brew install python)) requirements/bootstrap.py

bin := .venv/bin
manage := $(bin)/python manage.py

# What the demo runs with. It has a database file of its own, so it never touches the one in .env;
# DATABASE_URL in the environment or on the command line names another.
demo_environment = \
	DATABASE_URL="$(or $(DATABASE_URL),sqlite:///demo.sqlite3)" \
	DEBUG=off IMAGE_PLACEHOLDER=on REVIEW_OWN_WORK=on REDIS_URL= \
	ALLOWED_HOSTS="localhost,127.0.0.1,[::1]" PUBLIC_URL="http://127.0.0.1:$(PORT)"

# The tools that load Django need some secret; it protects nothing.
tool_environment = SECRET_KEY=for-tools-only DEBUG=off DATABASE_URL=sqlite://:memory: REDIS_URL=

.PHONY: help setup demo test test-long lint e2e screenshots check-html bench-import \
	bench-compare bench-conversion \
	bench-review bench-readers bench-broken bench-search torture-import torture-kills \
	torture-workers torture-matrix torture-races torture-giants check lock

help: ## list the tasks
	@echo "make <task>, where <task> is one of:"
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/  \1	\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 18

setup: ## build .venv from the locks and write a .env with a SECRET_KEY
	$(bootstrap) base --env

demo: ## show the site with a sample archive on 127.0.0.1:8000 (PORT=, POSTS=)
	$(bootstrap) base --env
	@$(MAKE) --no-print-directory -s staticfiles/.collected
	@$(demo_environment) $(manage) migrate --verbosity 0
	@$(demo_environment) $(manage) demo --posts $(POSTS)
	@exec env $(demo_environment) $(bin)/gunicorn -c alphanode/gunicorn.conf.py --bind 127.0.0.1:$(PORT)

# Collected again when a file or a folder of static files is newer, or an app that brings some is.
staticfiles/.collected: requirements/base.txt alphanode/settings.py \
		$(shell find static posts/static 2>/dev/null | grep -v ' ')
	@$(demo_environment) $(manage) collectstatic --noinput --verbosity 0
	@touch $@

test: ## run the fast tests, on SQLite and, when it answers, PostgreSQL (ARGS=)
	$(bootstrap) test
	@$(bin)/python -m tests.on_databases -n 2 -m "not long and not browser" $(ARGS)

test-long: ## run the long tests on the same databases (ARGS=)
	$(bootstrap) test
	@$(bin)/python -m tests.on_databases -m long $(ARGS)

lint: ## check style, templates, types and that no migration is missing
	$(bootstrap) dev
	@$(bin)/ruff check .
	@$(bin)/ruff format --check .
	@find templates posts -name '*.html' -print0 | xargs -0 --no-run-if-empty $(bin)/djade --check
	@$(tool_environment) $(bin)/mypy
	@$(tool_environment) $(manage) makemigrations --check --dry-run

e2e: ## drive the site in Chromium and check it for accessibility (ARGS=)
	$(bootstrap) test
	@DATABASE_URL=sqlite:///test.sqlite3 $(bin)/python -m pytest -n 2 --dist loadfile -m "browser and not long" $(ARGS)

screenshots: ## take docs/screenshots anew from a fresh demo
	$(bootstrap) test
	@$(bin)/python -m tests.e2e.screenshots

check-html: ## check the pages with the Nu HTML checker (VNU=path of vnu.jar; needs Java)
	$(bootstrap) test
	@$(bin)/python -m tests.e2e.check_html $(or $(VNU),$(error VNU= must name vnu.jar: npm install vnu-jar))

bench-import: ## measure the import beside raw writes of the same rows (ARGS=--peers)
	$(bootstrap) base
	@$(bin)/python -m benchmarks.import_bench $(ARGS)

bench-compare: ## measure comparing revisions of several sizes
	$(bootstrap) base
	@$(bin)/python -m benchmarks.compare_bench $(ARGS)

bench-conversion: ## measure turning HTML into Markdown, hostile inputs too (ARGS=--peers)
	$(bootstrap) base
	@$(bin)/python -m benchmarks.conversion_bench $(ARGS)

bench-review: ## measure the queue, bulk actions and comparing at a million posts (ARGS=)
	$(bootstrap) base
	@$(bin)/python -m benchmarks.review_bench $(ARGS)

bench-readers: ## measure article pages and saves while an import runs (ARGS=)
	$(bootstrap) base
	@$(bin)/python -m benchmarks.readers_bench $(ARGS)

bench-broken: ## import with 1 % of the records broken in forty ways; check each reject (ARGS=)
	$(bootstrap) base
	@$(bin)/python -m benchmarks.broken_bench $(ARGS)

bench-search: ## measure searches of 100,000 listed notes on both databases (ARGS=)
	$(bootstrap) base
	@$(bin)/python -m benchmarks.search_bench $(ARGS)

torture-import: ## kill, cut off and fill up imports; compare with undisturbed ones (ROUNDS=, ARGS=)
	$(bootstrap) base
	@$(bin)/python -m benchmarks.torture --rounds $(ROUNDS) $(ARGS)

torture-kills: ## kill imports and end their connections so often (KILLS=, ARGS=)
	$(bootstrap) base
	@$(bin)/python -m benchmarks.torture --scenarios kill,terminate --hits $(KILLS) \
		--posts 200 $(ARGS)

torture-workers: ## kill only the process beside an import, or only the import (ROUNDS=, ARGS=)
	$(bootstrap) base
	@$(bin)/python -m benchmarks.torture --scenarios worker --rounds $(ROUNDS) $(ARGS)

torture-matrix: ## one export from every batch size, packing, stop and database (ARGS=--posts N)
	$(bootstrap) base
	@$(bin)/python -m benchmarks.torture --scenarios matrix --posts 1000 $(ARGS)

torture-races: ## let editors save what a running import changes (RACES=, ARGS=)
	$(bootstrap) base
	@$(bin)/python -m benchmarks.torture --scenarios races --races $(RACES) $(ARGS)

torture-giants: ## a line of 5 GB, a folder of a million files and others (ARGS=)
	$(bootstrap) base
	@$(bin)/python -m benchmarks.torture --scenarios giants --line-bytes 5000000000 \
		--files 1000000 $(ARGS)

check: lint test e2e ## lint, test and e2e

lock: ## resolve requirements/*.in anew into the locks (ARGS=--upgrade)
	$(bootstrap) dev
	@cd requirements && for name in base prod test dev; do \
		echo "Locking $$name"; \
		../$(bin)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
			--no-emit-index-url --no-header --no-annotate $(ARGS) \
			$$constraints $$name.in --output-file $$name.txt || exit 1; \
		constraints="$$constraints --constraints $$name.txt"; \
	done
