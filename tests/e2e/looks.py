"""How a page may look: both themes, a wide and a narrow window."""

import pytest

#: For `scheme` and `width`, CSS pixels. Each theme and each width is met once in every run; the two
#: other pairs are left to the long tests.
each_look = pytest.mark.parametrize(
    ("scheme", "width"),
    [
        ("light", 1280),
        ("dark", 320),
        pytest.param("light", 320, marks=pytest.mark.long),
        pytest.param("dark", 1280, marks=pytest.mark.long),
    ],
)
