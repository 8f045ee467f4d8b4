"""``python -m imsat`` says what there is to run."""
import ast
import os
import sys
from pathlib import Path

import imsat

FIRST = 'clustering', 'hashing', 'predict', 'compare_runs'


def about(path):
    """What a script does: the first paragraph of its docstring."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding='utf-8'))) or ''
    return ' '.join(text.split('\n\n')[0].split())


def main():
    said = [f'imsat {imsat.__version__}: clusters and hash codes without '
            f'labels', '', 'In Python: import imsat; '
            'help(imsat.IMSATClustering); help(imsat.IMSATHasher)', '']
    folder = Path(imsat.__file__).parents[1] / 'experiments'
    if (folder / 'clustering.py').is_file():
        said += [f'Scripts in {folder}, each with --help:', '']
        for path in sorted(folder.glob('*.py'), key=lambda path: (
                path.stem not in FIRST, path.stem)):
            said += [f'  python experiments/{path.name}',
                     f'      {about(path)}']
    else:
        said.append('The scripts that do it from the command line are in '
                    'experiments/ of the source code, and not in the '
                    'installed package.')
    try:
        print('\n'.join(said), flush=True)
    except BrokenPipeError:  # "| head" has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == '__main__':
    main()
