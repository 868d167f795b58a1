"""The site of the documentation, ``make docs``: the pages that the repository shows, and docstrings."""

from __future__ import annotations

import sys
from pathlib import Path

import xlkmv

sys.path.insert(0, str(Path(__file__).parent))

project = "xlkmv"
author = "The xlkmv developers"
copyright = author
version = release = xlkmv.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "numpydoc",
    "formulas",
    "reference",
    "running",
]
root_doc = "index"
exclude_patterns = ["site"]
html_theme = "furo"
html_title = f"xlkmv {release}"
html_copy_source = False
html_static_path = ["static"]
html_css_files = ["pages.css"]

myst_heading_anchors = 3
myst_fence_as_directive = ["math"]
myst_enable_extensions = ["dollarmath"]

autodoc_preserve_defaults = True
autodoc_typehints = "none"  # docstrings say types in words, with shapes and units
numpydoc_show_class_members = False
