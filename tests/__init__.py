"""Tests, one file per module; they need no network and pass in any order on both databases."""
