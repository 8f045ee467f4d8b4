"""The emulator runs what is right and reports what is wrong."""
import types

import numpy
import pytest
import simt
from simt import KernelError

from imsat.cuda.launch import shape

WARP = shape((1,), (32,))


def run(emulator, text, args, shape=WARP, name='kernel'):
    emulator.launch(text, name, shape, args)


def kernel(body, params='float* x'):
    return f'extern "C" __global__ void kernel({params}) {{\n{body}\n}}'


def floats(n, dtype='f'):
    return simt.asarray(numpy.arange(n, dtype=dtype))


# --- What is reported ------------------------------------------------------
@pytest.mark.parametrize('body,message', [
    ('x[threadIdx.x] = 1;', r'thread \(31, 0, 0\) of block \(0, 0, 0\) writes '
     r'outside of all arrays; nearest is element 31 of argument 0, an array '
     r'of 31'),
    ('if (x[threadIdx.x] > 100) x[0] = 1;', 'reads outside'),
    ('if (threadIdx.x == 0) x[-1] = 1;', 'writes outside.*element -1'),
    ('if (threadIdx.x == 0) x[1LL << 40] = 1;', 'writes outside'),
    ('float* none = nullptr; *none = 1;', 'writes 4 bytes at address'),
    ('if (threadIdx.x == 0) atomicAdd(x + 31, 1.f);', 'updates outside'),
    ('if (threadIdx.x == 0) *(float4*)(x + 28) = make_float4(1, 2, 3, 4);',
     'writes outside'),
    ('if (threadIdx.x == 0) *(float2*)(x + 1) = make_float2(1, 2);',
     'misaligned for its type'),
])
def test_bounds(emulator, body, message):
    with pytest.raises(KernelError, match=rf'(?s)kernel: .*{message}.*'
                       r'\(source:2\)'):
        run(emulator, kernel(body), (floats(31),))


def test_bounds_of_a_view(emulator):
    text = kernel('if (threadIdx.x < 4) y[threadIdx.x] = x[threadIdx.x + d];',
                  'const float* x, long long d, float* y')
    x, y = floats(10), floats(4)
    run(emulator, text, (x[3:7], numpy.int64(0), y))
    assert y.tolist() == [3, 4, 5, 6]
    for d in (-1, 1):
        with pytest.raises(KernelError, match='reads outside'):
            run(emulator, text, (x[3:7], numpy.int64(d), y))


def test_const(emulator):
    text = kernel('const_cast<float*>(x)[threadIdx.x] = 1;', 'const float* x')
    with pytest.raises(KernelError, match='argument 0, which is const'):
        run(emulator, text, (floats(32),))


@pytest.mark.parametrize('body,message', [
    ('__shared__ float s[8]; s[threadIdx.x] = 1;',
     'writes outside.*byte 32 of a variable of 32 bytes in shared memory'),
    ('__shared__ float s[32][2], t[32]; t[threadIdx.x] = 1; '
     's[threadIdx.x][2 * threadIdx.x] = t[threadIdx.x];',
     'writes outside'),
    ('__shared__ float s[32]; x[threadIdx.x] = s[threadIdx.x];',
     'which nothing has written'),
    ('extern __shared__ float s[]; s[threadIdx.x] = 1;', 'writes outside'),
    ('__shared__ double s[6145]; s[threadIdx.x] = 1;',
     '49152 bytes of shared memory and asks for 49176'),
])
def test_shared_memory(emulator, body, message):
    with pytest.raises(KernelError, match=rf'(?s){message}'):
        run(emulator, kernel(body), (floats(32),), shape((1,), (32,), 16))


def test_shared_memory_is_new_in_every_block(emulator):
    body = '''
__shared__ float s[32];
if (blockIdx.x == 0) s[threadIdx.x] = 1;
x[threadIdx.x] = s[threadIdx.x];'''
    with pytest.raises(KernelError, match='nothing has written'):
        run(emulator, kernel(body), (floats(32),), shape((2,), (32,)))


