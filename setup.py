import re
from pathlib import Path

from setuptools import find_packages, setup

here = Path(__file__).parent


def requirements(file):
    lines = (here / file).read_text().splitlines()
    return [line for line in lines if line and not line.startswith('#')]


def version():
    # Not imported: what it needs may not be installed yet.
    source = (here / 'imsat' / '__init__.py').read_text()
    return re.search(r"^__version__ = '(.+)'$", source, re.M).group(1)


setup(
    name='imsat',
    version=version(),
    description='Information Maximizing Self-Augmented Training: clustering '
                'and hash codes without labels, with Chainer and CuPy',
    long_description=(here / 'README.md').read_text(encoding='utf-8'),
    long_description_content_type='text/markdown',
    author='the imsat authors',
    license='MIT',
    license_files=['LICENSE'],
    project_urls={
        'Paper': 'https://arxiv.org/abs/1702.08720',
        'Code of the paper': 'https://github.com/weihua916/imsat',
    },
    classifiers=[
        'Development Status :: 4 - Beta',
        'Environment :: GPU :: NVIDIA CUDA',
        'Intended Audience :: Science/Research',
        'Programming Language :: Python :: 3',
        'Programming Language :: Python :: 3.10',
        'Programming Language :: Python :: 3.11',
        'Programming Language :: Python :: 3.12',
        'Programming Language :: Python :: 3.13',
        'Topic :: Scientific/Engineering :: Artificial Intelligence',
    ],
    python_requires='>=3.10',
    packages=find_packages(include=['imsat', 'imsat.*']) + ['imsat.cuda'],
    # The kernels live in the top-level folder cuda/ and are imported as
    # imsat.cuda; a top-level package `cuda` would hide NVIDIA's own.
    package_dir={'imsat.cuda': 'cuda'},
    package_data={'imsat': ['py.typed'], 'imsat.cuda': ['*.cu', '*.cuh']},
    install_requires=requirements('requirements.txt'),
    extras_require={
        'test': requirements('requirements-test.txt'),
        'docs': ['sphinx>=7.4', 'furo'],
        'cuda12': ['cupy-cuda12x>=13.6'],
        'cuda13': ['cupy-cuda13x>=13.6'],
        'fast': ['numba>=0.61'],
        'mpi': ['mpi4py>=4', 'openmpi>=5'],
        'faiss': ['faiss-cpu>=1.9'],
        'hdf5': ['h5py>=3.8'],
        'parquet': ['pyarrow>=18.1'],
        'onnx': ['onnx>=1.17', 'onnxruntime>=1.21'],
    },
)
