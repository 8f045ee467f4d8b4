#include "reduce.cuh"
#include "bits.cuh"
#include "one_block.cuh"

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

// In one block: n bits' divergences times `weight` over the number of rows, and
// the gradient with respect to y1.
extern "C" __global__ void __launch_bounds__(ROW_THREADS, 1)
sigmoid_kl_at_once(
        const T* y0, const T* y1, long long n, long long rows, T eps,
        const T* weight, T* value, T* gy1) {
    const T scale = *weight / rows;
    T sum = 0;
    stream(thread_of_block(), n, blockDim.x * blockDim.y,
           [&](long long i) { return Two{y0[i], y1[i]}; },
           [&](Two y, long long i, int) {
               sum += bit_kl(y.first, y.second, eps);
               gy1[i] = scale * bit_kl_grad1(y.first, y.second, eps);
           });
    sum = block_sum(sum);
    if (thread_of_block() == 0)
        *value = scale * sum;
}
