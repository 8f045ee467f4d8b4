from pathlib import Path

from setuptools import find_packages, setup

here = Path(__file__).parent


def requirements(file):
    lines = (here / file).read_text().splitlines()
    return [line for line in lines if line and not line.startswith('#')]


setup(
    name='imsat',
    version='0.1.0',
    description='Information Maximizing Self-Augmented Training: clustering '
                'and hash codes without labels, with Chainer and CuPy',
    long_description=(here / 'README.md').read_text(encoding='utf-8'),
    long_description_content_type='text/markdown',
    python_requires='>=3.10',
    packages=find_packages(include=['imsat', 'imsat.*']) + ['imsat.cuda'],
    # The kernels live in the top-level folder cuda/ and are imported as
    # imsat.cuda; a top-level package `cuda` would hide NVIDIA's own.
    package_dir={'imsat.cuda': 'cuda'},
    package_data={'imsat': ['py.typed'], 'imsat.cuda': ['*.cu', '*.cuh']},
    install_requires=requirements('requirements.txt'),
    extras_require={
        'test': requirements('requirements-test.txt'),
        'cuda12': ['cupy-cuda12x>=13.6'],
        'cuda13': ['cupy-cuda13x>=13.6'],
        'faiss': ['faiss-cpu>=1.9'],
    },
)
