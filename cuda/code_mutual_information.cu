// Entropies of softmax heads, one after the other in the columns of y, shape
// (rows, width), and the mutual information of pairs of heads, Eq. 13.
//
// Lanes share a head of a row (reduce.cuh) to leave its largest logit and the
// logarithm of its sum.  From there on it is as with bits
// (sigmoid_mutual_information.cu), but for the tables of two heads, of which
// every cell is a pair of columns.
//
// starts: where each head begins and the last one ends, heads + 1 numbers;
// head_of: the head of each column.
#include "softmax.cuh"
#include "columns.cuh"
#include "mutual_information.cuh"

// The logits of a head in a row; none for threads without one.
struct Head {
    long long first, width;  // where its logits are in y, and how many
    long long column;
    __device__ Head(const long long* starts, long long heads, long long rows,
                    long long i) : first(0), width(0), column(0) {
        if (i < rows * heads) {
            column = starts[i % heads];
            first = i / heads * starts[heads] + column;
            width = starts[i % heads + 1] - column;
        }
    }
};

// largest, log_sum: (rows, heads).
extern "C" __global__ void __launch_bounds__(ROW_THREADS, 1)
code_mutual_information_rows(
        const T* y, const long long* starts, long long heads, long long rows,
        T* largest, T* log_sum) {
    for (long long first = blockIdx.x * (long long)blockDim.y;
            first < rows * heads;
            first += gridDim.x * (long long)blockDim.y) {
        const long long i = first + threadIdx.y;
        const Head head(starts, heads, rows, i);
        const Softmax softmax = softmax_of_row(y + head.first, head.width);
        if (i < rows * heads && threadIdx.x == 0) {
            largest[i] = softmax.largest;
            log_sum[i] = softmax.log_sum;
        }
    }
}

// sums: (2, chunks, width), of p and the entropy.
extern "C" __global__ void code_mutual_information_columns(
        const T* y, const T* largest, const T* log_sum,
        const long long* head_of, long long heads, long long rows,
        long long width, long long chunk, T eps, T* p,
        T* sums) {
    const Tile tile(rows, width, chunk);
    const long long j = tile.column;
    T sum = 0, entropy = 0;
    const long long head = tile.inside ? head_of[j] : 0;
    for_tile(tile, [&](long long i) {
        const Softmax softmax = {largest[i * heads + head],
                                 log_sum[i * heads + head]};
        return softmax.log_p(y[i * width + j]);
    }, [&](T log_p, long long i, int) {
        const T p_i = exp(log_p);
        p[i * width + j] = p_i;
        sum += p_i;
        entropy -= p_i * log_plus(p_i, log_p, eps);
    });
    sum = column_sum(sum);
    entropy = column_sum(entropy);
    if (tile.inside && threadIdx.y == 0) {
        sums[blockIdx.y * width + j] = sum;
        sums[(gridDim.y + blockIdx.y) * width + j] = entropy;
    }
}

// entropy_slope: the derivative of the marginal entropies by the mean.
extern "C" __global__ void __launch_bounds__(ROW_THREADS, 1)
code_mutual_information_marginal(
        const T* sums, long long chunks, long long rows, long long width,
        T eps, T* mean, T* entropy_slope, T* conditional, T* marginal) {
    for (long long first = blockIdx.x * (long long)blockDim.y; first < width;
            first += gridDim.x * (long long)blockDim.y) {
        const long long j = first + threadIdx.y;
        const T p = mean_of_chunks(sums, 0, chunks, rows, width, j);
        const T entropy = mean_of_chunks(sums, 1, chunks, rows, width, j);
        if (j < width && threadIdx.x == 0) {
            const T log_mean = log_of_mean(p, eps);
            mean[j] = p;
            entropy_slope[j] = -log_mean - slope_of_log(p, eps);
            conditional[j] = entropy;
            marginal[j] = -p * log_mean;
        }
    }
}

// Of a column with those of other heads.  slope, (width, width), and
// slope_mean: the derivatives by each covariance and by the means.
extern "C" __global__ void code_mutual_information_pairs(
        const T* covariances, const T* mean, const long long* head_of,
        long long chunks, long long width, T eps, T* slope, T* slope_mean,
        T* pairs) {
    sum_pairs(width, slope, slope_mean, pairs, [&](long long u, long long v) {
        if (head_of[u] == head_of[v])
            return Pair{0, 0, 0};
        const Cell cell = cell_of_pair(
            mean[u], mean[v],
            covariance_of_pair(covariances, chunks, width, u, v), eps);
        return Pair{cell.information, cell.slope,
                    mean[v] * cell.slope_independent};
    });
}

// The gradient with respect to y; an upstream gradient may be missing.
// along: (p - mean) slope, needed with g_pairs.
extern "C" __global__ void __launch_bounds__(ROW_THREADS, 1)
code_mutual_information_backward(
        const T* y, const T* largest, const T* log_sum,
        const T* entropy_slope, const T* slope_mean, const T* along,
        const long long* starts, long long heads, long long rows, T eps,
        const T* g_conditional, const T* g_marginal, const T* g_pairs,
        T* gy) {
    const Upstream g(g_conditional, g_marginal, g_pairs, rows);
    for (long long first = blockIdx.x * (long long)blockDim.y;
            first < rows * heads;
            first += gridDim.x * (long long)blockDim.y) {
        const long long i = first + threadIdx.y;
        const Head head(starts, heads, rows, i);
        Softmax softmax = {0, 0};
        if (head.width)
            softmax = {largest[i], log_sum[i]};
        softmax_backward(y + head.first, head.width, gy + head.first,
                         [&](T y_v, long long v) {
            const T log_p = softmax.log_p(y_v), p = exp(log_p);
            T gp = g.marginal * entropy_slope[head.column + v]
                - g.conditional * (log_plus(p, log_p, eps)
                                   + slope_of_log(p, eps));
            if (g_pairs)
                gp += g.pairs * (2 * along[head.first + v]
                                 + slope_mean[head.column + v]);
            return Weighted{p, gp};
        });
    }
}
