// H(Y|X), H(Y) and KL[p(y) || q(y)] from logits y of shape (rows, width).
//
// The probabilities are never written.  One pass over the rows leaves, for
// each, its largest logit and the logarithm of its sum, from which p is
// recomputed; a second pass sums p down the columns: a block takes a tile of
// 32 columns and a chunk of rows, and what the chunks of a column give is
// added up in order.
#include "softmax.cuh"

extern "C" __global__ void softmax_information_rows(
        const T* y, long long rows, long long width, T eps,
        T* largest, T* log_sum, T* conditional) {
    T entropy = 0;
    for (long long first = blockIdx.x * (long long)blockDim.y; first < rows;
            first += gridDim.x * (long long)blockDim.y) {
        const long long i = first + threadIdx.y;
        const T* row = y + i * width;
        const long long n = i < rows ? width : 0;
        const Softmax softmax = softmax_of_row(row, n);
        for (long long j = threadIdx.x; j < n; j += blockDim.x) {
            const T log_p = softmax.log_p(row[j]), p = exp(log_p);
            entropy -= p * log_plus(p, log_p, eps);
        }
        if (i < rows && threadIdx.x == 0) {
            largest[i] = softmax.largest;
            log_sum[i] = softmax.log_sum;
        }
    }
    entropy = block_sum(entropy / rows);
    if (threadIdx.x == 0 && threadIdx.y == 0)
        conditional[blockIdx.x] = entropy;
}

// A sum of numbers exp(x) as exp(offset) * scaled: with eps = 0 the mean of
// saturated probabilities is needed as a logarithm, too small for a float.
// With eps > 0 the offset stays 0.
struct ScaledSum {
    T offset, scaled;
    __device__ void add(T x, T amount) {
        if (x > offset) {
            scaled *= exp(offset - x);
            offset = x;
        }
        scaled += amount * exp(x - offset);
    }
};

__device__ ScaledSum no_sum(T eps) {
    ScaledSum sum = {eps > 0 ? T(0) : -INFINITE, 0};
    return sum;
}

extern "C" __global__ void softmax_information_columns(
        const T* y, const T* largest, const T* log_sum, long long rows,
        long long width, long long chunk, T eps, T* offsets, T* scaled) {
    __shared__ T all_offsets[8][32], all_scaled[8][32];
    const long long j = blockIdx.x * 32LL + threadIdx.x;
    const long long first = blockIdx.y * chunk;
    const long long end = first + chunk < rows ? first + chunk : rows;
    ScaledSum sum = no_sum(eps);
    if (j < width)
        for (long long i = first + threadIdx.y; i < end; i += 8) {
            const Softmax softmax = {largest[i], log_sum[i]};
            sum.add(softmax.log_p(y[i * width + j]), 1);
        }
    all_offsets[threadIdx.y][threadIdx.x] = sum.offset;
    all_scaled[threadIdx.y][threadIdx.x] = sum.scaled;
    __syncthreads();
    if (threadIdx.y == 0 && j < width) {
        for (int i = 1; i < 8; i++)
            if (all_scaled[i][threadIdx.x] > 0)
                sum.add(all_offsets[i][threadIdx.x],
                        all_scaled[i][threadIdx.x]);
        offsets[blockIdx.y * width + j] = sum.offset;
        scaled[blockIdx.y * width + j] = sum.scaled;
    }
}

// From the chunks' sums (chunks, width): the two terms of the marginal, one
// value a block, and their derivatives by each column's mean probability.
extern "C" __global__ void softmax_information_marginal(
        const T* offsets, const T* scaled, long long chunks, long long rows,
        long long width, const T* prior, T eps, T* entropy_slope,
        T* kl_slope, T* entropies, T* divergences) {
    T entropy = 0, divergence = 0;
    for (long long j = blockIdx.x * (long long)blockDim.x + threadIdx.x;
            j < width; j += gridDim.x * (long long)blockDim.x) {
        ScaledSum sum = no_sum(eps);
        for (long long i = 0; i < chunks; i++)
            if (scaled[i * width + j] > 0)
                sum.add(offsets[i * width + j], scaled[i * width + j]);
        const T mean = exp(sum.offset) * sum.scaled / rows;
        const T log_mean = log_plus(
            mean, sum.offset + log(sum.scaled) - log(T(rows)), eps);
        const T log_q = log((prior ? prior[j] : T(1) / width) + eps);
        const T slope = log_mean + slope_of_log(mean, eps);
        entropy -= mean * log_mean;
        divergence += mean * (log_mean - log_q);
        entropy_slope[j] = -slope;
        kl_slope[j] = slope - log_q;
    }
    entropy = block_sum(entropy);
    divergence = block_sum(divergence);
    if (threadIdx.x == 0) {
        entropies[blockIdx.x] = entropy;
        divergences[blockIdx.x] = divergence;
    }
}

// The gradient with respect to y; an upstream gradient may be missing.
extern "C" __global__ void softmax_information_backward(
        const T* y, const T* largest, const T* log_sum,
        const T* entropy_slope, const T* kl_slope, long long rows,
        long long width, T eps, const T* g_conditional, const T* g_marginal,
        const T* g_kl, T* gy) {
    const T conditional = g_conditional ? *g_conditional / rows : T(0);
    const T marginal = g_marginal ? *g_marginal / rows : T(0);
    const T kl = g_kl ? *g_kl / rows : T(0);
    for (long long first = blockIdx.x * (long long)blockDim.y; first < rows;
            first += gridDim.x * (long long)blockDim.y) {
        const long long i = first + threadIdx.y;
        const T* row = y + i * width;
        const long long n = i < rows ? width : 0;
        Softmax softmax = {0, 0};
        if (n)
            softmax = {largest[i], log_sum[i]};
        T mean = 0;
        // Twice the same: first for the mean of gp under p, then to subtract.
        for (int writing = 0; writing < 2; writing++) {
            for (long long j = threadIdx.x; j < n; j += blockDim.x) {
                const T log_p = softmax.log_p(row[j]), p = exp(log_p);
                const T gp = marginal * entropy_slope[j] + kl * kl_slope[j]
                    - conditional * (log_plus(p, log_p, eps)
                                     + slope_of_log(p, eps));
                if (writing)
                    gy[i * width + j] = p * (gp - mean);
                else
                    mean += p * gp;
            }
            if (!writing)
                mean = row_sum(mean);
        }
    }
}
