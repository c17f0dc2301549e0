"""Build the documentation: ``nox -s docs``, or ``sphinx-build -W --keep-going -b html docs FOLDER``.

Sphinx, with MyST for Markdown and the theme furo: it reads docstrings, it checks links and references strictly, and its
search needs no server. Nothing in the built pages comes from another host.
"""

from importlib.metadata import version as version_of

project = "flask_images_vips"
author = "The developers of flask_images_vips"
copyright = author
version = release = version_of("flask-images-vips")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx_copybutton",
    "sphinx_design",
]
nitpicky = True
exclude_patterns = ["_build"]
suppress_warnings: list[str] = []

# Headings are link targets, as they are on code hosts.
myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence", "deflist", "attrs_block"]

autodoc_typehints = "signature"
autodoc_member_order = "bysource"
copybutton_exclude = ".linenos, .gp, .go"

html_theme = "furo"
html_title = "flask_images_vips"
html_static_path = ["_static"]
html_css_files = ["docs.css"]
html_copy_source = False
html_show_sphinx = False
