// Rows of a given length, threads as in reduce.cuh.
#include "reduce.cuh"
#include "philox.cuh"

// Uniform on the unit sphere: normal numbers over their length.  Element
// (i, j) is drawn from seed, step, i, j and the width alone.  A thread draws
// four at a time, a quarter of a row apart, so that what neighbouring threads
// write are neighbours.  It writes them as they are and, once their length is
// known, reads its own again, from a cache: drawing them anew takes longer.
extern "C" __global__ void __launch_bounds__(ROW_THREADS, 1)
random_directions(
        long long rows, long long width, long long seed, long long step,
        T* d) {
    const long long quarter = (width + 3) / 4;
    for (long long first = blockIdx.x * (long long)blockDim.y; first < rows;
            first += gridDim.x * (long long)blockDim.y) {
        const long long i = first + threadIdx.y;
        const long long n = i < rows ? width : 0;
        T* row = d + i * width;
        T length = 0;
        for (long long c = threadIdx.x; n && c < quarter; c += blockDim.x) {
            T z[4];
            normals(philox(unsigned(c), unsigned(i), unsigned(step),
                           unsigned(step >> 32), seed), z);
            #pragma unroll
            for (int k = 0; k < 4; k++)
                if (c + k * quarter < n) {
                    row[c + k * quarter] = z[k];
                    length += z[k] * z[k];
                }
        }
        const T scale = 1 / sqrt(row_sum(length));
        for (long long c = threadIdx.x; n && c < quarter; c += blockDim.x) {
            T z[4] = {};
            #pragma unroll
            for (int k = 0; k < 4; k++)
                if (c + k * quarter < n)
                    z[k] = row[c + k * quarter];
            #pragma unroll
            for (int k = 0; k < 4; k++)
                if (c + k * quarter < n)
                    row[c + k * quarter] = z[k] * scale;
        }
    }
}

// Rows of d, scaled to the length radius[i], or 1 where radius is null; rows
// of zeros stay.  Entries are divided by the largest before they are squared:
// of gradients of 1e-30 the squares would vanish.
extern "C" __global__ void __launch_bounds__(ROW_THREADS, 1)
scale_rows(
        const T* d, long long rows, long long width, const T* radius,
        T* out) {
    for (long long first = blockIdx.x * (long long)blockDim.y; first < rows;
            first += gridDim.x * (long long)blockDim.y) {
        const long long i = first + threadIdx.y;
        const long long n = i < rows ? width : 0;
        const T* row = d + i * width;
        T largest = 0, length = 0;
        for_row(row, n, [&](T x, long long, int) {
            largest = fabs(x) > largest ? fabs(x) : largest;
        });
        largest = row_max(largest);
        if (!(largest > 0))
            largest = 1;
        for_row(row, n, [&](T x, long long, int) {
            const T part = x / largest;
            length += part * part;
        });
        length = row_sum(length);
        T factor = length > 0 ? 1 / sqrt(length) : T(0);
        if (n && radius)
            factor *= radius[i];
        for_row(row, n, [&](T x, long long j, int) {
            out[i * width + j] = x / largest * factor;
        });
    }
}
