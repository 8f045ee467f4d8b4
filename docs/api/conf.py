"""The API reference, made from the docstrings: ``make docs``."""
import dataclasses
import inspect
import re
import sys
from pathlib import Path

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.ext import autosummary
from sphinx.util.nodes import make_refnode

sys.path.insert(0, str(Path(__file__).parents[2]))

import imsat  # NOQA
from imsat.parameters import declarations  # NOQA

project = 'imsat'
author = 'the imsat authors'
copyright = '2026, the imsat authors'
version = release = imsat.__version__

extensions = ['sphinx.ext.autodoc', 'sphinx.ext.autosummary',
              'sphinx.ext.napoleon']
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
# Attributes are listed like arguments.
napoleon_custom_sections = [('Attributes', 'params_style')]
html_math_renderer = 'mathml'

html_theme = 'furo'
html_title = f'imsat {release}'
html_static_path = ['_static']
html_css_files = ['imsat.css']
html_copy_source = False


def is_ours(obj):
    module = getattr(obj, '__module__', None)
    return module is None or module.split('.')[0] == 'imsat'


def skip_others(app, what, name, obj, skip, options):
    """Leaves out what bases of other projects define or describe, and the
    defaults of parameters, which stand in the signature."""
    obj = getattr(obj, 'fget', obj)
    if not is_ours(obj) or what == 'class' and obj is None:
        return True
    if inspect.isfunction(obj) and not obj.__doc__ and '.' in obj.__qualname__:
        cls = getattr(sys.modules[obj.__module__],
                      obj.__qualname__.split('.')[0])
        described = [base for base in cls.__mro__ if getattr(
            vars(base).get(name), '__doc__', None)]
        if described and not is_ours(described[0]):
            return True
    return None


ATTRIBUTES = re.compile(r'^Attributes:\n((?:(?: {4}.*)?\n)+)', re.M)
ENTRY = re.compile(r'^ {4}(\w[\w, ]*?)(?: \(.*?\))?:(?:.|\n {5,})*', re.M)


def complete(app, what, name, obj, options, lines):
    """Tells of a class with declared parameters its bases' attributes."""
    if what != 'class' or not dataclasses.is_dataclass(obj) \
            or not declarations(obj):
        return
    entries = {}
    for base in obj.__mro__:
        if is_ours(base) and vars(base).get('__doc__'):
            text = inspect.cleandoc(vars(base)['__doc__']) + '\n'
            for section in ATTRIBUTES.finditer(text):
                for entry in ENTRY.finditer(section[1]):
                    entries.setdefault(entry[1], entry[0])
    text = '\n'.join([*lines, ''])
    found = ATTRIBUTES.search(text)
    start, end = found.span() if found else (len(text), len(text))
    if entries:
        text = text[:start] + '\n'.join(
            ['Attributes:', *entries.values(), '', text[end:]])
        lines[:] = text.split('\n')


def mend_signature(app, what, name, obj, options, signature, returns):
    """A default that is made anew is no Python as dataclasses show it."""
    return signature and signature.replace('<factory>', '...'), returns


def write_math(translator, node):
    """Formulas as browsers know them, without a script from elsewhere."""
    block = isinstance(node, nodes.math_block)
    formula = node.astext().replace('||', r'\|')
    if '&' in formula:
        formula = rf'\begin{{aligned}}{formula}\end{{aligned}}'
    formula = tex2mathml(formula)
    if block:
        formula = formula.replace('<math', '<math display="block"', 1)
        formula = f'<div class="math">{formula}</div>'
    translator.body.append(formula)
    raise nodes.SkipNode


def resolve(app, env, node, contnode):
    """Finds `functions.softmax_kl` and `vat` wherever they are described."""
    # Types of arguments, which are not literal, may be anything.
    if node.get('refdomain') != 'py' or not isinstance(contnode,
                                                       nodes.literal):
        return None
    ending = '.' + node['reftarget'].lstrip('.~').removeprefix('imsat.')
    found = {entry.node_id: (entry.docname, name)
             for name, entry in env.get_domain('py').objects.items()
             if name.endswith(ending) and entry.objtype != 'module'}
    if len(found) != 1:
        return None
    (node_id, (document, name)), = found.items()
    return make_refnode(app.builder, node['refdoc'], document, node_id,
                        contnode, name)


def setup(app):
    app.connect('autodoc-skip-member', skip_others)
    # Before napoleon.
    app.connect('autodoc-process-docstring', complete, priority=400)
    app.connect('autodoc-process-signature', mend_signature)
    app.add_html_math_renderer('mathml', (write_math, None),
                               (write_math, None))
    app.connect('missing-reference', resolve)
