"""Every kernel compiles for every architecture, without a warning.

Nor does one need memory beside its registers.
"""
import numpy
import pytest

from imsat.cuda import kernels

cupy = pytest.importorskip(
    'cupy', reason='CuPy is missing: pip install -r requirements-test.txt')

# What CuPy compiles with.
OPTIONS = '-std=c++17', '-ftz=true'
ARCHITECTURES = 'sm_70', 'sm_80', 'sm_90', 'sm_100'
# Registers that are spilled, and arrays with indices that are not constant.
WARN = ('--ptxas-options=--warn-on-spills',
        '--ptxas-options=--warn-on-local-memory-usage')


# By make test all but those in float64 are compiled for one.
VARIANTS = [
    pytest.param(
        kernel, variant, architecture,
        id='-'.join([kernel.name, *map(str, variant.values()), architecture]),
        marks=[] if architecture == 'sm_90'
        and 'float64' not in variant.values() else pytest.mark.slow)
    for kernel in kernels.all_kernels() for variant in kernel.variants
    for architecture in ARCHITECTURES]


@pytest.fixture(scope='module')
def nvrtc():
    from cupy_backends.cuda.libs import nvrtc
    try:
        version = nvrtc.getVersion()
    except RuntimeError as e:  # the library is loaded at the first call
        pytest.skip(f'NVRTC is missing ({e}): '
                    'pip install -r requirements-test.txt')
    supported = set(nvrtc.getSupportedArchs())
    missing = [a for a in ARCHITECTURES if int(a[3:]) not in supported]
    if missing:
        pytest.skip(f'NVRTC {version} does not know {", ".join(missing)}; '
                    '12.8 and 12.9 do')
    return nvrtc


@pytest.mark.by_turns(2)
@pytest.mark.parametrize('kernel,variant,architecture', VARIANTS)
def test_compiles(nvrtc, kernel, variant, architecture):
    if isinstance(kernel, kernels.Source):
        text, options = kernel.text(variant), OPTIONS
    else:
        text, options = generated(kernel, variant)
    binary, log = compile_(
        nvrtc, text, (
            *options, *WARN, f'--gpu-architecture={architecture}'))
    assert binary[:4] == b'\x7fELF', log
    assert log == ''


# Positions in an image are float64 for any image.
IN_DOUBLE = {'affine.cu'}


@pytest.mark.parametrize('kernel', [
    k for k in kernels.all_kernels() if isinstance(k, kernels.Source)
    and {'T': 'float32'}.items() <= k.variants[0].items()
    and k.name not in IN_DOUBLE], ids=lambda kernel: kernel.name)
def test_nothing_is_promoted_to_double(nvrtc, kernel):
    program = nvrtc.createProgram(
        kernel.text(kernel.variants[0]), 'kernel.cu', (), ())
    nvrtc.compileProgram(
        program, (*OPTIONS, '--gpu-architecture=compute_90'))
    text = nvrtc.getPTX(program)
    nvrtc.destroyProgram(program)
    text = text if isinstance(text, str) else text.decode()
    assert '.f32' in text
    assert [line for line in text.splitlines() if '.f64' in line] == []


def test_a_warning_is_noticed(nvrtc):
    _, log = compile_(nvrtc, '__global__ void f(int* x) { int unused; }',
                      ('--gpu-architecture=sm_80',))
    assert 'unused' in log


@pytest.mark.parametrize('bounds,body,message', [
    ('', 'float a[8]; for (int i = 0; i < 8; i++) a[x[i]] = x[i]; '
     'x[0] = a[x[8]];', 'Local memory used'),
    ('__launch_bounds__(1024, 2)',
     'int a[64]; for (int i = 0; i < 64; i++) a[i] = x[i]; '
     '__syncthreads(); for (int i = 0; i < 64; i++) x[64 - i] = a[i];',
     'Registers are spilled')])
def test_memory_beside_registers_is_noticed(nvrtc, bounds, body, message):
    _, log = compile_(
        nvrtc, f'__global__ void {bounds} f(int* x) {{ {body} }}',
        ('--gpu-architecture=sm_90', *WARN))
    assert message in log


def compile_(nvrtc, text, options):
    """A binary, or b'', and what the compiler says."""
    program = nvrtc.createProgram(text, 'kernel.cu', (), ())
    try:
        nvrtc.compileProgram(program, options)
        binary = nvrtc.getCUBIN(program)
    except nvrtc.NVRTCError:
        binary = b''
    lines = nvrtc.getProgramLog(program).splitlines()
    nvrtc.destroyProgram(program)
    # Of sm_70, by NVRTC 12.9.
    return binary, '\n'.join(
        line for line in lines if line.strip()
        and 'are deprecated and may be removed' not in line)


def generated(kernel, variant):
    """What ElementwiseKernel makes of the strings, and its options.

    CuPy has no public way to it that works without a GPU.
    """
    from cupy._core import _kernel, core
    from cupy._core._carray import Indexer
    from cupy._core._scalar import CScalar
    from cupy.cuda import compiler
    nd_array, indexer, scalar = 1, 2, 3  # _ArgKind in _kernel.pxd
    k = cupy.ElementwiseKernel(
        ', '.join(kernel.in_params), ', '.join(kernel.out_params),
        kernel.operation, kernel.name, preamble=kernel.preamble)

    def is_scalar(param):
        return param.split()[-1] in kernel.scalars

    def argument(param, dtype):
        if is_scalar(param):
            return _kernel._ArgInfo(scalar, CScalar, dtype, 0, True, True)
        # What is raw are upstream gradients, of no dimensions.
        n_dim = 0 if param.startswith('raw ') else 1
        return _kernel._ArgInfo(
            nd_array, cupy.ndarray, dtype, n_dim, True, True)

    kinds = [None if is_scalar(p) else p.split()[-2]
             for p in kernel.in_params]
    in_types, out_types, type_map = k._decide_params_type(
        tuple(kind and numpy.dtype(variant.get(kind, kind))
              for kind in kinds), ())
    arguments = [*map(argument, kernel.in_params + kernel.out_params,
                      map(numpy.dtype, in_types + out_types)),
                 _kernel._ArgInfo(indexer, Indexer, None, 1, True, True)]
    text = _kernel._get_elementwise_kernel_code(
        tuple(arguments), type_map, k.params, k.operation, k.name, k.preamble,
        '', '')
    includes = ''.join(f'#include <{h}>\n' for h in core._cupy_header_list)
    options = core.assemble_cupy_compiler_options(())
    if hasattr(compiler, '_get_extra_include_dir_opts'):
        options += compiler._get_extra_include_dir_opts()
    return includes + text, (
        *options, '--device-as-default-execution-space')
