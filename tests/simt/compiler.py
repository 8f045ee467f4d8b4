"""From CUDA sources to shared libraries."""
import ctypes
import itertools
import re
import shutil
import subprocess
from pathlib import Path

import filelock

from imsat.storage import digest
from simt.errors import KernelError

FOLDER = Path(__file__).parent
COMPILER = shutil.which('g++') or shutil.which('clang++')
FLAGS = ['-std=gnu++17', '-O1', '-gdwarf-4', '-fPIC', '-Wall', '-Werror',
         '-Wno-unknown-pragmas',  # unroll
         # Every access is to be seen, none at several addresses at once.
         '-fno-tree-vectorize', '-fno-tree-slp-vectorize',
         '-fno-delete-null-pointer-checks',
         '-U_FORTIFY_SOURCE', '-ffp-contract=off', f'-I{FOLDER}']
SANITIZED = ['-fsanitize=thread,alignment']
# So many threads are launched however many registers each takes.
ANY_REGISTERS = 256
SHARED = re.compile(
    r'\b(extern\s+)?__shared__\s+([\w: ]+?)\s+(\w+\s*(?:\[[^;]*)?);')
C_TYPES = {'float32': 'float', 'float64': 'double', 'int32': 'int',
           'int64': 'long long', 'uint8': 'unsigned char',
           'uint32': 'unsigned', 'uint64': 'unsigned long long',
           'bool': 'bool'}


class Compiler:
    """Compiles each source once and keeps the result in ``folder``, which
    several processes may share."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self._libraries = {}
        # Sources include it from there: compiled, if the compiler is g++.
        header = self.folder / 'simt.h'
        with filelock.FileLock(header.with_suffix('.lock')):
            if not header.exists():
                _compile(*SANITIZED, '-Wno-error', '-x', 'c++-header',
                         FOLDER / 'simt.h', '-o', f'{header}.gch')
                shutil.copy(FOLDER / 'simt.h', header)
        # Kernels find its functions there.
        self.scheduler = ctypes.CDLL(
            str(self._build((FOLDER / 'simt.cpp').read_text(), '-O2')),
            mode=ctypes.RTLD_GLOBAL)

    def __call__(self, text):
        """The library of the kernels in a CUDA source."""
        if text not in self._libraries:
            self._libraries[text] = ctypes.CDLL(str(self._build(
                translate(text), *SANITIZED)))
        return self._libraries[text]

    def _build(self, source, *options):
        """The path of the library of a C++ source."""
        path = self.folder / digest(source.encode())
        library = path.with_suffix('.so')
        with filelock.FileLock(path.with_suffix('.lock')):
            if not library.exists():
                path.with_suffix('.cpp').write_text(source)
                _compile(*options, '-c', path.with_suffix('.cpp'), '-o',
                         path.with_suffix('.o'))
                # Linked without -fsanitize: its functions are in simt.cpp.
                # If this fails, there is no library.
                _compile('-shared', path.with_suffix('.o'), '-o', library)
        return library


def translate(text):
    """The C++ source of a CUDA source; lines keep their numbers."""
    counter = itertools.count()

    def declare(match):
        dynamic, kind, declarators = match.groups()
        statements = []
        for declarator in declarators.split(','):
            name, extents = re.fullmatch(
                r'\s*(\w+)\s*(.*)', declarator, re.DOTALL).groups()
            if dynamic:
                statements.append(
                    f'{kind}* {name} = ({kind}*)simt_dynamic_shared();')
                continue
            n = next(counter)
            statements.append(
                f'typedef {kind} simt_t{n}{extents}; '
                f'simt_t{n}& {name} = simt::shared<simt_t{n}, {n}>();')
        return ' '.join(statements)

    kernels = re.findall(
        r'__global__\s+void\s+(?:__launch_bounds__\(([^)]*)\)\s*)?(\w+)', text)
    text = SHARED.sub(declare, text)
    return '\n'.join(['#include "simt.h"', '#line 1 "source"', text,
                      *(f'SIMT_ENTRY({name}, {bounds or ANY_REGISTERS})'
                        for bounds, name in kernels), ''])


def elementwise_source(kernel, types):
    """What ``cupy.ElementwiseKernel`` makes of its strings, in short."""
    typedefs = [f'typedef {C_TYPES[dtype]} {name};'
                for name, dtype in types.items() if name != 'bool']
    params, body = [], []
    for param in kernel.in_params + kernel.out_params:
        kind, name = param.split()[-2:]
        const = 'const ' * (param in kernel.in_params)
        if is_raw(param):
            params += [f'{const}{kind}* {name}_', f'long long {name}_size']
            body.append(f'RawArray<{const}{kind}> {name}'
                        f'{{{name}_, {name}_size}};')
        elif name in kernel.scalars:
            params.append(f'{kind} {name}')
        else:
            params.append(f'{const}{kind}* {name}_')
            body.append(f'{const}{kind}& {name} = {name}_[i];')
    return '\n'.join([
        *typedefs, kernel.preamble,
        f'extern "C" __global__ void {kernel.name}('
        + ', '.join([*params, 'long long n_']) + ') {',
        'for (long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x;'
        ' i < n_; i += blockDim.x * (long long)gridDim.x) {',
        *body, f'#line 1 "{kernel.name}"', kernel.operation + ';', '}', '}'])


def is_raw(param):
    return param.startswith('raw ')


def _compile(*arguments):
    process = subprocess.run([COMPILER, *FLAGS, *map(str, arguments)],
                             capture_output=True, text=True)
    if process.returncode:
        raise KernelError(process.stderr)


def source_line(place):
    """From ``library+offset`` to a line of the source."""
    library, plus, offset = place.rpartition('+')
    addr2line = shutil.which('addr2line')
    if not plus or addr2line is None:
        return place or 'launch'
    process = subprocess.run(
        [addr2line, '-i', '-s', '-e', library, '0x' + offset],
        capture_output=True, text=True)
    lines = process.stdout.split('\n')
    return ', called from '.join(
        re.sub(r' \(discriminator.*', '', line) for line in lines if line)