def test_dynamic_shared_memory(emulator):
    body = '''
extern __shared__ float s[];
s[threadIdx.x] = x[threadIdx.x];
__syncthreads();
x[threadIdx.x] = s[blockDim.x - 1 - threadIdx.x];'''
    x = floats(64)
    run(emulator, kernel(body), (x,), shape((1,), (64,), 256))
    assert x.tolist() == list(range(63, -1, -1))


@pytest.mark.parametrize('body,message', [
    ('if (threadIdx.x == 5) return; __syncthreads();',
     r'thread \(0, 0, 0\) .*waits for ever at a __syncthreads; thread '
     r'\(5, 0, 0\) .*has returned \(source:2\)'),
    ('if (threadIdx.x < 5)\n__syncthreads();\nelse\n__syncthreads();',
     'the one in line [35]'),
    ('if (threadIdx.x == 5) __syncthreads(); else __syncwarp();',
     '__syncwarp; thread .* waits at a __syncthreads'),
    ('if (threadIdx.x % 2) x[0] = __shfl_sync(0xffffffff, 1.f, 0);\n'
     'else __syncthreads();', 'waits for ever at a'),
    ('if (threadIdx.x % 2) __shfl_sync(0x1, 1.f, 0);',
     'not in the mask 00000001 of its shuffle'),
])
def test_waiting_for_ever(emulator, body, message):
    with pytest.raises(KernelError, match=f'(?s){message}'):
        run(emulator, kernel(body), (floats(64),), shape((1,), (64,)))
    # The next launch starts afresh.
    x = floats(64)
    run(emulator, kernel('__syncthreads(); x[threadIdx.x] = 1;'), (x,),
        shape((1,), (64,)))
    assert (x == 1).all()


# A read that comes too early may also find nothing yet.
RACE = 'no barrier in between|nothing has written'

NEIGHBOUR = '''
__shared__ float s[64];
s[threadIdx.x] = x[threadIdx.x];
{}
x[threadIdx.x] = s[threadIdx.x ^ {}];
'''


@pytest.mark.parametrize('seed', [0, 1])
@pytest.mark.parametrize('body,races', [
    (NEIGHBOUR.format('', 32), True),
    (NEIGHBOUR.format('', 1), True),
    (NEIGHBOUR.format('__syncwarp();', 32), True),
    (NEIGHBOUR.format('__syncwarp();', 1), False),
    (NEIGHBOUR.format('__syncthreads();', 1), False),
    (NEIGHBOUR.format('__syncthreads();', 32), False),
    # read, and then written by another
    ('float v = x[threadIdx.x ^ 1]; x[threadIdx.x] = v;', True),
    ('float v = x[threadIdx.x ^ 32]; __syncthreads(); x[threadIdx.x] = v;',
     False),
    ('x[0] = 1;', True),
    ('atomicAdd(x, 1.f);', False),
    ('atomicAdd(x, 1.f); if (threadIdx.x == 3) x[0] = 2;', True),
    # what others have done since, in order, hides none
    ('float v = threadIdx.x < 34 ? x[63] : 0; __syncwarp();'
     'if (threadIdx.x == 32) x[63] = v;', True),
    ('float v = threadIdx.x < 34 ? x[63] : 0; __syncthreads();'
     'if (threadIdx.x == 32) x[63] = v;', False),
    ('if (threadIdx.x == 0) x[0] = 0; atomicAdd(x, 1.f);', True),
    ('atomicAdd(x, 1.f); __syncwarp(); if (threadIdx.x == 32) x[1] = x[0];',
     True),
    ('atomicAdd(x, 1.f); __syncthreads();'
     'if (threadIdx.x == 32) x[1] = x[0];', False),
])
def test_races_in_a_block(emulator, seed, body, races):
    emulator.seed = seed
    x = floats(64)
    if races:
        with pytest.raises(KernelError, match=RACE):
            run(emulator, kernel(body), (x,), shape((1,), (64,)))
    else:
        run(emulator, kernel(body), (x,), shape((1,), (64,)))


