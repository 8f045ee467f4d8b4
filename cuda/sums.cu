#include "reduce.cuh"

// out[i] = sum of partials[i, :], one block for each i.
extern "C" __global__ void sum_rows(
        const T* partials, long long width, T* out) {
    const T* row = partials + blockIdx.x * width;
    T sum = 0;
    for (long long j = threadIdx.x; j < width; j += blockDim.x)
        sum += row[j];
    sum = block_sum(sum);
    if (threadIdx.x == 0)
        out[blockIdx.x] = sum;
}
