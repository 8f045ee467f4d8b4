"""The API reference, made from the docstrings: ``make docs``."""
import sys
from pathlib import Path

from docutils import nodes
from sphinx.ext import autosummary
from sphinx.util.nodes import make_refnode

sys.path.insert(0, str(Path(__file__).parents[2]))

import imsat  # NOQA

project = 'imsat'
author = 'the imsat authors'
copyright = '2026, the imsat authors'
version = release = imsat.__version__

extensions = ['sphinx.ext.autodoc', 'sphinx.ext.autosummary',
              'sphinx.ext.mathjax', 'sphinx.ext.napoleon']
templates_path = ['_templates']
exclude_patterns = ['_templates']
default_role = 'literal'

# A page shows what `__all__` of its module names, or else what is defined
# there.
autosummary_ignore_module_all = False
# Else a summary ends there.
autosummary.WELL_KNOWN_ABBREVIATIONS += 'Eq.', 'Eqs.'
autodoc_member_order = 'bysource'
maximum_signature_line_length = 60
napoleon_numpy_docstring = False

html_theme = 'furo'
html_title = f'imsat {release}'
html_static_path = ['_static']
html_css_files = ['imsat.css']
html_copy_source = False


def skip_others(app, what, name, obj, skip, options):
    """Leaves out what bases of other projects define."""
    obj = getattr(obj, 'fget', obj)
    module = getattr(obj, '__module__', None)
    if module is not None and module.split('.')[0] != 'imsat':
        return True
    return None


def resolve(app, env, node, contnode):
    """Finds `functions.softmax_kl` and `vat` wherever they are described."""
    # Types of arguments, which are not literal, may be anything.
    if node.get('refdomain') != 'py' or not isinstance(contnode,
                                                       nodes.literal):
        return None
    ending = '.' + node['reftarget'].lstrip('.~').removeprefix('imsat.')
    found = {entry.node_id: (entry.docname, name)
             for name, entry in env.get_domain('py').objects.items()
             if name.endswith(ending)}
    if len(found) != 1:
        return None
    (node_id, (document, name)), = found.items()
    return make_refnode(app.builder, node['refdoc'], document, node_id,
                        contnode, name)


def setup(app):
    app.connect('autodoc-skip-member', skip_others)
    app.connect('missing-reference', resolve)
