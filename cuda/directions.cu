// Rows of a given length, threads as in reduce.cuh.
#include "reduce.cuh"
#include "philox.cuh"

// Uniform on the unit sphere: normal numbers over their length.  Element
// (i, j) is drawn from seed, step, i and j alone, each thread drawing four
// neighbours at a time: once for the length, and again to write them.
extern "C" __global__ void random_directions(
        long long rows, long long width, long long seed, long long step,
        T* d) {
    for (long long first = blockIdx.x * (long long)blockDim.y; first < rows;
            first += gridDim.x * (long long)blockDim.y) {
        const long long i = first + threadIdx.y;
        const long long n = i < rows ? width : 0;
        T length = 0;
        for (int writing = 0; writing < 2; writing++) {
            for (long long j = 4 * threadIdx.x; j < n; j += 4 * blockDim.x) {
                T z[4];
                normals(philox(unsigned(j / 4), unsigned(i), unsigned(step),
                               unsigned(step >> 32), seed), z);
                for (int k = 0; k < 4 && j + k < n; k++)
                    if (writing)
                        d[i * width + j + k] = z[k] / length;
                    else
                        length += z[k] * z[k];
            }
            if (!writing)
                length = sqrt(row_sum(length));
        }
    }
}

// Rows of d, scaled to the length radius[i], or 1 where radius is null; rows
// of zeros stay.  Entries are divided by the largest before they are squared:
// of gradients of 1e-30 the squares would vanish.
extern "C" __global__ void scale_rows(
        const T* d, long long rows, long long width, const T* radius,
        T* out) {
    for (long long first = blockIdx.x * (long long)blockDim.y; first < rows;
            first += gridDim.x * (long long)blockDim.y) {
        const long long i = first + threadIdx.y;
        const long long n = i < rows ? width : 0;
        const T* row = d + i * width;
        T largest = 0, length = 0;
        for (long long j = threadIdx.x; j < n; j += blockDim.x)
            largest = fabs(row[j]) > largest ? fabs(row[j]) : largest;
        largest = row_max(largest);
        if (!(largest > 0))
            largest = 1;
        for (long long j = threadIdx.x; j < n; j += blockDim.x) {
            const T part = row[j] / largest;
            length += part * part;
        }
        length = row_sum(length);
        T factor = length > 0 ? 1 / sqrt(length) : T(0);
        if (n && radius)
            factor *= radius[i];
        for (long long j = threadIdx.x; j < n; j += blockDim.x)
            out[i * width + j] = row[j] / largest * factor;
    }
}
