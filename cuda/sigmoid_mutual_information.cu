// Entropies of bits with p(Y = 1) = sigmoid(y), y of shape (rows, width), and
// the mutual information of pairs of them, Eq. 13.
//
// One pass over y writes p and sums down the columns: blocks as in
// columns.cuh leave the sums of their chunk of rows, and lanes share a column
// to add these up in order (mutual_information.cuh).  With the covariances
// (centred_products.cu) lanes share a bit and go over its pairs (reduce.cuh).
// Few rows and columns go through the same in one launch of one block.
#include "reduce.cuh"
#include "columns.cuh"
#include "entropy.cuh"
#include "bits.cuh"
#include "mutual_information.cuh"
#include "one_block.cuh"

__device__ T entropy_of_bit(const Bit& bit, T y, T eps) {
    return eps > 0
        ? -bit.one * log(bit.one + eps) - bit.zero * log(bit.zero + eps)
        : -bit.one * log_sigmoid(y) - bit.zero * log_sigmoid(-y);
}

// Derivative of a bit's marginal entropy by the mean of p(1).
__device__ T slope_of_marginal(T one, T zero, T eps) {
    return log_of_mean(zero, eps) + slope_of_log(zero, eps)
        - log_of_mean(one, eps) - slope_of_log(one, eps);
}

__device__ T entropy_of_mean(T one, T zero, T eps) {
    return -one * log_of_mean(one, eps) - zero * log_of_mean(zero, eps);
}

// sums: (3, chunks, width), of p(1), p(0) and the entropy.
extern "C" __global__ void sigmoid_mutual_information_columns(
        const T* y, long long rows, long long width, long long chunk, T eps,
        T* p, T* sums) {
    const Tile tile(rows, width, chunk);
    const long long j = tile.column;
    T one = 0, zero = 0, entropy = 0;
    for_tile(tile, [&](long long i) { return y[i * width + j]; },
             [&](T y_i, long long i, int) {
        const Bit bit(y_i);
        p[i * width + j] = bit.one;
        one += bit.one;
        zero += bit.zero;
        entropy += entropy_of_bit(bit, y_i, eps);
    });
    one = column_sum(one);
    zero = column_sum(zero);
    entropy = column_sum(entropy);
    if (tile.inside && threadIdx.y == 0) {
        const long long chunks = gridDim.y;
        T* sum = sums + blockIdx.y * width + j;
        sum[0] = one;
        sum[chunks * width] = zero;
        sum[2 * chunks * width] = entropy;
    }
}

// mean: (2, width), of p(1) and p(0); entropy_slope: the derivative of the
// marginal entropy by the mean of p(1).
extern "C" __global__ void __launch_bounds__(ROW_THREADS, 1)
sigmoid_mutual_information_marginal(
        const T* sums, long long chunks, long long rows, long long width,
        T eps, T* mean, T* entropy_slope, T* conditional, T* marginal) {
    for (long long first = blockIdx.x * (long long)blockDim.y; first < width;
            first += gridDim.x * (long long)blockDim.y) {
        const long long j = first + threadIdx.y;
        const T one = mean_of_chunks(sums, 0, chunks, rows, width, j);
        const T zero = mean_of_chunks(sums, 1, chunks, rows, width, j);
        const T entropy = mean_of_chunks(sums, 2, chunks, rows, width, j);
        if (j < width && threadIdx.x == 0) {
            mean[j] = one;
            mean[width + j] = zero;
            entropy_slope[j] = slope_of_marginal(one, zero, eps);
            conditional[j] = entropy;
            marginal[j] = entropy_of_mean(one, zero, eps);
        }
    }
}

// Of two bits; with the covariance c of their ones they have that of their
// zeros, and its negative for a one and a zero.
__device__ Pair pair_of_bits(
        const T* one, const T* zero, T c, long long u, long long v, T eps) {
    const Cell c11 = cell_of_pair(one[u], one[v], c, eps);
    const Cell c10 = cell_of_pair(one[u], zero[v], -c, eps);
    const Cell c01 = cell_of_pair(zero[u], one[v], -c, eps);
    const Cell c00 = cell_of_pair(zero[u], zero[v], c, eps);
    return Pair{
        c11.information + c10.information + c01.information
            + c00.information,
        c11.slope - c10.slope - c01.slope + c00.slope,
        one[v] * (c11.slope_independent - c01.slope_independent)
            + zero[v] * (c10.slope_independent - c00.slope_independent)};
}