LAST_BLOCK_SUMS = '''
__shared__ int last;
if (threadIdx.x == 0) {{
    x[1 + blockIdx.x] = 1;
    {}
    last = atomicAdd(x, 1.f) == gridDim.x - 1;
}}
__syncthreads();
if (last && threadIdx.x == 0) {{
    float sum = 0;
    for (unsigned i = 0; i < gridDim.x; i++) sum += x[1 + i];
    x[9] = sum;
}}
'''


@pytest.mark.parametrize('seed', [0, 1])
def test_races_of_blocks(emulator, seed):
    emulator.seed = seed
    for body in ('if (threadIdx.x == 0) x[0] += 1;',
                 'float v = x[0]; __syncthreads();'
                 'if (blockIdx.x == 7 && threadIdx.x == 0) x[0] = v;'):
        with pytest.raises(KernelError, match='no barrier in between'):
            run(emulator, kernel(body), (floats(1),), shape((8,), (64,)))
    with pytest.raises(KernelError, match='no barrier in between'):
        run(emulator, kernel(LAST_BLOCK_SUMS.format('')),
            (simt.asarray(numpy.zeros(10, 'f')),), shape((8,), (32,)))
    x = simt.asarray(numpy.zeros(10, 'f'))
    run(emulator, kernel(LAST_BLOCK_SUMS.format('__threadfence();')), (x,),
        shape((8,), (32,)))
    assert x[9] == 8


@pytest.mark.parametrize('args,message', [
    ((), 'takes 2 arguments and got 0'),
    ((floats(32, 'd'), numpy.int64(1)), r'is a f4\* and got float64'),
    ((floats(32), numpy.int32(1)), 'argument 1 is a i8 and got int32'),
    ((numpy.zeros(32, 'f'), numpy.int64(1)), 'not an array of the device'),
    ((floats(64)[::2], numpy.int64(1)), 'is not contiguous'),
])
def test_arguments(emulator, args, message):
    text = kernel('', 'float* x, long long n')
    with pytest.raises(KernelError, match=message):
        run(emulator, text, args)


@pytest.mark.parametrize('grid,block', [
    ((1,), (1025,)), ((1,), (64, 32)), ((0,), (32,)), ((1, 65536), (32,))])
def test_launches_that_no_gpu_does(emulator, grid, block):
    with pytest.raises(KernelError, match='no GPU launches'):
        run(emulator, kernel(''), (floats(1),), shape(grid, block))


def test_what_does_not_compile(emulator):
    with pytest.raises(KernelError, match='source:2.*error'):
        run(emulator, kernel('no such thing'), (floats(1),))


# --- What is computed ------------------------------------------------------
def test_indices(emulator):
    text = kernel('''
long long i = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y
    * (threadIdx.z + blockDim.z * (blockIdx.x + gridDim.x
    * (blockIdx.y + gridDim.y * blockIdx.z))));
x[i] += i;''', 'long long* x')
    x = simt.asarray(numpy.zeros(2 * 3 * 4 * 2 * 2 * 3, 'q'))
    run(emulator, text, (x,), shape((3, 2, 2), (2, 3, 4)))
    assert x.tolist() == list(range(len(x)))


