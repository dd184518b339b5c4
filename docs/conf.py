"""Settings of the site: the manuals of this folder, the guides, an API reference."""

import os
from pathlib import Path
import sys

from sphinx.application import Sphinx

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS.parent / 'tools/docs'))

project = 'MobileNetV2-SSD for ROS 2'
author = 'maintainers'
extensions = ['sphinx.ext.autodoc', 'autoapi.extension', 'myst_nb', 'sphinx_copybutton']
exclude_patterns = ['_build', '_templates']
# Docstrings quote code with one backtick, as Markdown does.
default_role = 'code'
smartquotes = False
# Links to modules and functions of ours have to lead somewhere; types of libraries are no links.
nitpicky = True
nitpick_ignore_regex = [('py:(?!mod|func|meth).*', '.*'), ('py:.*', '(?!ssd_).*')]
# Constants that are assigned several at once are not found by name, and of two types of one name
# any may be meant: their uses are no links then.
suppress_warnings = ['autoapi.python_import_resolution', 'ref.python']

myst_enable_extensions = ['attrs_block', 'colon_fence']
myst_heading_anchors = 4
# Manuals link to files of the repository as they lie there; these are pages here.
PAGES_ELSEWHERE = {
    '../ssd_training/infrastructure/QUICKSTART.md': 'aws.md',
    '../ssd_training/ssd_training/configs/experiments/RESULTS.md': 'results.md',
}

# Guides run each time: a cache would know their cells, but not the packages that they import.
nb_execution_mode = os.environ.get('GUIDES', 'force')
nb_execution_raise_on_error = True
nb_execution_timeout = 600
nb_merge_streams = True

# Read, not imported: the reference needs neither TensorFlow nor ROS.
autoapi_dirs = [
    f'../{package}/{package}' for package in ('ssd_detector', 'ssd_training', 'ssd_detector_ros')
]
autoapi_options = ['members', 'show-inheritance']
autoapi_template_dir = '_templates/autoapi'
autoapi_member_order = 'bysource'
autoapi_root = 'api'
autoapi_add_toctree_entry = False

html_theme = 'furo'
html_title = project
html_static_path = ['_static']
html_css_files = ['site.css']
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False


def link_to_pages(app: Sphinx, name: str, source: list[str]) -> None:
    """Have links of the manuals lead to the page of the site, where there is one."""
    for path, page in PAGES_ELSEWHERE.items():
        source[0] = source[0].replace(f']({path}', f']({page}')


def keep_modules(
    app: Sphinx, what: str, name: str, one: object, skip: bool, options: object
) -> bool | None:
    """Give folders pages, too, whose text stands in CONTRIBUTING.md: their modules need them."""
    is_private = any(part.startswith('_') for part in name.split('.'))
    return False if what in ('package', 'module') and not is_private else None


def translate_docstring(
    app: Sphinx, what: str, name: str, one: object, options: object, lines: list[str]
) -> None:
    """Docstrings are written for people who read the code, not for reStructuredText."""
    from docstrings import to_rst

    lines[:] = to_rst(lines)


def make_pages(app: Sphinx) -> None:
    """Write the page that is made from the code."""
    from architecture import write_page

    write_page(DOCS)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register what this file adds."""
    app.connect('builder-inited', make_pages)
    app.connect('autoapi-skip-member', keep_modules)
    app.connect('autodoc-process-docstring', translate_docstring)
    app.connect('source-read', link_to_pages)
    return {'parallel_read_safe': True, 'parallel_write_safe': True}