// Of a bit with all others.  slope, (width, width), and slope_mean: the
// derivatives by each covariance and by the means of p(1).
extern "C" __global__ void sigmoid_mutual_information_pairs(
        const T* covariances, const T* mean, long long chunks,
        long long width, T eps, T* slope, T* slope_mean, T* pairs) {
    sum_pairs(width, slope, slope_mean, pairs, [&](long long u, long long v) {
        if (u == v)
            return Pair{0, 0, 0};
        return pair_of_bits(
            mean, mean + width,
            covariance_of_pair(covariances, chunks, width, u, v), u, v, eps);
    });
}

// That of a logit: `conditional` is the upstream gradient over the rows, and
// `rest` what else there is with respect to p(1).
__device__ T gradient_of_bit(T y, T conditional, T rest, T eps) {
    const Bit bit(y);
    const T gp = rest + conditional * (
        log_bit_ratio(bit.zero, bit.one, -y, y, eps)
        + slope_of_log(bit.zero, eps) - slope_of_log(bit.one, eps));
    return gp * bit.one * bit.zero;
}

// The gradient with respect to y; an upstream gradient may be missing.
// along: (p - mean) slope, needed with g_pairs.
extern "C" __global__ void sigmoid_mutual_information_backward(
        const T* y, const T* entropy_slope, const T* slope_mean,
        const T* along, long long rows, long long width, long long chunk,
        T eps, const T* g_conditional, const T* g_marginal, const T* g_pairs,
        T* gy) {
    const Tile tile(rows, width, chunk);
    if (!tile.inside)
        return;
    const long long j = tile.column;
    const Upstream g(g_conditional, g_marginal, g_pairs, rows);
    T level = g.marginal * entropy_slope[j];
    if (g_pairs)
        level += g.pairs * slope_mean[j];
    for_tile(tile, [&](long long i) {
        return Two{y[i * width + j], g_pairs ? along[i * width + j] : T(0)};
    }, [&](Two of, long long i, int) {
        gy[i * width + j] = gradient_of_bit(
            of.first, g.conditional, level + 2 * g.pairs * of.second, eps);
    });
}

// All of this in one block: the three values and their sum with weights, and
// its gradient.  Until that is known gy holds p less its means.
extern "C" __global__ void __launch_bounds__(ROW_THREADS, 1)
sigmoid_mutual_information_at_once(
        const T* y, long long rows, long long width, T eps, const T* weights,
        T* values, T* gy) {
    __shared__ T one[BLOCK_COLUMNS], zero[BLOCK_COLUMNS];
    __shared__ T level[BLOCK_COLUMNS];
    __shared__ T slope[BLOCK_COLUMNS * BLOCK_COLUMNS];
    const Upstream g(weights, weights + 1, weights + 2, rows);
    T conditional = 0, marginal = 0, pairs = 0;  // of a warp's columns
    for_columns(width, [&](int j, int lane) {
        T ones = 0, zeros = 0, entropy = 0;
        for (int i = lane; i < rows; i += 32) {
            const T y_i = y[i * width + j];
            const Bit bit(y_i);
            gy[i * width + j] = bit.one;
            ones += bit.one;
            zeros += bit.zero;
            entropy += entropy_of_bit(bit, y_i, eps);
        }
        ones = warp_sum(ones) / rows;
        zeros = warp_sum(zeros) / rows;
        conditional += warp_sum(entropy) / rows;
        marginal += entropy_of_mean(ones, zeros, eps);
        for (int i = lane; i < rows; i += 32)
            gy[i * width + j] -= ones;
        if (lane == 0) {
            one[j] = ones;
            zero[j] = zeros;
            level[j] = g.marginal * slope_of_marginal(ones, zeros, eps);
        }
    });
    __syncthreads();
    gram_of_block(gy, rows, width, slope);
    for_columns(width, [&](int u, int lane) {
        T by_mean = 0;
        for (int v = lane; v < width; v += 32) {
            T* entry = slope + u * width + v;
            Pair pair = {0, 0, 0};
            if (u != v)
                pair = pair_of_bits(one, zero, *entry / rows, u, v, eps);
            pairs += pair.information;
            by_mean += pair.by_mean;
            *entry = pair.slope;
        }
        by_mean = warp_sum(by_mean);
        if (lane == 0)
            level[u] += g.pairs * 2 * by_mean;
    });
    const bool first = thread_of_block() % 32 == 0;
    conditional = block_sum(first ? conditional : T(0));
    marginal = block_sum(first ? marginal : T(0));
    pairs = block_sum(pairs);
    times_of_block(gy, slope, rows, width, [&](int i, int j, T along) {
        gy[i * width + j] = gradient_of_bit(
            y[i * width + j], g.conditional, level[j] + 2 * g.pairs * along,
            eps);
    });
    write_values(conditional, marginal, pairs, weights, values);
}
