// Entropies of bits with p(Y = 1) = sigmoid(y), y of shape (rows, width), and
// the mutual information of pairs of them, Eq. 13.
//
// One pass over y writes p and sums down the columns: blocks as in
// columns.cuh leave the sums of their chunk of rows, and lanes share a column
// to add these up in order (mutual_information.cuh).  With the covariances
// (centred_products.cu) lanes share a bit and go over its pairs (reduce.cuh).
#include "reduce.cuh"
#include "columns.cuh"
#include "entropy.cuh"
#include "bits.cuh"
#include "mutual_information.cuh"

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
        entropy -= eps > 0
            ? bit.one * log(bit.one + eps) + bit.zero * log(bit.zero + eps)
            : bit.one * log_sigmoid(y_i) + bit.zero * log_sigmoid(-y_i);
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
            const T log_one = log_of_mean(one, eps);
            const T log_zero = log_of_mean(zero, eps);
            mean[j] = one;
            mean[width + j] = zero;
            entropy_slope[j] = log_zero + slope_of_log(zero, eps)
                - log_one - slope_of_log(one, eps);
            conditional[j] = entropy;
            marginal[j] = -one * log_one - zero * log_zero;
        }
    }
}

// Of a bit with all others; with the covariance of their ones they have that
// of their zeros, and its negative for a one and a zero.  slope, (width,
// width), and slope_mean: the derivatives by each covariance and by the means
// of p(1).
extern "C" __global__ void sigmoid_mutual_information_pairs(
        const T* covariances, const T* mean, long long chunks,
        long long width, T eps, T* slope, T* slope_mean, T* pairs) {
    const T *one = mean, *zero = mean + width;
    sum_pairs(width, slope, slope_mean, pairs, [&](long long u, long long v) {
        if (u == v)
            return Pair{0, 0, 0};
        const T c = covariance_of_pair(covariances, chunks, width, u, v);
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
    });
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
        const T y_i = of.first;
        const Bit bit(y_i);
        const T gp = level + 2 * g.pairs * of.second + g.conditional * (
            log_bit_ratio(bit.zero, bit.one, -y_i, y_i, eps)
            + slope_of_log(bit.zero, eps) - slope_of_log(bit.one, eps));
        gy[i * width + j] = gp * bit.one * bit.zero;
    });
}
