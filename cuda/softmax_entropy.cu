// H(Y|X), H(Y) and KL[p(y) || q(y)] from logits y of shape (rows, width).
//
// The probabilities are never written.  One pass over the rows leaves, for
// each, its largest logit and the logarithm of its sum, from which p is
// recomputed; a second pass sums p down the columns, blocks as in columns.cuh,
// and what the chunks of a column give is added up in order.
// Few rows and columns go through the same in one launch of one block.
#include "softmax.cuh"
#include "columns.cuh"
#include "one_block.cuh"

// Of the block's rows: the sum of their entropies over the number of all.
__device__ T entropy_of_rows(
        const T* y, long long rows, long long width, T eps,
        T* largest, T* log_sum) {
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
    return block_sum(entropy / rows);
}

extern "C" __global__ void __launch_bounds__(ROW_THREADS, 1)
softmax_entropy_rows(
        const T* y, long long rows, long long width, T eps,
        T* largest, T* log_sum, T* conditional) {
    const T entropy = entropy_of_rows(y, rows, width, eps, largest, log_sum);
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

// Over `lanes` neighbouring lanes, as reduce_lanes().
__device__ ScaledSum sum_lanes(ScaledSum sum, int lanes) {
    for (int distance = lanes / 2; distance > 0; distance /= 2) {
        const ScaledSum other = {
            __shfl_xor_sync(FULL_WARP, sum.offset, distance),
            __shfl_xor_sync(FULL_WARP, sum.scaled, distance)};
        sum += other;
    }
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

// The two terms of the marginal, to which columns are added.
struct Marginal {
    T entropy, divergence;
    // Column j, whose probabilities sum to `sum`; leaves the derivatives by
    // their mean.
    __device__ void add(
            const ScaledSum& sum, long long rows, long long width,
            const T* prior, T eps, long long j, T* entropy_slope,
            T* kl_slope) {
        const T mean = exp(sum.offset) * sum.scaled / rows;
        const T log_mean = log_plus(
            mean, sum.offset + log(sum.scaled) - log(T(rows)), eps);
        const T log_q = log((prior ? prior[j] : T(1) / width) + eps);
        const T slope = log_mean + slope_of_log(mean, eps);
        entropy += -mean * log_mean;
        divergence += mean * (log_mean - log_q);
        entropy_slope[j] = -slope;
        kl_slope[j] = slope - log_q;
    }
};

// From the chunks' sums (chunks, width): the two terms of the marginal, one
// value a block, and their derivatives by each column's mean probability.
// Up to 32 threads share the chunks of a column: one alone would wait for
// hundreds of them.
extern "C" __global__ void softmax_entropy_marginal(
        const T* offsets, const T* scaled, long long chunks, long long rows,
        long long width, const T* prior, T eps, T* entropy_slope,
        T* kl_slope, T* entropies, T* divergences) {
    Marginal marginal = {0, 0};
    for (long long first = blockIdx.x * (long long)blockDim.y; first < width;
            first += gridDim.x * (long long)blockDim.y) {
        const long long j = first + threadIdx.y;
        ScaledSum sum = no_sum(eps);
        #pragma unroll 4
        for (long long i = threadIdx.x; j < width && i < chunks;
                i += blockDim.x) {
            const ScaledSum some = {offsets[i * width + j],
                                    scaled[i * width + j]};
            sum += some;
        }
        sum = sum_lanes(sum, blockDim.x);
        if (j < width && threadIdx.x == 0)
            marginal.add(sum, rows, width, prior, eps, j, entropy_slope,
                         kl_slope);
    }
    const T entropy = block_sum(marginal.entropy);
    const T divergence = block_sum(marginal.divergence);
    if (threadIdx.x == 0 && threadIdx.y == 0) {
        entropies[blockIdx.x] = entropy;
        divergences[blockIdx.x] = divergence;
    }
}

// The gradient with respect to the block's rows of y; an upstream gradient may
// be missing.
__device__ void gradient_of_rows(
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

extern "C" __global__ void __launch_bounds__(ROW_THREADS, 1)
softmax_entropy_backward(
        const T* y, const T* largest, const T* log_sum,
        const T* entropy_slope, const T* kl_slope, long long rows,
        long long width, T eps, const T* g_conditional, const T* g_marginal,
        const T* g_kl, T* gy) {
    gradient_of_rows(y, largest, log_sum, entropy_slope, kl_slope, rows,
                     width, eps, g_conditional, g_marginal, g_kl, gy);
}

// All of this in one block: the three values and their sum with weights, and
// its gradient.
extern "C" __global__ void __launch_bounds__(ROW_THREADS, 1)
softmax_entropy_at_once(
        const T* y, long long rows, long long width, const T* prior, T eps,
        const T* weights, T* values, T* gy) {
    __shared__ T largest[BLOCK_ROWS], log_sum[BLOCK_ROWS];
    __shared__ T entropy_slope[BLOCK_COLUMNS], kl_slope[BLOCK_COLUMNS];
    const T conditional = entropy_of_rows(
        y, rows, width, eps, largest, log_sum);
    Marginal marginal = {0, 0};
    for_columns(width, [&](int j, int lane) {
        ScaledSum sum = no_sum(eps);
        for (int i = lane; i < rows; i += 32) {
            const Softmax softmax = {largest[i], log_sum[i]};
            sum.add(softmax.log_p(y[i * width + j]), 1);
        }
        sum = sum_lanes(sum, 32);
        if (lane == 0)
            marginal.add(sum, rows, width, prior, eps, j, entropy_slope,
                         kl_slope);
    });
    const T entropy = block_sum(marginal.entropy);
    const T divergence = block_sum(marginal.divergence);
    gradient_of_rows(y, largest, log_sum, entropy_slope, kl_slope, rows,
                     width, eps, weights, weights + 1, weights + 2, gy);
    write_values(conditional, entropy, divergence, weights, values);
}
