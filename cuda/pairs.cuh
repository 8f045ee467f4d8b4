// Information of pairs of outputs, by imsat/functions/pairwise.py; with
// entropy.cuh.
#define TINY T(sizeof(T) == 4 ? 1.17549435e-38 : 2.2250738585072014e-308)

// log p for eps = 0 of a p that may have been rounded to 0; what is left out
// is multiplied by p.
__device__ T log_of_mean(T p, T eps) {
    return log_plus(p, log(max(p, TINY)), eps);
}

// What a cell p q + covariance of a table adds to the information; its
// derivatives by the covariance, less 1, and by p q.
struct Cell {
    T information, slope, slope_independent;
};

__device__ Cell cell_of_pair(T p, T q, T covariance, T eps) {
    const T low = eps > 0 ? T(0) : TINY, independent = p * q;
    const T joint = max(independent + covariance, low);
    const T base = max(independent, low) + eps;
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
