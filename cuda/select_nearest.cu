// The k nearest points of each row so far, from a tile of products: squared
// distances, less the row's own square, are squares[j] - 2 products[i, j].
//
// A block of 128 threads takes a row.  Its k nearest so far and a queue share
// `capacity` slots of shared memory.  Threads look at neighbouring columns,
// eight each before they vote: after the first few hundred columns hardly one
// is nearer than the k-th so far, and a vote is all there is to do.  Those
// that are go to the queue; when it is full, and after the last column, the
// slots are sorted and all but the first k forgotten.  They are sorted by
// distance and index, and so no two are equal: the order in which threads
// have joined the queue does not show.
#include "reduce.cuh"

#define THREADS 128
#define AT_ONCE 8

struct Slots {
    T* value;
    long long* index;

    __device__ bool less(int a, int b) const {
        return value[a] < value[b]
            || (value[a] == value[b] && index[a] < index[b]);
    }

    __device__ void set(int slot, T v, long long i) {
        value[slot] = v;
        index[slot] = i;
    }

    __device__ void swap(int a, int b) {
        const T v = value[a];
        const long long i = index[a];
        set(a, value[b], index[b]);
        set(b, v, i);
    }

    // Bitonic (Batcher 1968), of the first n and what fills them up to a
    // power of two.
    __device__ void sort(int n) {
        int size = 2;
        while (size < n)
            size *= 2;
        for (int slot = n + threadIdx.x; slot < size; slot += THREADS)
            set(slot, INFINITE, -1);
        __syncthreads();
        for (int run = 2; run <= size; run *= 2)
            for (int stride = run / 2; stride > 0; stride /= 2) {
                for (int i = threadIdx.x; i < size / 2; i += THREADS) {
                    const int a = 2 * i - (i & (stride - 1)), b = a + stride;
                    if ((a & run) ? less(a, b) : less(b, a))
                        swap(a, b);
                }
                __syncthreads();
            }
    }
};

// values and indices, (rows, k), hold what earlier tiles gave, if `known` is
// k, or nothing, if it is 0.  start: number of the tile's first column.
// Distances of infinity or NaN are passed over; where that leaves less than k,
// the rest is infinite, with index -1.
extern "C" __global__ void select_nearest(
        const T* products, const T* squares, long long rows,
        long long columns, long long start, long long known, long long k,
        long long capacity, T* values, long long* indices) {
    extern __shared__ long long memory[];
    __shared__ int count;
    Slots slots = {(T*)(memory + capacity), memory};
    for (long long row = blockIdx.x; row < rows; row += gridDim.x) {
        for (int j = threadIdx.x; j < known; j += THREADS)
            slots.set(j, values[row * k + j], indices[row * k + j]);
        if (threadIdx.x == 0)
            count = known;
        __syncthreads();
        T limit = known ? slots.value[k - 1] : INFINITE;
        for (long long first = 0; first < columns;
                first += AT_ONCE * THREADS) {
            const auto distance = [&](int i) {
                const long long j = first + i * THREADS + threadIdx.x;
                return j < columns
                    ? squares[j] - 2 * products[row * columns + j] : INFINITE;
            };
            bool nearer = false;
            #pragma unroll
            for (int i = 0; i < AT_ONCE; i++)
                nearer |= distance(i) < limit;
            if (!__syncthreads_or(nearer))
                continue;
            // Rarely: what was read is read again, and so need not be kept.
            #pragma unroll 1
            for (int i = 0; i < AT_ONCE && first + i * THREADS < columns;
                    i++) {
                const T here = distance(i);
                if (here < limit)
                    slots.set(atomicAdd(&count, 1), here,
                              start + first + i * THREADS + threadIdx.x);
                __syncthreads();
                const int n = count;
                __syncthreads();
                if (n + THREADS > capacity) {
                    slots.sort(n);
                    limit = slots.value[k - 1];
                    if (threadIdx.x == 0)
                        count = k;
                    __syncthreads();
                }
            }
        }
        const int n = count;
        if (n > known)
            slots.sort(n);
        for (int j = threadIdx.x; j < k; j += THREADS) {
            values[row * k + j] = j < n ? slots.value[j] : INFINITE;
            indices[row * k + j] = j < n ? slots.index[j] : -1;
        }
        __syncthreads();  // before the slots get another row
    }
}
