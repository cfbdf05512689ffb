#!/usr/bin/env python3
"""Runs a management command; `manage.py help` lists them."""

import os
import sys


def main() -> None:
    """Run the command line; a wrong setting ends with one line that says which, and exit code 1."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "alphanode.settings")
    try:
        from django.core.exceptions import ImproperlyConfigured
        from django.core.management import execute_from_command_line
    except ImportError as error:
        sys.exit(f"{error}. Run `make setup` once, then .venv/bin/python manage.py …")
    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        if "--traceback" in sys.argv:
            raise
        sys.exit(str(error))


if __name__ == "__main__":
    main()
