// The mutual information of pairs of outputs, Eq. 13, and what else bits
// (sigmoid_mutual_information.cu) and softmax heads
// (code_mutual_information.cu) have in common; the formulas are those of
// imsat/functions/mutual_information.py.  With entropy.cuh and reduce.cuh.
#define TINY T(sizeof(T) == 4 ? 1.17549435e-38 : 2.2250738585072014e-308)

// NaN stays NaN, which max() would drop.
__device__ T at_least(T low, T x) { return x < low ? low : x; }

// log p for eps = 0 of a p that may have been rounded to 0; what is left out
// is multiplied by p.
__device__ T log_of_mean(T p, T eps) {
    return log_plus(p, log(at_least(TINY, p)), eps);
}

// What a cell p q + covariance of a table adds to the mutual information; its
// derivatives by the covariance, less 1, and by p q.
struct Cell {
    T information, slope, slope_independent;
};

__device__ Cell cell_of_pair(T p, T q, T covariance, T eps) {
    const T low = eps > 0 ? T(0) : TINY, independent = p * q;
    const T joint = at_least(low, independent + covariance);
    const T base = at_least(low, independent) + eps;
    const T ratio = covariance / base;
    const T log_ratio = ratio < T(-.5) ? log((joint + eps) / base)
                                       : log1p(ratio);
    const T share = eps > 0 ? eps / (joint + eps) : T(0);
    return {joint * log_ratio, log_ratio - share,
            log_ratio - ratio + ratio * share};
}

// Of u and v from its parts, shape (chunks, width, width).
__device__ T covariance_of_pair(
        const T* parts, long long chunks, long long width, long long u,
        long long v) {
    T sum = 0;
#pragma unroll 8
    for (long long i = 0; i < chunks; i++)
        sum += parts[(i * width + u) * width + v];
    return sum;
}

// What a pair of columns adds to the mutual information, its derivative by
// their covariance, and what it adds to half of that by the mean of the first.
struct Pair {
    T information, slope, by_mean;
};

// Sums over the pairs (u, v) of each column u, lanes sharing u; slope has
// shape (width, width).
template <class PairOf>
__device__ void sum_pairs(long long width, T* slope,
                          T* slope_mean, T* pairs, PairOf pair_of) {
    for (long long first = blockIdx.x * (long long)blockDim.y; first < width;
            first += gridDim.x * (long long)blockDim.y) {
        const long long u = first + threadIdx.y;
        T information = 0, by_mean = 0;
        for (long long v = threadIdx.x; u < width && v < width;
                v += blockDim.x) {
            const Pair pair = pair_of(u, v);
            information += pair.information;
            by_mean += pair.by_mean;
            slope[u * width + v] = pair.slope;
        }
        information = row_sum(information);
        by_mean = row_sum(by_mean);
        if (u < width && threadIdx.x == 0) {
            pairs[u] = information;
            slope_mean[u] = 2 * by_mean;
        }
    }
}

// The mean over rows of a column j from the sums of chunks of rows, those
// numbered `which` of shape (which, chunks, width); lanes share a column.
__device__ T mean_of_chunks(
        const T* sums, int which, long long chunks, long long rows,
        long long width, long long j) {
    T sum = 0;
    for (long long i = threadIdx.x; j < width && i < chunks; i += blockDim.x)
        sum += sums[(which * chunks + i) * width + j];
    return row_sum(sum) / rows;
}

// Upstream gradients of the three values, over the rows; 0 where missing.
struct Upstream {
    T conditional, marginal, pairs;
    __device__ Upstream(const T* g_conditional, const T* g_marginal,
                        const T* g_pairs, long long rows)
        : conditional(g_conditional ? *g_conditional / rows : T(0)),
          marginal(g_marginal ? *g_marginal / rows : T(0)),
          pairs(g_pairs ? *g_pairs / rows : T(0)) {}
};
