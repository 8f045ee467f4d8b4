#include "reduce.cuh"
#include "bits.cuh"

// Sum of n bits' divergences, times `scale`, one value a block.
extern "C" __global__ void sigmoid_kl_forward(
        const T* y0, const T* y1, long long n, T eps, T scale, T* partials) {
    T sum = 0;
    stream(blockIdx.x * (long long)blockDim.x + threadIdx.x, n,
           gridDim.x * (long long)blockDim.x,
           [&](long long i) { return Two{y0[i], y1[i]}; },
           [&](Two y, long long, int) {
               sum += bit_kl(y.first, y.second, eps);
           });
    sum = block_sum(sum * scale);
    if (threadIdx.x == 0)
        partials[blockIdx.x] = sum;
}
