"""Settings of the site: the manuals of this folder, the guides, an API reference."""

import os

from sphinx.application import Sphinx

project = 'MobileNetV2-SSD for ROS 2'
author = 'maintainers'
extensions = ['autoapi.extension', 'myst_nb', 'sphinx_copybutton']
exclude_patterns = ['_build', '_templates']
# Docstrings quote code with one backtick, as Markdown does.
default_role = 'code'
smartquotes = False
# Constants that are assigned several at once are not found by name; their uses are no links then.
suppress_warnings = ['autoapi.python_import_resolution']

myst_enable_extensions = ['attrs_block', 'colon_fence', 'dollarmath']
myst_heading_anchors = 4
# Manuals link to files of the repository as they lie there; these are pages here.
PAGES_ELSEWHERE = {
    '../infrastructure/QUICKSTART.md': 'aws.md',
    '../ssd_training/ssd_training/configs/experiments/RESULTS.md': 'results.md',
}

# Guides run each time: a cache would know their cells, but not the packages that they import.
nb_execution_mode = os.environ.get('GUIDES', 'force')
nb_execution_raise_on_error = True
nb_execution_timeout = 600
nb_merge_streams = True

# Read, not imported: the reference needs neither TensorFlow nor ROS.
autoapi_dirs = [f'../{one}/{one}' for one in ('ssd_detector', 'ssd_training', 'ssd_detector_ros')]
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


def link_to_pages(app: Sphinx, name: str, source: list[str]) -> None:
    """Have links of the manuals lead to the page of the site, where there is one."""
    for path, page in PAGES_ELSEWHERE.items():
        source[0] = source[0].replace(f']({path}', f']({page}')


def setup(app: Sphinx) -> dict[str, bool]:
    """Register what this file adds."""
    app.connect('source-read', link_to_pages)
    return {'parallel_read_safe': True, 'parallel_write_safe': True}
