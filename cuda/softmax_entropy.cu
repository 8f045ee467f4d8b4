// H(Y|X), H(Y) and KL[p(y) || q(y)] from logits y of shape (rows, width).
//
// The probabilities are never written.  One pass over the rows leaves, for
// each, its largest logit and the logarithm of its sum, from which p is
// recomputed; a second pass sums p down the columns, blocks as in columns.cuh,
// and what the chunks of a column give is added up in order.
#include "softmax.cuh"
#include "columns.cuh"

extern "C" __global__ void __launch_bounds__(ROW_THREADS, 1)
softmax_entropy_rows(
        const T* y, long long rows, long long width, T eps,
        T* largest, T* log_sum, T* conditional) {
    T entropy = 0;
    for (long long first = blockIdx.x * (long long)blockDim.y; first < rows;
            first += gridDim.x * (long long)blockDim.y) {
        const long long i = first + threadIdx.y;
        const T* row = y + i * width;
        const long long n = i < rows ? width : 0;
        const Softmax softmax = softmax_of_row(row, n);
        for_row(row, n, [&](T y_j, long long, int) {
            const T log_p = softmax.log_p(y_j), p = exp(log_p);
            entropy -= p * log_plus(p, log_p, eps);
        });
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
    __device__ void operator+=(const ScaledSum& other) {
        if (other.scaled != 0)  // NaN counts
            add(other.offset, other.scaled);
    }
};

__device__ ScaledSum no_sum(T eps) {
    ScaledSum sum = {eps > 0 ? T(0) : -INFINITE, 0};
    return sum;
}

extern "C" __global__ void softmax_entropy_columns(
        const T* y, const T* largest, const T* log_sum, long long rows,
        long long width, long long chunk, T eps, T* offsets, T* scaled) {
    const Tile tile(rows, width, chunk);
    const long long j = tile.column;
    ScaledSum sum = no_sum(eps);
    for_tile(tile, [&](long long i) {
        const Softmax softmax = {largest[i], log_sum[i]};
        return softmax.log_p(y[i * width + j]);
    }, [&](T log_p, long long, int) { sum.add(log_p, 1); });
    sum = column_total(sum, no_sum(eps));
    if (tile.inside && threadIdx.y == 0) {
        offsets[blockIdx.y * width + j] = sum.offset;
        scaled[blockIdx.y * width + j] = sum.scaled;
    }
}

// From the chunks' sums (chunks, width): the two terms of the marginal, one
// value a block, and their derivatives by each column's mean probability.
extern "C" __global__ void softmax_entropy_marginal(
        const T* offsets, const T* scaled, long long chunks, long long rows,
        long long width, const T* prior, T eps, T* entropy_slope,
        T* kl_slope, T* entropies, T* divergences) {
    T entropy = 0, divergence = 0;
    for (long long j = blockIdx.x * (long long)blockDim.x + threadIdx.x;
            j < width; j += gridDim.x * (long long)blockDim.x) {
        ScaledSum sum = no_sum(eps);
        #pragma unroll 4
        for (long long i = 0; i < chunks; i++) {
            const ScaledSum some = {offsets[i * width + j],
                                    scaled[i * width + j]};
            sum += some;
        }
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
extern "C" __global__ void __launch_bounds__(ROW_THREADS, 1)
softmax_entropy_backward(
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
        softmax_backward(row, n, gy + i * width, [&](T y_j, long long j) {
            const T log_p = softmax.log_p(y_j), p = exp(log_p);
            const T gp = marginal * entropy_slope[j] + kl * kl_slope[j]
                - conditional * (log_plus(p, log_p, eps)
                                 + slope_of_log(p, eps));
            return Weighted{p, gp};
        });
    }
}
