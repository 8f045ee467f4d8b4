// Rows of a given length, threads as in reduce.cuh.
#include "reduce.cuh"
#include "philox.cuh"

// Normal numbers in row i, of `width`, and the sum of a thread's squares.
// Element (i, j) is drawn from seed, step, i, j and the width alone.  A thread
// draws four at a time, a quarter of a row apart, so that what neighbouring
// threads write are neighbours.
__device__ T draw_row(
        T* row, long long i, long long width, long long seed,
        long long step) {
    const long long quarter = (width + 3) / 4;
    T length = 0;
    for (long long c = threadIdx.x; c < quarter; c += blockDim.x) {
        T z[4];
        normals(philox(unsigned(c), unsigned(i), unsigned(step),
                       unsigned(step >> 32), seed), z);
        #pragma unroll
        for (int k = 0; k < 4; k++)
            if (c + k * quarter < width) {
                row[c + k * quarter] = z[k];
                length += z[k] * z[k];
            }
    }
    return length;
}

// As draw_row, and what gives the row length 1.  In float32 all numbers of one
// or two may be 0, which has no direction: then the first becomes 1.
__device__ T draw_direction(
        T* row, long long i, long long width, long long seed,
        long long step) {
    const T length = row_sum(draw_row(row, i, width, seed, step));
    if (length > 0)
        return 1 / sqrt(length);
    if (width && threadIdx.x == 0)
        row[0] = 1;
    return 1;
}

// use(j, row[j]) for those that the thread has drawn, which it reads again,
// from a cache: drawing them anew takes longer.
template <class Use>
__device__ void for_drawn(const T* row, long long width, Use use) {
    const long long quarter = (width + 3) / 4;
    for (long long c = threadIdx.x; c < quarter; c += blockDim.x) {
        T z[4] = {};
        #pragma unroll
        for (int k = 0; k < 4; k++)
            if (c + k * quarter < width)
                z[k] = row[c + k * quarter];
        #pragma unroll
        for (int k = 0; k < 4; k++)
            if (c + k * quarter < width)
                use(c + k * quarter, z[k]);
    }
}

// Uniform on the unit sphere: normal numbers over their length.
extern "C" __global__ void __launch_bounds__(ROW_THREADS, 1)
random_directions(
        long long rows, long long width, long long seed, long long step,
        T* d) {
    for (long long first = blockIdx.x * (long long)blockDim.y; first < rows;
            first += gridDim.x * (long long)blockDim.y) {
        const long long i = first + threadIdx.y;
        const long long n = i < rows ? width : 0;
        T* row = d + i * width;
        const T scale = draw_direction(row, i, n, seed, step);
        for_drawn(row, n, [&](long long j, T z) { row[j] = z * scale; });
    }
}

// Rows data[index[i]] to batch, and these, moved by as much as `length`, or
// radius[index[i]] where radius is not null, in such a direction, to moved.
// key: seed and step.
extern "C" __global__ void __launch_bounds__(ROW_THREADS, 1)
random_perturbations(
        const T* data, const long long* index, long long rows,
        long long width, const long long* key, const T* radius, T length,
        T* batch, T* moved) {
    for (long long first = blockIdx.x * (long long)blockDim.y; first < rows;
            first += gridDim.x * (long long)blockDim.y) {
        const long long i = first + threadIdx.y;
        const long long n = i < rows ? width : 0;
        const long long source = n ? index[i] : 0;
        const T* x = data + source * width;
        T *row = moved + i * width, *copy = batch + i * width;
        const T scale = draw_direction(row, i, n, key[0], key[1]);
        const T distance = n && radius ? radius[source] : length;
        for_drawn(row, n, [&](long long j, T z) {
            const T x_j = x[j];
            copy[j] = x_j;
            row[j] = x_j + distance * (z * scale);
        });
    }
}

// Rows of d, scaled to the length radius[i], or 1 where radius is null; rows
// of zeros stay.  Where index is not null it is radius[index[i]], and where x
// is not, its rows are added.  Entries are divided by the largest before they are squared:
// of gradients of 1e-30 the squares would vanish.
extern "C" __global__ void __launch_bounds__(ROW_THREADS, 1)
scale_rows(
        const T* d, long long rows, long long width, const T* radius,
        const long long* index, const T* x, T* out) {
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
        // NaN, which is no largest, stays NaN.
        T factor = length == 0 ? T(0) : 1 / sqrt(length);
        if (n && radius)
            factor *= radius[index ? index[i] : i];
        for_row(row, n, [&](T d_j, long long j, int) {
            const T moved = d_j / largest * factor;
            out[i * width + j] = x ? x[i * width + j] + moved : moved;
        });
    }
}