WARPS = [
    ('__shfl_sync(~0u, v, 3)', lambda i: 3),
    ('__shfl_sync(~0u, v, 1, 8)', lambda i: i // 8 * 8 + 1),
    ('__shfl_up_sync(~0u, v, 2)', lambda i: i - 2 if i >= 2 else i),
    ('__shfl_down_sync(~0u, v, 2)', lambda i: i + 2 if i < 30 else i),
    ('__shfl_down_sync(~0u, v, 3, 4)',
     lambda i: i + 3 if i % 4 == 0 else i),
    ('__shfl_xor_sync(~0u, v, 5)', lambda i: i ^ 5),
    ('__popc(__ballot_sync(~0u, i % 3 == 0))', lambda i: 11),
    ('__ballot_sync(~0u, i == 4)', lambda i: 16),
    ('__any_sync(~0u, i == 7)', lambda i: 1),
    ('__any_sync(~0u, i == 77)', lambda i: 0),
    ('__all_sync(~0u, i < 32)', lambda i: 1),
    ('__all_sync(~0u, i < 31)', lambda i: 0),
    ('__activemask() >> i & 1', lambda i: 1),
    ('__syncthreads_count(i < 5)', lambda i: 5),
    ('__syncthreads_or(i == 5)', lambda i: 1),
    ('__syncthreads_and(i == 5)', lambda i: 0),
    ('(i < 16 ? __shfl_sync(0xffffu, v, 1) : __shfl_sync(~0xffffu, v, 17))',
     lambda i: 1 if i < 16 else 17)]


@pytest.mark.parametrize('kind', ['float', 'long long'])
def test_warps(emulator, kind):
    x = simt.asarray(numpy.zeros((len(WARPS), 32)))
    lines = [f'x[{32 * row} + i] = {expression};'
             for row, (expression, _) in enumerate(WARPS)]
    run(emulator, kernel('\n'.join([
        f'int i = threadIdx.x; {kind} v = i;', *lines]), 'double* x'), (x,))
    for row, (expression, expected) in zip(x.tolist(), WARPS):
        assert row == [expected(i) for i in range(32)], expression


def test_lanes_that_have_returned_are_not_waited_for(emulator):
    x = floats(32)
    run(emulator, kernel('if (threadIdx.x >= 20) return; '
                         'x[threadIdx.x] = __popc(__ballot_sync(~0u, 1));'),
        (x,))
    assert x.tolist() == [20] * 20 + list(range(20, 32))


@pytest.mark.parametrize('kind,dtype', [
    ('int', 'i'), ('unsigned', 'I'), ('unsigned long long', 'Q'),
    ('float', 'f'), ('double', 'd')])
def test_atomics(emulator, kind, dtype):
    text = kernel(f'''
{kind} i = threadIdx.x + 1;
atomicAdd(x, i);
atomicMin(x + 1, i);
atomicMax(x + 2, i);
atomicCAS(x + 3, ({kind})7, i);
atomicExch(x + 4, i);''', f'{kind}* x')
    x = simt.asarray(numpy.array([0, 7, 7, 7, 7], dtype))
    run(emulator, text, (x,), shape((1,), (64,)))
    assert x.tolist() == [64 * 65 / 2, 1, 64, 1, 64]


ARITHMETIC = [
    ('rsqrt(4.f)', .5), ('rsqrt(4.)', .5), ('fma(2., 3., 4.)', 10),
    ('max(2.f, 3.f) + min(2, 3) + max(5LL, 4LL)', 10),
    ('__expf(0.f)', 1), ('__ldg(x) + 1', 1), ('__clz(1)', 31),
    ('__popcll(~0ULL)', 64), ('__ffs(8)', 4), ('__brev(1u) == 1u << 31', 1),
    ('__umulhi(1u << 31, 6u)', 3), ('__float_as_int(1.f) >> 23', 127),
    ('__int_as_float(127 << 23)', 1), ('exp(1.f) == expf(1.f)', 1),
    ('sizeof(exp(1.f))', 4), ('isfinite(1 / 0.)', 0),
    ('warpSize', 32), ('(double)make_float4(1, 2, 3, 4).w', 4)]


def test_arithmetic(emulator):
    x = simt.asarray(numpy.zeros(1 + len(ARITHMETIC)))
    run(emulator, kernel('\n'.join(
        f'x[{i}] = {expression};'
        for i, (expression, _) in enumerate(ARITHMETIC, 1)), 'double* x'),
        (x,), shape((1,), (1,)))
    for value, (expression, expected) in zip(x.tolist()[1:], ARITHMETIC):
        assert value == expected, expression


def test_the_seed_orders_threads(emulator):
    text = kernel('y[atomicAdd(x, 1)] = threadIdx.x + 32 * blockIdx.x;',
                  'int* x, int* y')
    orders = []
    for seed in (0, 1, 1, 2):
        emulator.seed = seed
        y = simt.asarray(numpy.zeros(128, 'i'))
        run(emulator, text, (simt.asarray(numpy.zeros(1, 'i')), y),
            shape((4,), (32,)))
        assert sorted(y) == list(range(128))
        orders.append(y.tolist())
    assert orders[0] == list(range(128))
    assert orders[1] == orders[2] != orders[0]
    assert orders[3] != orders[1]


def test_constants_and_local_arrays(emulator):
    text = '__constant__ int table[4] = {3, 1, 4, 1};\n' + kernel('''
int local[4];
for (int i = 0; i < 4; i++) local[i] = table[i] * threadIdx.x;
for (int i = 0; i < 4; i++) x[threadIdx.x] += local[(i + threadIdx.x) % 4];
''')
    x = simt.asarray(numpy.zeros(32, 'f'))
    run(emulator, text, (x,))
    assert x.tolist() == [9 * i for i in range(32)]


ELEMENTWISE = types.SimpleNamespace(
    in_params=['T x', 'U y', 'T scale', 'raw U table'],
    out_params=['T sum', 'int64 place'], scalars=('scale',), name='mixed',
    preamble='__device__ T twice(T x) { return 2 * x; }',
    operation='sum = twice(x) + scale * y + table[i % 2]; place = i')


def test_elementwise(emulator):
    x, y = floats(3, 'd')[:, None], floats(8)[::2]
    table = floats(2) + 10
    total, place = emulator.elementwise(ELEMENTWISE, (x, y, .5, table))
    i = numpy.arange(12).reshape(3, 4)
    assert (total == 2 * x + .5 * y + numpy.array(table)[i % 2]).all()
    assert total.dtype == 'd' and (place == i).all()
    out = emulator.empty((3, 4), 'd'), emulator.empty((3, 4), 'q')
    emulator.elementwise(ELEMENTWISE, (x, y, .5, table, *out))
    assert (out[0] == total).all() and (out[1] == place).all()


def test_elementwise_reports(emulator):
    x, y = floats(4, 'd'), floats(4)
    with pytest.raises(KernelError, match=r'mixed: .* reads outside.*'
                       r'\(mixed:1\)'):
        emulator.elementwise(ELEMENTWISE, (x, y, .5, floats(1)))
    with pytest.raises(KernelError, match='U is float32 and, for table'):
        emulator.elementwise(ELEMENTWISE, (x, y, .5, floats(2, 'd')))


def test_new_arrays_hold_nothing(emulator):
    assert numpy.isnan(emulator.empty((3, 4), 'f')).all()


# --- Sizes -------------------------------------------------------------------
def test_registers_of_large_blocks(emulator):
    text = kernel('x[threadIdx.x] = 1;')
    for threads in (256, 512):
        bounded = text.replace('kernel(', f'__launch_bounds__({threads}) '
                               'kernel(')
        run(emulator, bounded, (floats(512),), shape((1,), (threads,)))
    with pytest.raises(KernelError, match='declare __launch_bounds__'):
        run(emulator, text, (floats(512),), shape((1,), (512,)))


def test_the_last_blocks_of_what_is_not_in_memory(emulator):
    emulator.last_blocks = 2
    n = 2 ** 33 + 1
    x = emulator.zeros(n, 'f')
    text = kernel('long long i = blockIdx.x * 32LL + threadIdx.x; '
                  'if (i < n) x[i] = 1;', 'float* x, long long n')
    run(emulator, text, (x, numpy.int64(n)), shape((2 ** 28 + 1,), (32,)))
    assert x[-34:].tolist() == [0] + 33 * [1]
    assert x[:9].tolist() == 9 * [0]
