// Entropies of bits with p(Y = 1) = sigmoid(y), y of shape (rows, width), and
// the information of their pairs.
//
// One pass over y writes p and sums down the columns: blocks as in
// columns.cuh leave the sums of their chunk of rows, and lanes share a column
// to add these up in order.  With the covariances (centred_products.cu) lanes
// share a bit and go over its pairs (reduce.cuh).
#include "reduce.cuh"
#include "columns.cuh"
#include "entropy.cuh"
#include "bits.cuh"
#include "pairs.cuh"

// sums: (3, chunks, width), of p(1), p(0) and the entropy.
extern "C" __global__ void bit_information_columns(
        const T* y, long long rows, long long width, long long chunk, T eps,
        T* p, T* sums) {
    const Tile tile(rows, width, chunk);
    const long long j = tile.column;
    T one = 0, zero = 0, entropy = 0;
    if (tile.inside)
        for (long long i = tile.first + threadIdx.y; i < tile.end;
                i += ROWS) {
            const T y_i = y[i * width + j];
            const T p1 = sigmoid(y_i), p0 = sigmoid(-y_i);
            p[i * width + j] = p1;
            one += p1;
            zero += p0;
            entropy -= p1 * log_plus(p1, log_sigmoid(y_i), eps)
                + p0 * log_plus(p0, log_sigmoid(-y_i), eps);
        }
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
extern "C" __global__ void bit_information_marginal(
        const T* sums, long long chunks, long long rows, long long width,
        T eps, T* mean, T* entropy_slope, T* conditional, T* marginal) {
    for (long long first = blockIdx.x * (long long)blockDim.y; first < width;
            first += gridDim.x * (long long)blockDim.y) {
        const long long j = first + threadIdx.y;
        const long long n = j < width ? chunks : 0;
        T one = 0, zero = 0, entropy = 0;
        for (long long i = threadIdx.x; i < n; i += blockDim.x) {
            const T* sum = sums + i * width + j;
            one += sum[0];
            zero += sum[chunks * width];
            entropy += sum[2 * chunks * width];
        }
        one = row_sum(one) / rows;
        zero = row_sum(zero) / rows;
        entropy = row_sum(entropy) / rows;
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
extern "C" __global__ void bit_information_pairs(
        const T* covariances, const T* mean, long long chunks,
        long long width, T eps, T* slope, T* slope_mean, T* pairs) {
    const T *one = mean, *zero = mean + width;
    for (long long first = blockIdx.x * (long long)blockDim.y; first < width;
            first += gridDim.x * (long long)blockDim.y) {
        const long long u = first + threadIdx.y;
        const long long n = u < width ? width : 0;
        T information = 0, by_mean = 0;
        for (long long v = threadIdx.x; v < n; v += blockDim.x) {
            T by_covariance = 0;
            if (u != v) {
                const T c = covariance_of_pair(
                    covariances, chunks, width, u, v);
                const Cell c11 = cell_of_pair(one[u], one[v], c, eps);
                const Cell c10 = cell_of_pair(one[u], zero[v], -c, eps);
                const Cell c01 = cell_of_pair(zero[u], one[v], -c, eps);
                const Cell c00 = cell_of_pair(zero[u], zero[v], c, eps);
                information += c11.information + c10.information
                    + c01.information + c00.information;
                by_covariance = c11.slope - c10.slope - c01.slope
                    + c00.slope;
                by_mean += one[v]
                    * (c11.slope_independent - c01.slope_independent);
                by_mean += zero[v]
                    * (c10.slope_independent - c00.slope_independent);
            }
            slope[u * width + v] = by_covariance;
        }
        information = row_sum(information);
        by_mean = row_sum(by_mean);
        if (u < width && threadIdx.x == 0) {
            pairs[u] = information;
            slope_mean[u] = 2 * by_mean;
        }
    }
}

// The gradient with respect to y; an upstream gradient may be missing.
// along: (p - mean) slope, needed with g_pairs.
extern "C" __global__ void bit_information_backward(
        const T* y, const T* entropy_slope, const T* slope_mean,
        const T* along, long long rows, long long width, long long chunk,
        T eps, const T* g_conditional, const T* g_marginal, const T* g_pairs,
        T* gy) {
    const Tile tile(rows, width, chunk);
    if (!tile.inside)
        return;
    const long long j = tile.column;
    const T conditional = g_conditional ? *g_conditional / rows : T(0);
    const T marginal = g_marginal ? *g_marginal / rows : T(0);
    const T pairs = g_pairs ? *g_pairs / rows : T(0);
    T level = marginal * entropy_slope[j];
    if (g_pairs)
        level += pairs * slope_mean[j];
    for (long long i = tile.first + threadIdx.y; i < tile.end; i += ROWS) {
        const T y_i = y[i * width + j];
        const T p1 = sigmoid(y_i), p0 = sigmoid(-y_i);
        T gp = level + conditional * (
            log_bit_ratio(-y_i, y_i, eps)
            + slope_of_log(p0, eps) - slope_of_log(p1, eps));
        if (g_pairs)
            gp += 2 * pairs * along[i * width + j];
        gy[i * width + j] = gp * p1 * p0;
    }
}
