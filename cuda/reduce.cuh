// Sums and maxima over threads, in an order that never changes.
//
// Threads share rows as launch.rows() has it: blockDim.x threads a row,
// blockDim.y rows a block.  blockDim.x is a power of two up to 32, so that no
// row crosses a warp, or a multiple of 32 with a single row in the block.
// A block is made of whole warps, and all of its threads call together:
// those without a row or a column of their own contribute nothing.

// Kernels of rows have blocks of up to 512 threads, and have to say so: else
// they may take more registers than there are for so many.  Those of floats
// keep to half of what there are, so that more rows are under way.
#define ROW_THREADS (sizeof(T) == 4 ? 1024 : 512)

#define AHEAD int(16 / sizeof(T))
#define FULL_WARP 0xffffffffu
#define INFINITE T(__int_as_float(0x7f800000))

// use(load(j), j, a) for j = first, first + step, ... below `end`.  AHEAD of
// them, numbered a, are loaded before the first is used: else each would wait
// for what is done with the one before.
template <class Load, class Use>
__device__ void stream(long long first, long long end, long long step,
                       Load load, Use use) {
    for (; first < end; first += AHEAD * step) {
        decltype(load(first)) value[AHEAD] = {};
        #pragma unroll
        for (int a = 0; a < AHEAD; a++)
            if (first + a * step < end)
                value[a] = load(first + a * step);
        #pragma unroll
        for (int a = 0; a < AHEAD; a++)
            if (first + a * step < end)
                use(value[a], first + a * step, a);
    }
}

// use(row[j], j, a) for a thread's elements of a row of n, which are AHEAD at
// most where n is up to AHEAD * blockDim.x.
template <class Use>
__device__ void for_row(const T* row, long long n, Use use) {
    stream(threadIdx.x, n, blockDim.x,
           [&](long long j) { return row[j]; }, use);
}

struct Two {
    T first, second;
};

// use({row0[j], row1[j]}, j, a), likewise.
template <class Use>
__device__ void for_rows(const T* row0, const T* row1, long long n, Use use) {
    stream(threadIdx.x, n, blockDim.x,
           [&](long long j) { return Two{row0[j], row1[j]}; }, use);
}

struct Sum {
    __device__ T operator()(T a, T b) const { return a + b; }
};

struct Max {
    __device__ T operator()(T a, T b) const { return a > b ? a : b; }
};

// Over `lanes` neighbouring lanes, a power of two.
template <class Operation>
__device__ T reduce_lanes(T value, int lanes, Operation operation) {
    for (int distance = lanes / 2; distance > 0; distance /= 2)
        value = operation(
            value, __shfl_xor_sync(FULL_WARP, value, distance));
    return value;
}

// Over a block of whole warps.
template <class Operation>
__device__ T reduce_block(T value, Operation operation) {
    __shared__ T partial[32];
    const int thread = threadIdx.y * blockDim.x + threadIdx.x;
    const int warps = blockDim.x * blockDim.y / 32;
    value = reduce_lanes(value, 32, operation);
    __syncthreads();  // an earlier call's values have been read
    if (thread % 32 == 0)
        partial[thread / 32] = value;
    __syncthreads();
    value = partial[0];
    for (int i = 1; i < warps; i++)
        value = operation(value, partial[i]);
    return value;
}

template <class Operation>
__device__ T reduce_row(T value, Operation operation) {
    if (blockDim.x <= 32)
        return reduce_lanes(value, blockDim.x, operation);
    return reduce_block(value, operation);
}

__device__ T row_sum(T value) { return reduce_row(value, Sum()); }
__device__ T row_max(T value) { return reduce_row(value, Max()); }
__device__ T block_sum(T value) { return reduce_block(value, Sum()); }
